import type { CommandEntry } from '../../command.ts';
import { anyCommand as any } from '../any-command.ts';

/** Clients of other make: stock Rosenpass and WireGuard. */
export const tunnelClientCommands: readonly CommandEntry[] = [
  {
    name: 'tunnel add',
    summary: 'add a stock Rosenpass or WireGuard client',
    load: async () => any((await import('../../commands/tunnel/tunnel-add.ts')).tunnelAdd),
  },
  {
    name: 'tunnel import',
    summary: 'add every peer of a Rosenpass configuration',
    load: async () => any((await import('../../commands/tunnel/tunnel-import.ts')).tunnelImport),
  },
  {
    name: 'tunnel remove',
    summary: 'remove such a client',
    load: async () => any((await import('../../commands/tunnel/tunnel-remove.ts')).tunnelRemove),
  },
  {
    name: 'tunnel export',
    summary: 'write the settings of a client’s programs',
    load: async () => any((await import('../../commands/tunnel/tunnel-export.ts')).tunnelExport),
  },
  {
    name: 'tunnel keygen',
    summary: 'make the keys of a client',
    load: async () => any((await import('../../commands/tunnel/tunnel-keygen.ts')).tunnelKeygen),
  },
];
