import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { postgresAvailable, startPostgres } from '../../../../tests/harness/start-postgres.ts';
import { readRecording } from '../recordings/read-recording.ts';
import { RecordingFolder } from '../recordings/recording-folder.ts';
import { openSecrets } from '../secrets/open-secrets.ts';
import { backupStream } from './create-backup.ts';
import { openBackupGround, passphrase, principal } from './testing/backup-ground.ts';
import { chainActions, linesOf, openHidden, restore, verify } from './testing/restored.ts';

/** What a promise is rejected with, to be looked at. */
const asIs = (error: unknown) => error;

setDefaultTimeout(60_000);
const at = { clock: systemClock, log: silentLogger };
const memory = () => openStore({ url: 'sqlite::memory:' });
const isEmpty = async (store: Store) => (await linesOf(store)).length === 0;

/** An open session and a recording without end: what a restore has to end. */
async function addRunning(store: Store): Promise<void> {
  const like = await store.read(principal, (db) =>
    db.selectFrom('sessions').selectAll().limit(1).executeTakeFirstOrThrow(),
  );
  const session = { ...like, id: 'running', token_hash: 'x', state: 'open', ended_at: null };
  await store.write(principal, (tx) => tx.insertInto('sessions').values(session).execute());
}

describe('backup and restore', () => {
  test('BK-2: all rows come back, sealed values open, what ran is over, a new chain begins', async () => {
    await using ground = await openBackupGround();
    await addRunning(ground.store);
    const made = await ground.backup();
    expect(made.tables['audit_log']).toBe(1_206);
    expect(made.bytes).toBe(statSync(ground.path('x.labbak')).size);
    await using store = await memory();
    const restored = await restore({ store, path: ground.path('x.labbak'), keys: ground.keys });
    const before = await linesOf(ground.store);
    const after = await linesOf(store);
    const isSame = (line: string) => !line.includes('"running"');
    expect(after.filter(isSame)).toEqual(before.filter(isSame));
    const ran = after.find((line) => !isSame(line));
    expect(ran).toContain('"state":"lost"');
    expect(ran).not.toContain('"ended_at":null');
    await using secrets = await openSecrets({ store, ...at, ...ground.keys });
    expect(await openHidden(store, secrets)).toBe('a hidden thing');
    expect(await chainActions(store, secrets, ground.chain)).toEqual(['one', 'two', 'three']);
    expect(await chainActions(store, secrets, restored.chain)).toEqual(['restored-from']);
    expect(restored.manifest).toMatchObject({ engine: 'sqlite', keyIds: [ground.secrets.activeKeyId], withKey: false });
  });

  test('BK-2: revoked stays revoked', async () => {
    await using ground = await openBackupGround();
    const denial = {
      id: 'd',
      created_at: 1,
      kind: 'serial',
      value: 'beef',
      version: 99,
      reason: 'lost',
      lifted_at: null,
    };
    await ground.store.write(principal, (tx) => tx.insertInto('denials').values(denial).execute());
    await ground.backup();
    await using store = await memory();
    await restore({ store, path: ground.path('x.labbak'), keys: ground.keys });
    const query = (db: Parameters<Parameters<Store['read']>[1]>[0]) =>
      db.selectFrom('denials').selectAll().where('value', '=', 'beef').executeTakeFirst();
    expect(await store.read(principal, query)).toMatchObject({ version: 99, lifted_at: null });
  });

  test.skipIf(postgresAvailable() !== undefined)(
    'BK-2, acceptance 11: SQLite to PostgreSQL and back, row for row (needs PostgreSQL)',
    async () => {
      await using postgres = await startPostgres();
      await using ground = await openBackupGround();
      await ground.backup();
      await using there = await openStore({ url: await postgres.createDatabase() });
      await restore({ store: there, path: ground.path('x.labbak'), keys: ground.keys });
      const before = await linesOf(ground.store);
      expect((await linesOf(there)).toSorted()).toEqual(before.toSorted());
      await ground.backup({ store: there, out: ground.path('y.labbak') });
      await using back = await memory();
      const restored = await restore({ store: back, path: ground.path('y.labbak'), keys: ground.keys });
      expect(restored.manifest.engine).toBe('postgres');
      expect((await linesOf(back)).toSorted()).toEqual(before.toSorted());
      await using secrets = await openSecrets({ store: back, ...at, ...ground.keys });
      expect(await openHidden(back, secrets)).toBe('a hidden thing');
    },
  );

  test('BK-2: a store that is not empty is refused and stays as it is', async () => {
    await using ground = await openBackupGround();
    await ground.backup();
    const before = await linesOf(ground.store);
    expect(
      await restore({ store: ground.store, path: ground.path('x.labbak'), keys: ground.keys }).catch(asIs),
    ).toMatchObject({ code: 'CONFLICT', hint: expect.stringContaining('fresh database') });
    expect(await linesOf(ground.store)).toEqual(before);
  });

  test('BK-1: the snapshot is of one moment, whatever is written meanwhile', async () => {
    await using ground = await openBackupGround();
    const { bytes } = await backupStream({ store: ground.store, principal, passphrase, release: '' });
    const pieces: Uint8Array[] = [];
    let number = 0;
    for await (const piece of bytes) {
      pieces.push(piece);
      const pair = (key: string) => ({ key, value: 'x', updated_at: 1 });
      number++;
      await ground.store.write(principal, async (tx) => {
        await tx
          .insertInto('settings')
          .values(pair(`a ${number}`))
          .execute();
        await tx
          .insertInto('leases')
          .values({ name: `l ${number}`, owner: 'x', expires_at: 1 })
          .execute();
        await tx
          .insertInto('settings')
          .values(pair(`z ${number}`))
          .execute();
      });
    }
    writeFileSync(ground.path('live.labbak'), Buffer.concat(pieces));
    await using store = await memory();
    await restore({ store, path: ground.path('live.labbak'), keys: ground.keys });
    const lines = await linesOf(store);
    const count = (start: string) => lines.filter((line) => line.includes(`"key":"${start} `)).length;
    expect(number).toBeGreaterThan(1);
    expect(count('a')).toBe(count('z'));
    expect(lines.some((line) => line.startsWith('leases'))).toBe(false);
  });
});

describe('the keys of a backup', () => {
  test('BK-2: without --with-key the same key file is needed, and that is said before anything is written', async () => {
    await using ground = await openBackupGround();
    await ground.backup();
    await using store = await memory();
    const keys = { dataDir: ground.path('elsewhere') };
    const failed = restore({ store, path: ground.path('x.labbak'), keys });
    expect(await failed.catch(asIs)).toMatchObject({ exitCode: 78, keyId: ground.secrets.activeKeyId });
    expect(await failed.catch(asIs)).toMatchObject({
      message: expect.stringMatching(/sealed with key k[0-9a-f]+.*put the key file of then at .*elsewhere\/kek.key/),
    });
    expect(await isEmpty(store)).toBe(true);
    expect(existsSync(ground.path('elsewhere/kek.key'))).toBe(false);
    await restore({ store, path: ground.path('x.labbak'), keys: ground.keys });
  });

  test('BK-1: with --with-key it brings its key, beside those that are there', async () => {
    await using ground = await openBackupGround();
    const withKey = readFileSync(ground.keys.keyFile ?? '', 'utf8');
    await ground.backup({ withKey });
    for (const name of ['empty', 'used']) {
      const keys = { dataDir: ground.path(name) };
      const file = join(keys.dataDir, 'kek.key');
      const other = `base64:${Buffer.alloc(32, 7).toString('base64')}\n`;
      if (name === 'used') {
        mkdirSync(keys.dataDir);
        writeFileSync(file, other, { mode: 0o600 });
      }
      await using store = await memory();
      const { keysAdded, manifest } = await restore({ store, path: ground.path('x.labbak'), keys });
      expect({ keysAdded, withKey: manifest.withKey }).toEqual({ keysAdded: 1, withKey: true });
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(readFileSync(file, 'utf8').includes(other)).toBe(name === 'used');
      await using secrets = await openSecrets({ store, ...at, ...keys });
      expect(await openHidden(store, secrets)).toBe('a hidden thing');
    }
  });

  test('acceptance 12: a backup shows neither key nor row', async () => {
    await using ground = await openBackupGround();
    const withKey = readFileSync(ground.keys.keyFile ?? '', 'utf8');
    await ground.backup({ withKey });
    const file = readFileSync(ground.path('x.labbak'));
    for (const text of ['base64:', 'hostname', 'audit_log', 'enc:v1:', passphrase, 'BEGIN']) {
      expect(file.includes(text)).toBe(false);
    }
  });
});

describe('verify', () => {
  const leftovers = () => readdirSync(tmpdir()).filter((name) => /^labmesh-(verify|backup)-/.test(name));

  test('BK-2: restores into an SQLite of its own, verifies the audit there, and leaves nothing behind', async () => {
    await using ground = await openBackupGround();
    await ground.backup();
    const before = leftovers();
    const found = await verify(ground.path('x.labbak'), ground.keys, { chain: ground.chain });
    expect(found.audit).toEqual({ actions: ['one', 'two', 'three'], hidden: 'a hidden thing' });
    expect(found.counts.tables['servers']).toBe(7);
    expect(leftovers()).toEqual(before);
  });

  test('BK-2: a backup with its key needs no other; without it, the operator needs it', async () => {
    await using ground = await openBackupGround();
    await ground.backup({ withKey: readFileSync(ground.keys.keyFile ?? '', 'utf8') });
    await ground.backup({ out: ground.path('bare.labbak') });
    const nowhere = { dataDir: ground.path('nowhere') };
    expect((await verify(ground.path('x.labbak'), nowhere)).audit.hidden).toBe('a hidden thing');
    expect(await verify(ground.path('bare.labbak'), nowhere).catch(asIs)).toMatchObject({ exitCode: 78 });
    expect(existsSync(nowhere.dataDir)).toBe(false);
  });

  test('BK-2: a changed or cut file and a wrong passphrase are refused', async () => {
    await using ground = await openBackupGround();
    await ground.backup();
    const path = ground.path('x.labbak');
    const whole = readFileSync(path);
    const bad = Buffer.from(whole);
    bad[whole.length >> 1] = (bad[whole.length >> 1] ?? 0) ^ 1;
    writeFileSync(path, bad);
    expect(await verify(path, ground.keys).catch(asIs)).toMatchObject({ code: 'VALIDATION_FAILED' });
    writeFileSync(path, whole.subarray(0, whole.length - 1));
    expect(await verify(path, ground.keys).catch(asIs)).toMatchObject({ message: expect.stringContaining('cut off') });
    writeFileSync(path, whole);
    expect(await verify(path, ground.keys, { passphrase: 'not the right one' }).catch(asIs)).toMatchObject({
      message: expect.stringContaining('passphrase is wrong'),
    });
  });
});

describe('recordings in a backup', () => {
  test('BK-1: they come along sealed, and play from the restored store', async () => {
    await using ground = await openBackupGround();
    const made = await ground.backup({ recordings: ground.recorder.folder });
    // The sample rows name recordings that are nowhere.
    expect(made).toMatchObject({ recordings: 1, recordingsMissing: expect.any(Number) });
    await using store = await memory();
    const folder = new RecordingFolder(ground.path('restored'));
    await restore({ store, path: ground.path('x.labbak'), keys: ground.keys, recordings: folder });
    await using secrets = await openSecrets({ store, ...at, ...ground.keys });
    const pieces = await Array.fromAsync(
      readRecording({ store, secrets, folder, replicaId: 'x' }, principal, ground.session),
    );
    expect(Buffer.concat(pieces).toString()).toContain('"what was shown"');
  });
});

describe('files', () => {
  test('BK-1: only its owner reads it, and it never takes the place of another', async () => {
    await using ground = await openBackupGround();
    await ground.backup();
    const path = ground.path('x.labbak');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const before = readFileSync(path);
    expect(await ground.backup().catch(asIs)).toMatchObject({ code: 'CONFLICT' });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('BK-1: one that fails midway leaves no file', async () => {
    await using ground = await openBackupGround();
    expect(await ground.backup({ passphrase: 'short' }).catch(asIs)).toMatchObject({ field: 'passphrase' });
    await ground.store[Symbol.asyncDispose]();
    expect(await ground.backup().catch(asIs)).toBeInstanceOf(Error);
    expect(readdirSync(ground.dir).filter((name) => name.includes('labbak'))).toEqual([]);
  });

  test('a stream that is left early lets go of its snapshot', async () => {
    await using ground = await openBackupGround();
    for (let i = 0; i < 5; i++) {
      const { bytes } = await backupStream({ store: ground.store, principal, passphrase, release: '' });
      await bytes.next();
      await bytes.next();
      await bytes.return(undefined);
    }
    await ground.backup();
  });
});
