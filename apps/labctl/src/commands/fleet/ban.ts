import { defineFleetCommand } from '../../fleet-command.ts';
import { banOptions, banServers } from '../../fleet/ban-servers.ts';
import { thingsOf } from '../../fleet/name-things.ts';

export const ban = defineFleetCommand({
  name: 'ban',
  summary: 'Cuts a server off at once and refuses its key, its machine id and its identity until unban.',
  usage: 'labctl ban server/NAME… [--reason TEXT] [--yes]',
  examples: ['labctl ban server/web-1 --reason "stolen laptop"', 'labctl unban server/web-1'],
  options: banOptions,
  positionalsMax: 500,
  completes: [['server/']],
  run: (call) =>
    banServers(call, thingsOf(call.positionals, { command: 'labctl ban', types: ['server', 'agent'], bare: 'server' })),
});
