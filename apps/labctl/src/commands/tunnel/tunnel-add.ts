import { addTunnelPeerSchema } from '@labmesh/wire/tunnel';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { tunnelPeerView } from '../../output/tunnel-views.ts';
import { clientInDirectory } from '../../tunnel/client-files.ts';

/** X7. */
export const tunnelAdd = defineFleetCommand({
  name: 'tunnel add',
  summary:
    'Adds a stock Rosenpass or WireGuard client to the hub, from the public folder that `rp pubkey` or `labctl tunnel ' +
    'keygen` made (wgpk, pqpk, and psk if there is one), or a plain WireGuard one by --wireguard. It gets an address; it reaches nothing by itself.',
  usage: 'labctl tunnel add NAME [DIR] [--wireguard KEY] [--endpoint HOST:PORT]',
  examples: [
    'labctl tunnel add laptop ./laptop.pub',
    'labctl tunnel add branch ./branch.pub --endpoint 198.51.100.7:9999',
    'labctl tunnel add phone --wireguard "$(cat phone.pub)"',
  ],
  options: {
    wireguard: { type: 'string', flag: 'wireguard', placeholder: 'KEY', help: 'WireGuard public key, base64' },
    endpoint: {
      type: 'string',
      flag: 'endpoint',
      placeholder: 'HOST:PORT',
      help: 'where its Rosenpass is dialled, by address or name, and its WireGuard on the next port; with --wireguard that one itself; without it the client dials',
    },
  },
  positionalsMax: 2,
  async run({ values, positionals: [name, dir], change, labd, result }) {
    const { wireguard, endpoint } = values;
    if (name === undefined || (dir === undefined) === (wireguard === undefined)) {
      const hint = 'labctl tunnel add NAME DIR, or labctl tunnel add NAME --wireguard KEY';
      throw new CommandError('a name, and either DIR or --wireguard', { hint, exitCode: exitCodes.usage });
    }
    const keys = dir === undefined ? { wireguardPublicKey: wireguard ?? '' } : clientInDirectory(dir);
    const body = { name, ...keys, ...(endpoint !== undefined && { endpoint }) };
    const issue = addTunnelPeerSchema.safeParse(body).error?.issues[0];
    if (issue !== undefined) {
      throw new CommandError(`${issue.path.join('.')}: ${issue.message}`, { exitCode: exitCodes.usage });
    }
    const peer = await change(`add tunnel/${name}`, async () => (await labd()).call('create-tunnel-peer', { body }));
    if (peer !== undefined) await result.one(peer, tunnelPeerView);
  },
});
