import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { backupStream } from '@labmesh/labd/backup/create-backup';
import { restoreBackup } from '@labmesh/labd/backup/restore-backup';
import { openBackup } from '@labmesh/labd/backup/backup-file';
import { openStore } from '@labmesh/store/open-store';
import { system } from '@labmesh/wire/fleet/principal';
import { openAuditLog } from '@labmesh/labd/audit/audit-log';
import { openSecrets } from '@labmesh/labd/secrets/open-secrets';
import { failed, type FleetGround, openFleetGround } from '../../testing/fleet-ground.ts';
import { id } from '../../testing/fleet-samples.ts';

// A key is derived from a passphrase for each: half a second of work.
setDefaultTimeout(60_000);
const passphrase = 'correct horse battery';
const principal = system('test');
const parts = { clock: systemClock, log: silentLogger };

let ground: FleetGround;
/** A backup as labd would stream it, with an audit chain of three rows. */
let bytes: Buffer;
let dataDir: string;

beforeAll(async () => {
  ground = await openFleetGround();
  dataDir = join(ground.home, 'labd');
  writeFileSync(join(ground.home, 'pass'), `${passphrase}\n`);
  await using store = await openStore({ url: 'sqlite::memory:' });
  await using secrets = await openSecrets({ store, dataDir, ...parts });
  {
    await using audit = await openAuditLog({ store, secrets, chain: id(9), ...parts });
    for (const action of ['one', 'two', 'three'])
      await audit.append({ principal, phase: 'single', action, result: 'ok' });
  }
  const stream = await backupStream({ store, principal, passphrase, release: '0.1.0' });
  bytes = Buffer.concat(await Array.fromAsync(stream.bytes));
});
afterAll(() => ground[Symbol.asyncDispose]());

const path = (name: string) => join(ground.home, name);
const pass = () => ['--passphrase-file', path('pass')];
/** Bytes over the fake: its answers are texts, so each byte is a character. */
const streamed = (part: Buffer) => () => ({ text: part as unknown as string, headers: { 'content-type': 'x/y' } });

describe('backup create (BK-1)', () => {
  test('the stream becomes a file of 0600 that opens', async () => {
    ground.on('POST /api/backups', streamed(bytes));
    const out = path('a.labbak');
    const found = await ground.labctl(['backup', 'create', '--out', out, ...pass(), '--with-key', '--recordings']);
    expect(found.exitCode).toBe(0);
    expect(found.stderr).toContain('it holds the keys');
    expect(readFileSync(out).equals(bytes)).toBe(true);
    expect(statSync(out).mode & 0o777).toBe(0o600);
    expect(ground.bodies('POST /api/backups')).toEqual([{ passphrase, withKey: true, recordings: true }]);
  });

  test('never in place of another, and not to where nothing can be written', async () => {
    const taken = await ground.labctl(['backup', 'create', '--out', path('a.labbak'), ...pass()]);
    expect(taken).toMatchObject({ exitCode: 8, stderr: expect.stringContaining('is there already') });
    const nowhere = await ground.labctl(['backup', 'create', '--out', path('none/b'), ...pass()]);
    expect(nowhere).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('cannot be written (ENOENT)') });
  });

  test('one that was cut on the way leaves no file', async () => {
    for (const part of [bytes.subarray(0, bytes.length - 10), Buffer.alloc(0), Buffer.from('<html>')]) {
      ground.on('POST /api/backups', streamed(part));
      expect((await ground.labctl(['backup', 'create', '--out', path('cut.labbak'), ...pass()])).exitCode).not.toBe(0);
    }
    ground.on('POST /api/backups', () => failed('PERMISSION_DENIED', 403));
    expect((await ground.labctl(['backup', 'create', '--out', path('cut.labbak'), ...pass()])).exitCode).toBe(4);
    expect(readdirSync(ground.home).filter((name) => name.startsWith('cut'))).toEqual([]);
  });

  test('the passphrase: long enough, typed twice, and dry run', async () => {
    const create = ['backup', 'create', '--out', path('c.labbak')];
    writeFileSync(path('short'), 'short\n');
    const short = await ground.labctl([...create, '--passphrase-file', path('short')]);
    expect(short).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('12 characters or more') });
    expect((await ground.labctl(create)).stderr).toContain('--passphrase-file FILE, or - for stdin');
    const differ = await ground.labctl(create, { answers: [passphrase, 'another passphrase'] });
    expect(differ).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('are not the same') });
    expect((await ground.labctl(['backup', 'create', ...pass()])).stderr).toContain('--out FILE is missing');
    expect((await ground.labctl([...create, ...pass(), '--dry-run'])).stderr).toContain(
      'dry run: would write a backup',
    );
    expect(existsSync(path('c.labbak'))).toBe(false);
  });
});

describe('backup verify and restore (BK-2)', () => {
  const verify = (...more: string[]) => ground.labctl(['backup', 'verify', path('v.labbak'), ...pass(), ...more]);
  beforeAll(() => writeFileSync(path('v.labbak'), bytes));

  test('verify restores and checks the chains, without a labd', async () => {
    ground.labd.asked.length = 0;
    const { exitCode, stdout } = await verify('--data', dataDir);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('3 audit rows');
    expect(stdout).toContain('Audit       1 chain, as they were written');
    const json = await verify('--key-file', join(dataDir, 'kek.key'), '-o', 'json');
    expect((JSON.parse(json.stdout) as { ok: boolean }).ok).toBe(true);
    expect(ground.asked()).toEqual([]);
  });

  test('CT-8 without the key exit 3, with another passphrase or a damaged file exit 2', async () => {
    const keyless = await verify('--data', path('empty'));
    expect(keyless).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('put the key file of then at') });
    writeFileSync(path('wrong'), 'another passphrase\n');
    const words = ['backup', 'verify', path('v.labbak'), '--data', dataDir];
    const wrong = await ground.labctl([...words, '--passphrase-file', path('wrong')]);
    expect(wrong).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('passphrase is wrong') });
    expect((await ground.labctl(['backup', 'verify', path('none'), ...pass()])).stderr).toContain('(ENOENT)');
    expect((await ground.labctl(['backup', 'verify', ...pass()])).stderr).toContain('the file is missing');
  });

  test('restore into an empty store; the data folder goes on with the new chain', async () => {
    const data = path('restored');
    const words = ['backup', 'restore', path('v.labbak'), ...pass(), '--data', data];
    expect((await ground.labctl([...words, '--dry-run'])).stderr).toContain('dry run: would restore');
    expect(existsSync(data)).toBe(false);
    const key = ['--key-file', join(dataDir, 'kek.key')];
    const { exitCode, stdout, stderr } = await ground.labctl([...words, ...key, '-o', 'json']);
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining('start labd on this data folder')]);
    const { chain } = JSON.parse(stdout) as { chain: string };
    expect(readFileSync(join(data, 'replica-id'), 'utf8')).toBe(`${chain}\n`);
    await using store = await openStore({ url: `sqlite://${join(data, 'labd.db')}` });
    const rows = await store.read(principal, (db) => db.selectFrom('audit_log').select(['action', 'chain']).execute());
    expect(rows.map(({ action }) => action).toSorted()).toEqual(['one', 'restored-from', 'three', 'two']);
    expect(rows.find(({ action }) => action === 'restored-from')?.chain).toBe(chain);
  });

  test('CT-8 a store that is not empty: exit 8; a database URL that is none: exit 3', async () => {
    const data = path('again');
    const key = ['--key-file', join(dataDir, 'kek.key')];
    const words = ['backup', 'restore', path('v.labbak'), ...pass(), '--data', data, ...key];
    await using store = await openStore({ url: `sqlite://${path('used.db')}` });
    const backup = await openBackup(path('v.labbak'), passphrase);
    await restoreBackup({ store, backup, principal, keys: { dataDir, keyFile: key[1] ?? '' }, ...parts });
    await store[Symbol.asyncDispose]();
    expect((await ground.labctl([...words, '--database-url', `sqlite://${path('used.db')}`])).exitCode).toBe(8);
    const bad = await ground.labctl(words, { env: { DATABASE_URL: 'mysql://root:secret@x/y' } });
    expect(bad.stderr).not.toContain('secret');
    expect(bad).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('(STORE_URL_INVALID)') });
    expect((await ground.labctl(['backup', 'restore', 'x'])).stderr).toContain('--data DIR is missing');
  });
});
