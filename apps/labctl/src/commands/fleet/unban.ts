import { defineFleetCommand } from '../../fleet-command.ts';
import { areNodes, unbanNodes } from '../../fleet/ban-things.ts';
import { thingsOf } from '../../grammar/name-things.ts';
import { serverView } from '../../output/server-views.ts';

/** CA-9, the way back from `ban`. */
export const unban = defineFleetCommand({
  name: 'unban',
  summary: 'Lifts a ban: the machine may connect, or join again by token; a node registers anew.',
  usage: 'labctl unban server/NAME… | node/NAME…',
  examples: ['labctl get servers --status banned', 'labctl unban server/web-1', 'labctl unban node/site-a'],
  options: {},
  positionalsMax: 500,
  completes: [['server/', 'node/']],
  async run(call) {
    const { positionals, change, labd, result } = call;
    const taken = { command: 'labctl unban', types: ['server', 'agent', 'node'], bare: 'server' } as const;
    const refs = thingsOf(positionals, taken);
    if (areNodes(refs)) return unbanNodes(call, refs);
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
