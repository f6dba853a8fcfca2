import { defineFleetCommand } from '../../fleet-command.ts';
import { thingsOf } from '../../grammar/name-things.ts';
import { agentView } from '../../output/server-views.ts';

export const agentsRollback = defineFleetCommand({
  name: 'agents rollback',
  summary: 'Brings agents back to the version they ran before the last update.',
  usage: 'labctl agents rollback NAME… [--now]',
  examples: ['labctl agents rollback web-1', 'labctl agents rollback web-1,web-2 --now'],
  options: {
    now: { type: 'boolean', flag: 'now', default: false, help: 'end sessions, in place of waiting for at most 15 min' },
  },
  positionalsMax: 500,
  completes: [['agent/']],
  async run({ values, positionals, change, labd, result }) {
    const taken = { command: 'labctl agents rollback', types: ['agent', 'server'], bare: 'agent' } as const;
    for (const { name } of thingsOf(positionals, taken)) {
      const body = { rollback: true, now: values.now };
      const back = await change(`bring agent/${name} back to its version before`, async () =>
        (await labd()).call('update-agent', { params: { id: name }, body }),
      );
      if (back !== undefined) await result.one(back, agentView);
    }
  },
});
