import { defineFleetCommand } from '../../fleet-command.ts';
import { nodeTokensOf } from '../../grammar/node-tokens-of.ts';
import { nodeTokenView } from '../../output/node-views.ts';

export const nodeTokenRevoke = defineFleetCommand({
  name: 'node token revoke',
  summary:
    'Ends a token of a node at once: it neither registers nor is heard with it any more. The tunnel that it has stays up ' +
    'until labctl delete node/NAME (or ban node/NAME) takes it away.',
  usage: 'labctl node token revoke TOKEN… [--yes]',
  examples: ['labctl node token revoke lmn_0aB1cD2eF3'],
  options: {},
  positionalsMax: 500,
  async run({ positionals, confirm, change, labd, result }) {
    const items = [];
    for (const token of nodeTokensOf(positionals, 'labctl node token revoke')) {
      const what = `revoke node token ${token}`;
      await confirm(what, token);
      const ended = await change(what, async () => (await labd()).call('revoke-node-token', { params: { id: token } }));
      if (ended !== undefined) items.push(ended);
    }
    if (items.length > 0) await result.list({ items, nextCursor: null }, nodeTokenView);
  },
});
