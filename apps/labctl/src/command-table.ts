/** Every command of labctl, loaded one at a time. The order is the order of help. */
import type { CommandEntry, CommandGroup } from './command.ts';
import { arenaCommands } from './table/arena-commands.ts';
import { datasetCommands } from './table/verification/dataset-commands.ts';
import { fleetAgentCommands } from './table/fleet-agent-commands.ts';
import { fleetNodeCommands } from './table/fleet-node-commands.ts';
import { fleetPeopleCommands } from './table/fleet-people-commands.ts';
import { fleetServerCommands } from './table/fleet-server-commands.ts';
import { fleetTrustCommands } from './table/fleet-trust-commands.ts';
import { keyCommands } from './table/key-commands.ts';
import { modelCommands } from './table/model-commands.ts';
import { sandboxCommands } from './table/sandbox-commands.ts';
import { sessionCommands } from './table/session-table.ts';
import { tunnelCommands } from './table/tunnel-commands.ts';
import { toolCommands } from './table/tool-commands.ts';
import { verifyCommands } from './table/verify-commands.ts';

export const commandGroups: readonly CommandGroup[] = [
  { title: 'Models and API', entries: [...modelCommands, ...keyCommands] },
  { title: 'Fleet', entries: [...fleetServerCommands, ...fleetAgentCommands] },
  { title: 'Nodes', entries: fleetNodeCommands },
  { title: 'Tunnel', entries: tunnelCommands },
  { title: 'Sessions, files, ports and logs', entries: sessionCommands },
  { title: 'People and access', entries: fleetPeopleCommands },
  { title: 'State, CA, audit and backups', entries: fleetTrustCommands },
  { title: 'Certificates of answers', entries: verifyCommands },
  { title: 'Verification runs', entries: arenaCommands },
  { title: 'Sandboxes', entries: sandboxCommands },
  { title: 'Preference data', entries: datasetCommands },
  { title: 'Configuration', entries: toolCommands },
];

export const commandTable: readonly CommandEntry[] = commandGroups.flatMap(({ entries }) => entries);
