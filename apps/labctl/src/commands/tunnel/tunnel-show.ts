import { groupedFingerprint, pqText } from '@labmesh/tunnel/tunnel-text';
import { defineFleetCommand } from '../../fleet-command.ts';
import { peerName } from '../../grammar/peer-name.ts';
import { renderFields } from '../../output/result.ts';

export const tunnelShow = defineFleetCommand({
  name: 'tunnel show',
  summary: 'Shows one peer of the hub: keys, ages, counters, and what was refused from it.',
  usage: 'labctl tunnel show PEER',
  examples: ['labctl tunnel show rack-4'],
  options: {},
  positionalsMax: 1,
  async run({ positionals, labd, result, world }) {
    const id = peerName(positionals, 'show');
    const peer = await (await labd()).call('get-tunnel-peer', { params: { id } });
    const failures = Object.entries(peer.failures).map(([reason, count]) => `${reason} ${count}`);
    const text = renderFields([
      ['Name', peer.name],
      ['Traffic', pqText(peer, world.clock.wall())],
      ['Mode', peer.mode],
      ['Address', peer.address],
      ['Endpoint', peer.endpoint ?? 'not heard of yet'],
      ['WireGuard', peer.wireguardPublicKey],
      ['Rosenpass', peer.rosenpassSha256 === null ? 'none' : groupedFingerprint(peer.rosenpassSha256)],
      ['Exchanges', `${peer.exchanges}, the last as ${peer.lastRole ?? 'nothing yet'}`],
      ['Handshake', peer.handshakeAgeS === null ? 'never' : `${Math.round(peer.handshakeAgeS)} s ago`],
      ['Refused', failures.length === 0 ? 'nothing' : failures],
      ['Last error', peer.lastError ?? 'none'],
    ]);
    await result.object(peer, text);
  },
});
