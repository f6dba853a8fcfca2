/** Every command of labctl, loaded one at a time. The order is the order of help. */
import type { CommandEntry, CommandGroup } from './command.ts';
import { modelCommands } from './table/model-commands.ts';
import { toolCommands } from './table/tool-commands.ts';

export const commandGroups: readonly CommandGroup[] = [
  { title: 'Models and API', entries: modelCommands },
  { title: 'Fleet', entries: [] },
  { title: 'Configuration', entries: toolCommands },
];

export const commandTable: readonly CommandEntry[] = commandGroups.flatMap(({ entries }) => entries);
