import { defineFleetCommand } from '../../fleet-command.ts';
import { nodeTokenView } from '../../output/node-views.ts';

export const nodeTokenList = defineFleetCommand({
  name: 'node token list',
  summary: 'Lists the tokens of nodes, newest first: never their text.',
  usage: 'labctl node token list [-o FORM]',
  examples: ['labctl node token list', 'labctl node token list -o wide'],
  options: {},
  positionalsMax: 0,
  async run({ labd, result, note }) {
    const list = await (await labd()).listAll('list-node-tokens');
    await result.list(list, nodeTokenView);
    if (list.items.length === 0) note('no node tokens');
  },
});
