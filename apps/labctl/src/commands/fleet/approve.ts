import { defineFleetCommand } from '../../fleet-command.ts';
import { thingsOf } from '../../grammar/name-things.ts';
import { agentView } from '../../output/server-views.ts';

/**
 * The operator's word for who waits: tokens with `approve`, late returns (CA-7), a second machine with one id (JT-7).
 */
export const approve = defineFleetCommand({
  name: 'approve',
  summary:
    'Lets a machine in that waits for an operator: joined with a token that wants approval, came back after its ' +
    'certificate had expired for long, or shows the machine id of another.',
  usage: 'labctl approve agent/NAME…',
  examples: ['labctl get agents --status waiting-approval', 'labctl approve agent/web-1'],
  options: {},
  positionalsMax: 500,
  completes: [['agent/']],
  async run({ positionals, change, labd, result }) {
    const refs = thingsOf(positionals, { command: 'labctl approve', types: ['agent', 'server'], bare: 'agent' });
    const items = [];
    for (const { name } of refs) {
      const approved = await change(`approve agent/${name}`, async () =>
        (await labd()).call('approve-agent', { params: { id: name } }),
      );
      if (approved !== undefined) items.push(approved);
    }
    if (items.length > 0) await result.list({ items, nextCursor: null }, agentView);
  },
});
