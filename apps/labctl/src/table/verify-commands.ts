import type { CommandEntry } from '../command.ts';
import { anyCommand as any } from './any-command.ts';
import { certKeyCommands } from './verification/cert-key-commands.ts';

/** Checks of answers, and certificates of them. There is no verb that makes one: only what verified an answer may say so. */
export const verifyCommands: readonly CommandEntry[] = [
  {
    name: 'verify',
    summary: 'check an answer of a model',
    load: async () => any((await import('../commands/verify/verify.ts')).verify),
  },
  {
    name: 'cert verify',
    summary: 'verify a certificate of an answer',
    load: async () => any((await import('../commands/verify/cert-verify.ts')).certVerify),
  },
  {
    name: 'cert show',
    summary: 'print a part of a certificate',
    load: async () => any((await import('../commands/verify/cert-show.ts')).certShow),
  },
  {
    name: 'cert reproduce',
    summary: 'make the checks of a certificate again',
    load: async () => any((await import('../commands/verify/cert-reproduce.ts')).certReproduce),
  },
  {
    name: 'cert revoke',
    summary: 'revoke a certificate',
    load: async () => any((await import('../commands/verify/cert-revoke.ts')).certRevoke),
  },
  ...certKeyCommands,
  {
    name: 'cert log verify',
    summary: 'compute the transparency log anew',
    load: async () => any((await import('../commands/verify/cert-log-verify.ts')).certLogVerify),
  },
  {
    name: 'cert log prove',
    summary: 'prove that the log holds a certificate',
    load: async () => any((await import('../commands/verify/cert-log-prove.ts')).certLogProve),
  },
];
