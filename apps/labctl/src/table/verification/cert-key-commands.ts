import type { CommandEntry } from '../../command.ts';
import { anyCommand as any } from '../any-command.ts';

/** Keys of the certificate authority of answers. They stay with the arena: commands see names, never the secret half. */
export const certKeyCommands: readonly CommandEntry[] = [
  {
    name: 'cert keys list',
    summary: 'list the keys that sign certificates',
    load: async () => any((await import('../../commands/verify/cert-keys-list.ts')).certKeysList),
  },
  {
    name: 'cert keys rotate',
    summary: 'announce the next key, or make the first',
    load: async () => any((await import('../../commands/verify/cert-keys-rotate.ts')).certKeysRotate),
  },
  {
    name: 'cert keys revoke',
    summary: 'end a key at once',
    load: async () => any((await import('../../commands/verify/cert-keys-revoke.ts')).certKeysRevoke),
  },
  {
    name: 'cert keys reseal',
    summary: 'seal the keys with a new key-encryption key',
    load: async () => any((await import('../../commands/verify/cert-keys-reseal.ts')).certKeysReseal),
  },
  {
    name: 'cert keys export',
    summary: 'print what verifiers need',
    load: async () => any((await import('../../commands/verify/cert-keys-export.ts')).certKeysExport),
  },
];
