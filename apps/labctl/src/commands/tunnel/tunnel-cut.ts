import { defineFleetCommand } from '../../fleet-command.ts';
import { peerName } from '../../grammar/peer-name.ts';
import { tunnelPeerView } from '../../output/tunnel-views.ts';

/** Q4, by hand. */
export const tunnelCut = defineFleetCommand({
  name: 'tunnel cut',
  summary:
    'Ends the session of a peer now. It heals with the peer’s next exchange, two minutes at most; ' +
    '`labctl delete node/NAME` or `ban` ends it for good.',
  usage: 'labctl tunnel cut PEER',
  examples: ['labctl tunnel cut rack-4'],
  options: {},
  positionalsMax: 1,
  async run({ positionals, change, confirm, labd, result }) {
    const id = peerName(positionals, 'cut');
    await confirm(`cut tunnel/${id} until its next exchange`, id);
    const peer = await change(`cut tunnel/${id}`, async () =>
      (await labd()).call('cut-tunnel-peer', { params: { id }, body: {} }),
    );
    if (peer !== undefined) await result.one(peer, tunnelPeerView);
  },
});
