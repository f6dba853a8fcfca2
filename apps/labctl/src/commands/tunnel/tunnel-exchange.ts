import { peerLine } from '@labmesh/tunnel/tunnel-text';
import { defineFleetCommand } from '../../fleet-command.ts';
import { peerName } from '../../grammar/peer-name.ts';
import { safeText } from '../../terminal/safe-text.ts';

export const tunnelExchange = defineFleetCommand({
  name: 'tunnel exchange',
  summary:
    'Exchanges a key now with a peer that the hub dials, and waits for it (≤ 10 s). Nodes begin their exchanges ' +
    'themselves: run `labman tunnel exchange` there.',
  usage: 'labctl tunnel exchange PEER',
  examples: ['labctl tunnel exchange branch'],
  options: {},
  positionalsMax: 1,
  async run({ positionals, change, labd, result, world }) {
    const id = peerName(positionals, 'exchange');
    const done = await change(`exchange a key with ${id}`, async () =>
      (await labd()).call('exchange-tunnel-peer', { params: { id }, body: {} }),
    );
    if (done === undefined) return 0;
    const said = done.ok
      ? `done in ${done.tookMs} ms: ${peerLine(done.peer, world.clock.wall())}`
      : `failed: ${done.error}`;
    await result.object(done, `${safeText(said)}\n`);
    return done.ok ? 0 : 1;
  },
});
