import { defineFleetCommand } from '../../fleet-command.ts';
import { areNodes, banNodes, banOptions, banServers } from '../../fleet/ban-things.ts';
import { thingsOf } from '../../grammar/name-things.ts';

/**
 * CA-9: a ban holds for key, machine id and identity, where `delete agent` only ends the certificate. Of a node (H3) it
 * holds for its keys and tokens, where `delete node` lets it come back.
 */
export const ban = defineFleetCommand({
  name: 'ban',
  summary:
    'Cuts a server off at once and refuses its key, its machine id and its identity until unban; a node, its keys and ' +
    'its tokens.',
  usage: 'labctl ban server/NAME… | node/NAME… [--reason TEXT] [--yes]',
  examples: ['labctl ban server/web-1 --reason "stolen laptop"', 'labctl ban node/site-a --reason "left us"'],
  options: banOptions,
  positionalsMax: 500,
  completes: [['server/', 'node/']],
  run(call) {
    const taken = { command: 'labctl ban', types: ['server', 'agent', 'node'], bare: 'server' } as const;
    const refs = thingsOf(call.positionals, taken);
    return areNodes(refs) ? banNodes(call, refs) : banServers(call, refs);
  },
});
