/** A log's folder with its one writer. */
import { Database } from 'bun:sqlite';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { AttestRefused } from '../attest-refused.ts';
import type { Signer } from '../keys/signing-key.ts';
import { folderDisk } from './log-disk.ts';
import { TransparencyLog } from './transparency-log.ts';

/**
 * Takes the folder for this process. Two writers would sign two histories. The lock is the kernel's, by way of SQLite
 * on an empty file: it goes with its process however that ends. @throws AttestRefused LOG_LOCKED
 */
export function lockFolder(folder: string): Disposable {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const database = new Database(join(folder, 'lock'), { create: true });
  try {
    database.run('PRAGMA busy_timeout = 0');
    database.run('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error;
    throw new AttestRefused('LOG_LOCKED', `another process writes to ${folder}`);
  }
  return { [Symbol.dispose]: () => database.close() };
}

export type OpenLog = Disposable & { readonly log: TransparencyLog };

/** Opens the log in a folder, alone. @throws AttestRefused LOG_LOCKED, LOG_DAMAGED */
export async function openLogFolder(folder: string, origin: string, signer: Signer): Promise<OpenLog> {
  const lock = lockFolder(folder);
  try {
    const log = await TransparencyLog.open({ disk: folderDisk(folder), origin, signer });
    return { log, [Symbol.dispose]: () => lock[Symbol.dispose]() };
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}
