import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { peerName } from '../../grammar/peer-name.ts';

/** K6. */
export const tunnelTrust = defineFleetCommand({
  name: 'tunnel trust',
  summary:
    'Lets a node come back with another Rosenpass key, the one of this fingerprint, at its next registration. Compare it ' +
    'with `labman tunnel fingerprint` on the node first.',
  usage: 'labctl tunnel trust NODE SHA256',
  examples: ['labctl tunnel trust rack-4 sha256:5b1c…'],
  options: {},
  positionalsMax: 2,
  async run({ positionals, change, confirm, labd, note, result }) {
    const id = peerName(positionals, 'trust');
    const [, sha256] = positionals;
    if (sha256 === undefined) {
      throw new CommandError('the fingerprint is missing', {
        hint: 'labctl tunnel trust NODE SHA256; `labman tunnel fingerprint` prints it on the node',
        exitCode: exitCodes.usage,
      });
    }
    await confirm(`let node/${id} in with another key`, id);
    const peer = await change(`let node/${id} in with ${sha256}`, async () =>
      (await labd()).call('trust-tunnel-peer', { params: { id }, body: { sha256 } }),
    );
    if (peer === undefined) return;
    note(`${id} may register with that key; until then its old one holds`);
    await result.object(peer, '');
  },
});
