import { defineFleetCommand } from '../../fleet-command.ts';
import { banOptions, banServers } from '../../fleet/ban-servers.ts';
import { thingsOf } from '../../grammar/name-things.ts';

/** CA-9: a ban holds for key, machine id and identity, where `delete agent` only ends the certificate. */
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
