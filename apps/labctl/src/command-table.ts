/** Every command of labctl, loaded one at a time. The order is the order of help. */
import type { Command, CommandEntry, CommandGroup } from './command.ts';

/** A command whose options are of any kind: the dispatcher only hands them through. */
const any = (command: unknown) => command as Command;

const modelCommands: readonly CommandEntry[] = [
  {
    name: 'up',
    summary: 'start everything on this machine',
    load: async () => any((await import('./commands/up.ts')).up),
  },
  { name: 'status', summary: 'show what runs', load: async () => any((await import('./commands/status.ts')).status) },
  {
    name: 'models',
    summary: 'list the models that are served',
    load: async () => any((await import('./commands/models.ts')).models),
  },
  {
    name: 'endpoints',
    summary: 'list the servers behind the API',
    load: async () => any((await import('./commands/endpoints.ts')).endpoints),
  },
  {
    name: 'usage',
    summary: 'show requests and tokens by key or model',
    load: async () => any((await import('./commands/usage.ts')).usage),
  },
  { name: 'chat', summary: 'ask a model', load: async () => any((await import('./commands/chat.ts')).chat) },
  {
    name: 'keys create',
    summary: 'make an API key',
    load: async () => any((await import('./commands/keys-create.ts')).keysCreate),
  },
  {
    name: 'keys list',
    summary: 'list the API keys',
    load: async () => any((await import('./commands/keys-list.ts')).keysList),
  },
  {
    name: 'keys revoke',
    summary: 'end an API key',
    load: async () => any((await import('./commands/keys-revoke.ts')).keysRevoke),
  },
];

const fleetCommands: readonly CommandEntry[] = [];

const toolCommands: readonly CommandEntry[] = [
  {
    name: 'config list',
    summary: 'show the settings and where each comes from',
    load: async () => any((await import('./commands/config/config-list.ts')).configList),
  },
  {
    name: 'config get',
    summary: 'print one setting',
    load: async () => any((await import('./commands/config/config-get.ts')).configGet),
  },
  {
    name: 'config set',
    summary: 'change one setting',
    load: async () => any((await import('./commands/config/config-set.ts')).configSet),
  },
  {
    name: 'config path',
    summary: 'print where the settings are',
    load: async () => any((await import('./commands/config/config-path.ts')).configPathCommand),
  },
  {
    name: 'completion',
    summary: 'print the completion of a shell',
    load: async () => any((await import('./commands/config/completion.ts')).completion),
  },
  {
    name: 'doctor',
    summary: 'look for what is in the way',
    load: async () => any((await import('./commands/doctor.ts')).doctor),
  },
  {
    name: 'version',
    summary: 'print the version',
    load: async () => any((await import('./commands/version.ts')).version),
  },
];

export const commandGroups: readonly CommandGroup[] = [
  { title: 'Models and API', entries: modelCommands },
  { title: 'Fleet', entries: fleetCommands },
  { title: 'Configuration', entries: toolCommands },
];

export const commandTable: readonly CommandEntry[] = commandGroups.flatMap(({ entries }) => entries);
