import { isPostQuantum, tunnelText } from '@labmesh/tunnel/tunnel-text';
import { defineFleetCommand } from '../../fleet-command.ts';
import { safeText } from '../../terminal/safe-text.ts';

/** Names and errors may come from nodes. */
const linesOf = (text: string) => text.split('\n').map(safeText).join('\n');

/** V5–V7. */
export const tunnelStatus = defineFleetCommand({
  name: 'tunnel status',
  summary:
    'Shows the hub of the tunnel: its device, isolation, keys, and for each peer whether its traffic is post-quantum at ' +
    'this moment, and if not why; then the nodes of other replicas’ hubs, and how they are reached. A node shows its own side with `labman tunnel status`.',
  usage: 'labctl tunnel status [--check] [-o FORM]',
  examples: ['labctl tunnel status', 'labctl tunnel status --check -o json'],
  options: {
    check: { type: 'boolean', flag: 'check', default: false, help: 'exit 1 unless every peer is post-quantum now' },
  },
  positionalsMax: 0,
  async run({ values, labd, result, world }) {
    const view = await (await labd()).call('get-tunnel');
    await result.object(view, linesOf(tunnelText(view, world.clock.wall())));
    return values.check && !isPostQuantum(view) ? 1 : 0;
  },
});
