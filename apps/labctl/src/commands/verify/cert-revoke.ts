import { defineCommand } from '../../command.ts';
import { dataOption, jsonOption } from '../../common-options.ts';
import { confirm } from '../../output/confirm.ts';
import { issuerFolder } from '../../verify/attest-files.ts';
import { publishRevocation, withKeys } from '../../verify/issuer.ts';
import { readId, readReason, reasonOption, revoker, yesOption } from '../../verify/revoke-options.ts';

/** CT7. By its id a certificate need not be here; by a verifier's digest nobody needs to know which ones it signed. */
export const certRevoke = defineCommand({
  name: 'cert revoke',
  summary:
    'Revokes a certificate of this issuer by its id, or, with --verifier, every certificate that names the digest of a ' +
    'verifier that had a fault. The list is signed, and the log has an entry of it.',
  usage: 'labctl cert revoke ID --reason WORD [--verifier] [--yes] [--data DIR] [--json]',
  examples: [
    'labctl cert revoke cert-7f2 --reason cheat_found',
    'labctl cert revoke 5b1e… --verifier --reason verifier_bug',
  ],
  options: {
    ...reasonOption,
    verifier: { type: 'boolean', flag: 'verifier', default: false, help: 'ID is the digest of a verifier' },
    ...yesOption,
    ...dataOption,
    ...jsonOption,
  },
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    // The id goes into a public log: a line of plain characters, whatever was typed.
    const [pattern, what] = values.verifier
      ? [/^[0-9a-f]{64}$/, 'the digest of a verifier']
      : [/^[\x21-\x7e]{1,200}$/, 'the id of a certificate'];
    const id = readId(positionals[0], pattern, what, 'labctl cert show FILE tells it');
    const reason = readReason(values.reason);
    const folder = issuerFolder(values.data, world.env);
    const now = world.clock.wall();
    const action = values.verifier ? `revoke every certificate of verifier ${id}` : `revoke certificate ${id}`;
    await confirm(world, { action, name: id.slice(0, 12), yes: values.yes });
    const time = new Date(now).toISOString();
    const target = values.verifier ? { verifier_digest: id } : { certificate_id: id };
    await withKeys(folder, now, (ring) =>
      publishRevocation(folder, ring, { ...target, reason, time, by: revoker(world.env) }, now),
    );
    world.stdout(values.json ? `${JSON.stringify({ id, reason, time })}\n` : `revoked: ${id}\n`);
  },
});
