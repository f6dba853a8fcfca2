import { defineFleetCommand } from '../../fleet-command.ts';
import { banOptions, banServers } from '../../fleet/ban-things.ts';
import { thingsOf } from '../../grammar/name-things.ts';

/** The classic name of `ban server/NAME` (CA-9). */
export const agentsBan = defineFleetCommand({
  name: 'agents ban',
  summary: 'Cuts the server of an agent off and refuses it until unban. As ban server/NAME.',
  usage: 'labctl agents ban NAME… [--reason TEXT] [--yes]',
  examples: ['labctl agents ban web-1 --reason "stolen laptop"'],
  options: banOptions,
  positionalsMax: 500,
  completes: [['agent/']],
  run: (call) =>
    banServers(
      call,
      thingsOf(call.positionals, { command: 'labctl agents ban', types: ['agent', 'server'], bare: 'agent' }),
    ),
});
