import { defineFleetCommand } from '../../fleet-command.ts';
import { caText } from '../../fleet/ca-text.ts';

/** CA-10, CA-12: where the rotation stands and whom the next step would leave behind. */
export const caStatus = defineFleetCommand({
  name: 'ca status',
  summary:
    'Shows the CA: its keys and pins, the phase of a rotation, who has not reported the newest bundle, and what ends soon.',
  usage: 'labctl ca status [-o FORM]',
  examples: ['labctl ca status', 'sudo labctl ca status --local -o json | jq -r \'.pins|join(",")\''],
  options: {},
  positionalsMax: 0,
  async run({ labd, result }) {
    const status = await (await labd()).call('get-ca');
    await result.object(status, await caText(status, result.options));
  },
});
