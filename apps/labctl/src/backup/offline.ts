/** What `backup verify` and `restore` share: they work on files of this machine, without a labd (BK-2). */
import { openBackup, type OpenedBackup } from '@labmesh/labd/backup/backup-file';
import type { KeyPlace } from '@labmesh/labd/backup/backup-keys';
import { SecretsRefused } from '@labmesh/pki/seal/secrets-refused';
import { createLogger, type Logger } from '@labmesh/kit/log';
import { StoreStartError } from '@labmesh/store/store-errors';
import type { Principal } from '@labmesh/wire/fleet/principal';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

export const keyOptions = {
  keyFile: {
    type: 'string',
    flag: 'key-file',
    placeholder: 'FILE',
    help: "labd's key file; default DIR/kek.key, or CA_ENCRYPTION_KEY in its place",
  },
  keyPassphrase: {
    type: 'string',
    env: 'CA_ENCRYPTION_KEY',
    envFile: true,
    secret: true,
    help: 'where labd has a passphrase in place of a key file',
  },
} as const;

/** Where labd's keys are, as labd's own settings would say. */
export const keyPlace = (
  dataDir: string,
  given: { keyFile?: string | undefined; keyPassphrase?: string | undefined },
): KeyPlace => ({
  dataDir,
  ...(given.keyFile !== undefined && { keyFile: given.keyFile }),
  ...(given.keyPassphrase !== undefined && { passphrase: given.keyPassphrase }),
});

/** labd's parts log what the operator of a daemon reads; here only warnings are of use. */
export const warningsTo = (note: (text: string) => void): Logger =>
  createLogger({ level: 'warn', format: 'pretty', write: (line) => note(line.trimEnd()) });

/** Who the first row of a new chain names: whoever may write the store is its administrator. */
export const restorer: Principal = { kind: 'local', id: 'root', name: 'root' };

/** @throws CommandError when the file is not there; FleetError VALIDATION_FAILED when it is no backup */
export async function openFile(path: string, passphrase: string): Promise<OpenedBackup> {
  try {
    return await openBackup(path, passphrase);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!(error instanceof Error) || code === undefined || !/^E[A-Z]+$/.test(code)) throw error;
    throw new CommandError(`${path} cannot be read (${code})`, { exitCode: exitCodes.usage, cause: error });
  }
}

/** Runs it; refusals of labd's parts that are no FleetError become errors with an exit code of labctl. */
export async function explained<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SecretsRefused) {
      throw new CommandError(error.message, { exitCode: exitCodes.notConfigured, cause: error });
    }
    if (!(error instanceof StoreStartError)) throw error;
    const exitCode = error.code === 'STORE_IN_USE' ? exitCodes.conflict : exitCodes.notConfigured;
    throw new CommandError(`${error.message} (${error.code})`, { exitCode, cause: error });
  }
}

/** `12 servers, 3 users, …`: the tables with most in them. */
export function countsText(tables: Readonly<Record<string, number>>): string {
  const rows = Object.values(tables).reduce((sum, count) => sum + count, 0);
  const shown = ['servers', 'agents', 'users', 'certificates', 'audit_log'].flatMap((name) =>
    tables[name] === undefined ? [] : `${tables[name]} ${name.replace('_log', ' rows')}`,
  );
  return [`${rows} rows`, ...shown].join(', ');
}
