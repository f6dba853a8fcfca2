import { defineFleetCommand } from '../../fleet-command.ts';
import { thingOf } from '../../grammar/name-things.ts';
import { safeText } from '../../terminal/safe-text.ts';

/** ID-3: RFC 6238 codes beside a password. The secret is in the answer this once and in no log. */
export const userTotp = defineFleetCommand({
  name: 'user totp',
  summary:
    'Turns one-time codes on for logins with a password, and prints the otpauth address of the secret for an ' +
    'authenticator, this once; a secret that was there before ends. --off turns them off.',
  usage: 'labctl user totp NAME [--off]',
  examples: ['labctl user totp alice', 'labctl user totp alice | qrencode -t ansiutf8', 'labctl user totp alice --off'],
  options: { off: { type: 'boolean', flag: 'off', default: false, help: 'no one-time codes any more' } },
  positionalsMax: 1,
  completes: [['user/']],
  async run({ values, positionals, confirm, change, labd, note, result }) {
    const { name } = thingOf(positionals, { command: 'labctl user totp', types: ['user'], bare: 'user' });
    const enabled = !values.off;
    const what = enabled
      ? `make a new secret for the one-time codes of user/${name}`
      : `turn the one-time codes of user/${name} off`;
    if (!enabled) await confirm(what, name);
    const made = await change(what, async () =>
      (await labd()).call('set-totp', { params: { id: name }, body: { enabled } }),
    );
    if (made === undefined) return;
    note(
      made.uri === null ? `one-time codes of user/${name} are off` : 'shown this once: put it into an authenticator',
    );
    await result.object(made, made.uri === null ? '' : `${safeText(made.uri)}\n`);
  },
});
