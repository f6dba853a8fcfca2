/** A store with a row of everything, keys, and a recording, for tests of backups. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { openAuditLog } from '../../audit/audit-log.ts';
import { openRecorder, type Recorder } from '../../recordings/recorder.ts';
import { openSecrets, type Secrets } from '../../secrets/open-secrets.ts';
import type { KeyPlace } from '../backup-keys.ts';
import { createBackup, type BackupOptions } from '../create-backup.ts';
import { fillStore } from './fill-store.ts';

export const passphrase = 'correct horse battery';
export const principal = system('test');
const clock = systemClock;
const log = silentLogger;

/** The secret of the sealed setting. */
const hidden = new TextEncoder().encode('a hidden thing');
export const sealedSetting = { table: 'settings', id: 'test.secret', field: 'value' } as const;

export type BackupGround = AsyncDisposable & {
  dir: string;
  store: Store;
  secrets: Secrets;
  keys: KeyPlace;
  recorder: Recorder;
  /** An audit chain of three rows. */
  chain: string;
  /** A recorded session. */
  session: string;
  /** A path in the folder that is free. */
  path(name: string): string;
  backup(over?: Partial<BackupOptions & { out: string }>): ReturnType<typeof createBackup>;
};

export async function openBackupGround(url?: string): Promise<BackupGround> {
  const dir = mkdtempSync(join(tmpdir(), 'labmesh-backups-'));
  const store = await openStore({ url: url ?? `sqlite://${join(dir, 'labd.db')}` });
  await fillStore(store, principal);
  const keys = { dataDir: join(dir, 'data'), keyFile: join(dir, 'data', 'kek.key') };
  const secrets = await openSecrets({ store, clock, log, ...keys });
  const { id, table, field } = sealedSetting;
  const value = secrets.seal(table, id, field, hidden);
  const setting = { key: id, value, updated_at: 1 };
  await store.write(principal, (tx) => tx.insertInto('settings').values(setting).execute());
  const chain = uuidv7();
  {
    await using audit = await openAuditLog({ store, secrets, chain, clock, log });
    for (const action of ['one', 'two', 'three'])
      await audit.append({ principal, phase: 'single', action, result: 'ok' });
  }
  const recorder = openRecorder({ store, secrets, url: `file:${join(dir, 'recordings')}`, clock, log });
  const session = uuidv7();
  const recording = await recorder.start({ session, term: null, command: 'ls', replicaId: uuidv7(), part: 0 });
  recording.write(1, new TextEncoder().encode('what was shown'));
  await recording.end({ code: 0, signal: null });
  const path = (name: string) => join(dir, name);
  const backup: BackupGround['backup'] = (over = {}) =>
    createBackup({ store, principal, passphrase, release: '0.1.0', out: path('x.labbak'), ...over });
  return {
    dir,
    store,
    secrets,
    keys,
    recorder,
    chain,
    session,
    path,
    backup,
    [Symbol.asyncDispose]: async () => {
      await recorder[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
