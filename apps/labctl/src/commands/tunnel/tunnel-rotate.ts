import { rotationLines } from '@labmesh/tunnel/tunnel-text';
import { defineFleetCommand } from '../../fleet-command.ts';
import { safeText } from '../../terminal/safe-text.ts';

/**
 * K8, the hub's half. labd goes through the phases by itself:
 *
 *     announced ──every node has taken it, or 24 h──▶ promoted ──all exchange with it, or 24 h──▶ done
 *
 * so that the command only begins it, shows it, or hastens its next step. A node's own pair is `labman tunnel rotate`.
 */
export const tunnelRotate = defineFleetCommand({
  name: 'tunnel rotate',
  summary:
    'Changes the hub’s Rosenpass key without breaking a stream. The next key is announced; once every node has taken it, or ' +
    'after 24 h, nodes are to use it; the old one answers until they do, 24 h at most, and is deleted. Run again to see how ' +
    'far it is. A node that was away all that time has to trust the new key by hand. Clients of other make are not told: ' +
    'export their settings again once the new key is in use.',
  usage: 'labctl tunnel rotate [--now]',
  examples: ['labctl tunnel rotate', 'labctl tunnel rotate --now'],
  options: {
    now: {
      type: 'boolean',
      flag: 'now',
      default: false,
      help: 'the next step at once; refused, with their names, while some are not ready',
    },
  },
  positionalsMax: 0,
  async run({ values: { now }, change, confirm, labd, result }) {
    // Without it nothing happens that a node could miss.
    if (now) await confirm('take the next step of changing the hub’s Rosenpass key', 'hub');
    // The answer is the phase as it is now; later ones are seen in `tunnel status`.
    const rotation = await change('change the hub’s Rosenpass key', async () =>
      (await labd()).call('rotate-tunnel', { body: { now } }),
    );
    if (rotation === undefined) return;
    await result.object(
      rotation,
      rotationLines(rotation)
        .map((line) => `${safeText(line)}\n`)
        .join(''),
    );
  },
});
