import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { parseInstant } from '../../grammar/instant.ts';
import { confirm } from '../../output/confirm.ts';
import { findIssuerKeys, issuerOptions } from '../../verify/issuer-keys.ts';
import { isLocked, revokeByArena, revokeHere } from '../../verify/issuer.ts';
import { readId, readReason, reasonOption, revoker, yesOption } from '../../verify/revoke-options.ts';

/** CT7, for a stolen key. A crash in the middle leaves the earlier half done, and the command can be run again. */
export const certKeysRevoke = defineCommand({
  name: 'cert keys revoke',
  summary:
    'Ends a key at once, makes another in its place, and revokes what it signed from a moment on: certificates that were ' +
    'logged before that moment stay valid. The next key is not endorsed by the one that was ended: give verifiers the new ' +
    'trust file by a way they can trust. An arena that runs on the data folder is asked to do it, and signs on with the next ' +
    'key.',
  usage: 'labctl cert keys revoke KEY --reason WORD [--since TIME] [--yes] [--data DIR] [--config FILE] [--json]',
  examples: ['labctl cert keys revoke 9c1f… --reason key_compromise --since 2h'],
  options: {
    ...reasonOption,
    since: {
      type: 'string',
      flag: 'since',
      placeholder: 'TIME',
      help: 'when it was stolen: a moment, or a span such as 2h ago; default now',
    },
    ...yesOption,
    ...issuerOptions,
    ...jsonOption,
  },
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const keyid = readId(positionals[0], /^[0-9a-f]{64}$/, 'the id of a key', 'labctl cert keys list shows them');
    const reason = readReason(values.reason);
    const now = world.clock.wall();
    const since = parseInstant(values.since ?? '0s', { flag: '--since', spans: 'ago', now });
    const keys = await findIssuerKeys(values, world);
    await confirm(world, {
      action: `end the key ${keyid} and revoke what it signed since ${since}`,
      name: keyid.slice(0, 8),
      yes: values.yes,
    });
    const one = { keyid, reason, time: since, by: revoker(world.env) };
    const { next, isNextOwed } = await revokeHere(keys, one, now).catch((error: unknown) => {
      if (!isLocked(error)) throw error;
      return revokeByArena(keys.path, one, error);
    });
    const result = { keyid, reason, since, next };
    world.stdout(values.json ? `${JSON.stringify(result)}\n` : `key ${keyid} is ended; revoked since ${since}\n`);
    if (isNextOwed) world.stderr('note: the service made no key in its place yet; a running arena asks for it again\n');
  },
});
