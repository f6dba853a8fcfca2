import { defineFleetCommand } from '../../fleet-command.ts';
import { secretKeyView } from '../../output/trust-views.ts';

/** SE-3: states of the key-encryption keys; staged ones wait for every replica. */
export const secretsList = defineFleetCommand({
  name: 'secrets list',
  summary: 'Shows the keys that seal what is secret in the store, by id and state; never the keys themselves.',
  usage: 'labctl secrets list [-o FORM]',
  examples: ['labctl secrets list'],
  options: {},
  positionalsMax: 0,
  async run({ labd, result }) {
    await result.list(await (await labd()).listAll('list-secret-keys'), secretKeyView);
  },
});
