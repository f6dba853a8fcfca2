import { defineFleetCommand } from '../../fleet-command.ts';
import { renderFields } from '../../output/result.ts';

/** SE-3: staged, active, re-wrapped, retiring: labd goes on by itself once this has begun. */
export const secretsRotate = defineFleetCommand({
  name: 'secrets rotate',
  summary:
    'Makes a new key for what is secret in the store. It is used once every live replica has it; then all is sealed anew ' +
    'while labd serves, and the old key retires after seven days. Back the key file up afterwards.',
  usage: 'labctl secrets rotate [--yes]',
  examples: ['labctl secrets rotate', 'labctl secrets list'],
  options: {},
  positionalsMax: 0,
  async run({ confirm, change, labd, note, result }) {
    const what = 'make a new key-encryption key and seal everything in the store anew';
    await confirm(what, 'rotate');
    const made = await change(what, async () => (await labd()).call('rotate-secrets'));
    if (made === undefined) return;
    if (made.state === 'staged') note('it waits until every live replica has it; labctl secrets list shows its state');
    note("back labd's key file up again: without it nothing sealed from now on opens");
    await result.object(
      made,
      renderFields([
        ['Key', made.keyId],
        ['State', made.state],
      ]),
    );
  },
});
