/**
 * One labmesh a data folder. The lock is a kernel lock, which SQLite takes for us on an empty file: it is exclusive
 * without a race, it goes with its process however that ends, and it holds between containers that share a volume,
 * where process numbers mean nothing. Who holds it is told by run.json.
 */
import { Database } from 'bun:sqlite';
import { join } from 'node:path';
import { CommandError } from '../command-error.ts';
import { readRunState, removeRunState, writeRunState, type RunState } from '../run-file.ts';

export interface DataLock extends Disposable {
  /** Tells others how to reach the holder. */
  publish(more: Omit<RunState, 'pid' | 'startedAt' | 'version'>): void;
}

/** Names the holder. Between its lock and its first words it has no name yet. */
function inUse(dataDir: string): CommandError {
  const holder = readRunState(dataDir);
  const since = holder === undefined ? '' : ` since ${holder.startedAt.replace('T', ' ').replace(/\.\d+Z$/, 'Z')}`;
  const api = holder?.api === undefined ? '' : `, API at ${holder.api}`;
  const who = holder === undefined ? 'another labmesh' : `pid ${holder.pid}${since}${api}`;
  return new CommandError(`the data folder ${dataDir} is in use by ${who}`, {
    hint: 'stop it, or use another folder with --data DIR',
    exitCode: 8,
  });
}

/** Whether somebody holds the folder now. */
export function isDataFolderHeld(dataDir: string): boolean {
  const db = new Database(join(dataDir, 'lock'), { create: true });
  try {
    db.run('PRAGMA busy_timeout = 0');
    db.run('BEGIN EXCLUSIVE');
    return false;
  } catch (error) {
    if ((error as { code?: string }).code === 'SQLITE_BUSY') return true;
    throw error;
  } finally {
    db.close();
  }
}

/** Takes the folder for this process. @throws CommandError (exit 8) that names who holds it. */
export function lockDataFolder(dataDir: string, version: string, now = new Date()): DataLock {
  const db = new Database(join(dataDir, 'lock'), { create: true });
  try {
    db.run('PRAGMA busy_timeout = 0');
    db.run('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if ((error as { code?: string }).code === 'SQLITE_BUSY') throw inUse(dataDir);
    throw new CommandError(`the data folder ${dataDir} cannot be locked`, {
      hint: 'it must lie on a file system with locks; choose another with --data DIR',
      cause: error,
    });
  }
  const base = { pid: process.pid, startedAt: now.toISOString(), version };
  writeRunState(dataDir, base);
  return {
    publish: (more) => writeRunState(dataDir, { ...base, ...more }),
    [Symbol.dispose]: () => {
      // In this order: while we hold the lock the file is ours.
      removeRunState(dataDir);
      db.close();
    },
  };
}
