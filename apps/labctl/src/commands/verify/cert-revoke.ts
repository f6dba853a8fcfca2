import { defineCommand } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { dataOption, jsonOption } from '../../common-options.ts';
import { exitCodes } from '../../exit-codes.ts';
import { confirm } from '../../output/confirm.ts';
import { issuerFolder } from '../../verify/attest-files.ts';
import { reasonOption, yesOption } from '../../verify/cert-options.ts';
import { publishRevocation, withKeys } from '../../verify/issuer.ts';
import { readReason, revoker } from '../../verify/revoker.ts';

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
    const [id] = positionals;
    const pattern = values.verifier ? /^[0-9a-f]{64}$/ : /^[\x21-\x7e]{1,200}$/;
    if (id === undefined || !pattern.test(id)) {
      const problem = id === undefined ? 'the id is missing' : `this is no ${values.verifier ? 'digest' : 'id'}`;
      throw new CommandError(problem, { hint: 'labctl cert show FILE tells it', exitCode: exitCodes.usage });
    }
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
