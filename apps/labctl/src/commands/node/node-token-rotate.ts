import { defineFleetCommand } from '../../fleet-command.ts';
import { oneNodeToken } from '../../grammar/node-tokens-of.ts';
import { safeText } from '../../terminal/safe-text.ts';

export const nodeTokenRotate = defineFleetCommand({
  name: 'node token rotate',
  summary:
    'Makes another token for the same node, on the same terms, and prints the line for its machine; the old one is good ' +
    'for 24 hours more.',
  usage: 'labctl node token rotate TOKEN',
  examples: ['labctl node token rotate lmn_0aB1cD2eF3'],
  options: {},
  positionalsMax: 1,
  async run({ positionals, change, labd, result, note }) {
    const token = oneNodeToken(positionals, 'labctl node token rotate');
    const made = await change(`rotate node token ${token}`, async () =>
      (await labd()).call('rotate-node-token', { params: { id: token }, body: {} }),
    );
    if (made === undefined) return;
    note(
      `token ${made.prefix} for node ${made.name ?? made.nodeId ?? ''}; shown this once. ${token} ends within 24 hours`,
    );
    await result.object(made, `${safeText(made.joinCommand)}\n`);
  },
});
