import type { CommandEntry } from '../command.ts';
import { anyCommand as any } from './any-command.ts';

/** What trust in labd rests on, and what brings it back when its machine is lost. */
export const fleetTrustCommands: readonly CommandEntry[] = [
  {
    name: 'system status',
    summary: 'show the state of labd',
    load: async () => any((await import('../commands/trust/system-status.ts')).systemStatus),
  },
  {
    name: 'ca status',
    summary: 'show the CA and its rotation',
    load: async () => any((await import('../commands/trust/ca-status.ts')).caStatus),
  },
  {
    name: 'ca rotate',
    summary: 'move the rotation of the CA on',
    load: async () => any((await import('../commands/trust/ca-rotate.ts')).caRotate),
  },
  {
    name: 'ca renew-intermediate',
    summary: 'make a new issuing certificate',
    load: async () => any((await import('../commands/trust/ca-renew-intermediate.ts')).caRenewIntermediate),
  },
  {
    name: 'ca sign-intermediate',
    summary: 'sign an issuing key with an offline root',
    load: async () => any((await import('../commands/trust/ca-sign-intermediate.ts')).caSignIntermediate),
  },
  {
    name: 'secrets list',
    summary: 'show the keys that seal the store',
    load: async () => any((await import('../commands/trust/secrets-list.ts')).secretsList),
  },
  {
    name: 'secrets rotate',
    summary: 'seal the store with a new key',
    load: async () => any((await import('../commands/trust/secrets-rotate.ts')).secretsRotate),
  },
  {
    name: 'audit list',
    summary: 'show rows of the audit log',
    load: async () => any((await import('../commands/trust/audit-list.ts')).auditList),
  },
  {
    name: 'audit verify',
    summary: 'prove that the audit log is whole',
    load: async () => any((await import('../commands/trust/audit-verify.ts')).auditVerify),
  },
  {
    name: 'audit export',
    summary: 'write the audit log as lines of JSON',
    load: async () => any((await import('../commands/trust/audit-export.ts')).auditExport),
  },
  {
    name: 'backup create',
    summary: 'write a sealed snapshot',
    load: async () => any((await import('../commands/trust/backup-create.ts')).backupCreate),
  },
  {
    name: 'backup verify',
    summary: 'prove that a backup can be restored',
    load: async () => any((await import('../commands/trust/backup-verify.ts')).backupVerify),
  },
  {
    name: 'backup restore',
    summary: 'put a backup into an empty store',
    load: async () => any((await import('../commands/trust/backup-restore.ts')).backupRestore),
  },
];
