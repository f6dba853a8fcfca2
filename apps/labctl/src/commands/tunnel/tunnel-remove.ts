import { defineFleetCommand } from '../../fleet-command.ts';
import { peerName } from '../../grammar/peer-name.ts';

export const tunnelRemove = defineFleetCommand({
  name: 'tunnel remove',
  summary: 'Removes a foreign client and its session. A node is removed by `labctl delete node/NAME`.',
  usage: 'labctl tunnel remove PEER',
  examples: ['labctl tunnel remove laptop'],
  options: {},
  positionalsMax: 1,
  async run({ positionals, change, confirm, labd, note, result }) {
    const id = peerName(positionals, 'remove');
    await confirm(`remove tunnel/${id} and end its session`, id);
    const done = await change(`remove tunnel/${id}`, async () =>
      (await labd()).call('delete-tunnel-peer', { params: { id } }),
    );
    if (done === undefined) return;
    note(`tunnel/${id} removed`);
    await result.object(done, '');
  },
});
