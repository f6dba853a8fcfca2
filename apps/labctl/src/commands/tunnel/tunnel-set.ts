import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { peerName } from '../../grammar/peer-name.ts';
import { tunnelPeerView } from '../../output/tunnel-views.ts';

/** Q7. */
export const tunnelSet = defineFleetCommand({
  name: 'tunnel set',
  summary:
    'Makes a peer strict (without a fresh exchange nothing passes) or permissive (traffic goes on and says so). Whoever ' +
    'can drop UDP 9999 can force a permissive link back to plain WireGuard; a link is strict when either end is.',
  usage: 'labctl tunnel set PEER --strict|--permissive',
  examples: ['labctl tunnel set rack-4 --permissive'],
  options: {
    strict: { type: 'boolean', flag: 'strict', default: false, help: 'nothing passes without a fresh exchange' },
    permissive: {
      type: 'boolean',
      flag: 'permissive',
      default: false,
      help: 'fall back to plain WireGuard, and say so',
    },
  },
  positionalsMax: 1,
  async run({ values, positionals, change, labd, result }) {
    const id = peerName(positionals, 'set');
    const { strict, permissive } = values;
    if (strict === permissive) {
      throw new CommandError('one of --strict and --permissive is needed', { exitCode: exitCodes.usage });
    }
    const peer = await change(`make tunnel/${id} ${strict ? 'strict' : 'permissive'}`, async () =>
      (await labd()).call('update-tunnel-peer', { params: { id }, body: { requirePq: strict } }),
    );
    if (peer !== undefined) await result.one(peer, tunnelPeerView);
  },
});
