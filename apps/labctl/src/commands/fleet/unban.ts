import { defineFleetCommand } from '../../fleet-command.ts';
import { thingsOf } from '../../grammar/name-things.ts';
import { serverView } from '../../output/server-views.ts';

/** CA-9, the way back from `ban`. */
export const unban = defineFleetCommand({
  name: 'unban',
  summary: 'Lifts a ban: the machine may connect, or join again by token.',
  usage: 'labctl unban server/NAME…',
  examples: ['labctl get servers --status banned', 'labctl unban server/web-1'],
  options: {},
  positionalsMax: 500,
  completes: [['server/']],
  async run({ positionals, change, labd, result }) {
    const refs = thingsOf(positionals, { command: 'labctl unban', types: ['server', 'agent'], bare: 'server' });
    const items = [];
    for (const { name } of refs) {
      const freed = await change(`unban server/${name}`, async () =>
        (await labd()).call('unban-server', { params: { id: name } }),
      );
      if (freed !== undefined) items.push(freed);
    }
    if (items.length > 0) await result.list({ items, nextCursor: null }, serverView);
  },
});
