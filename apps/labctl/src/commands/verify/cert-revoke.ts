import { defineOptions } from '@labmesh/kit/options';
import { z } from 'zod';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand, type World } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { jsonOption } from '../../common-options.ts';
import { exitCodes } from '../../exit-codes.ts';
import { confirm } from '../../output/confirm.ts';
import { findIssuerKeys, type IssuerFlags, issuerOptions } from '../../verify/issuer-keys.ts';
import { isLocked, revokeByArena, revokeHere } from '../../verify/issuer.ts';
import { readId, readReason, reasonOption, revoker, yesOption } from '../../verify/revoke-options.ts';

type Asked = { id: string; reason: ReturnType<typeof readReason>; verifier: boolean };
type Place = Parameters<typeof findApi>[0] & IssuerFlags;

/** Through the gateway: the arena revokes what the key's tenant has. @throws CommandError, exit 5 for another's */
async function askArena({ id, reason }: Asked, place: Place, world: World): Promise<void> {
  await using arena = new ArenaClient(findApi(place, world), world);
  const path = `/api/arena/certificates/${encodeURIComponent(id)}/revoke`;
  await arena.ask({ method: 'POST', path, json: { reason } }, z.object({ certificateId: z.string() }));
}

const lockedError = (cause: CommandError, hint: string) =>
  new CommandError(cause.message, { code: 'LOG_LOCKED', hint, exitCode: exitCodes.conflict, cause });

/** Whether there is a key to ask the gateway with. */
function hasApi(place: Place, world: World): boolean {
  try {
    findApi(place, world);
    return true;
  } catch {
    return false;
  }
}

/**
 * Here, or by the arena that has the log. Of a certificate its gateway is asked, which then gives the answer no more out of
 * its cache; where no key is at hand, and for a verifier, which is of all tenants, the arena is asked by its issuer.
 */
async function revoke(asked: Asked, place: Place, world: World): Promise<void> {
  if (place.api !== undefined) return await askArena(asked, place, world);
  const { id, reason, verifier } = asked;
  const keys = await findIssuerKeys(place, world);
  const now = world.clock.wall();
  const target = verifier ? { verifier_digest: id } : { certificate_id: id };
  const one = { ...target, reason, time: new Date(now).toISOString(), by: revoker(world.env) };
  try {
    await revokeHere(keys, one, now);
  } catch (error) {
    if (!isLocked(error)) throw error;
    if (!verifier && hasApi(place, world)) return await askArena(asked, place, world);
    const hint = verifier
      ? 'stop labctl up or lab-arena, then run this again'
      : `ask its gateway: labctl cert revoke ${id} --reason ${reason} --api URL --key KEY`;
    await revokeByArena(keys.path, one, lockedError(error, hint));
  }
}

/** CT7. By its id a certificate need not be here; by a verifier's digest nobody needs to know which ones it signed. */
export const certRevoke = defineCommand({
  name: 'cert revoke',
  summary:
    'Revokes a certificate of this issuer by its id, or, with --verifier, every certificate that names the digest of a ' +
    'verifier that had a fault. The list is signed, and the log has an entry of it. An arena that runs on the data folder is ' +
    'asked to do it; with --api an arena elsewhere, with an API key of the tenant.',
  usage:
    'labctl cert revoke ID --reason WORD [--verifier] [--yes] [--data DIR | --api URL --key KEY] [--config FILE] [--json]',
  examples: [
    'labctl cert revoke cert-7f2 --reason cheat_found',
    'labctl cert revoke 5b1e… --verifier --reason verifier_bug',
  ],
  options: defineOptions({
    ...reasonOption,
    verifier: { type: 'boolean', flag: 'verifier', default: false, help: 'ID is the digest of a verifier' },
    ...yesOption,
    ...apiOptions,
    ...issuerOptions,
    ...jsonOption,
  }),
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const { verifier, api } = values;
    // The id goes into a public log: a line of plain characters, whatever was typed.
    const [pattern, what] = verifier
      ? [/^[0-9a-f]{64}$/, 'the digest of a verifier']
      : [/^[\x21-\x7e]{1,200}$/, 'the id of a certificate'];
    const id = readId(positionals[0], pattern, what, 'labctl cert show FILE tells it');
    const reason = readReason(values.reason);
    if (verifier && api !== undefined) {
      throw new CommandError('--verifier and --api exclude each other: it is the issuer who says that', {
        exitCode: exitCodes.usage,
      });
    }
    const action = verifier ? `revoke every certificate of verifier ${id}` : `revoke certificate ${id}`;
    await confirm(world, { action, name: id.slice(0, 12), yes: values.yes });
    await revoke({ id, reason, verifier }, values, world);
    const time = new Date(world.clock.wall()).toISOString();
    world.stdout(values.json ? `${JSON.stringify({ id, reason, time })}\n` : `revoked: ${id}\n`);
  },
});
