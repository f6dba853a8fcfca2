import { defineFleetCommand } from '../../fleet-command.ts';
import { tunnelPeerView } from '../../output/tunnel-views.ts';

export const tunnelPeers = defineFleetCommand({
  name: 'tunnel peers',
  summary: 'Lists the peers of the hub: nodes and foreign clients.',
  usage: 'labctl tunnel peers [-o FORM]',
  examples: ['labctl tunnel peers', 'labctl tunnel peers -o wide'],
  options: {},
  positionalsMax: 0,
  async run({ labd, result }) {
    await result.list(await (await labd()).listAll('list-tunnel-peers'), tunnelPeerView);
  },
});
