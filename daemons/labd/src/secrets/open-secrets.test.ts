import { errorOf } from '@labmesh/wire/testing/errors';
import { existsSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'bun:test';
import { createLogger } from '@labmesh/kit/log';
import type { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import type { Secrets } from './open-secrets.ts';
import { rewrapPage, retiringMs } from './rotation.ts';
import { kekIdOf } from '@labmesh/pki/seal/seal-value';
import { SecretsRefused } from '@labmesh/pki/seal/secrets-refused';
import { secretsBench, type SecretsBench } from './testing/secrets-bench.ts';

const me = system('test');
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const states = async (secrets: Secrets) => (await secrets.list()).map(({ state }) => state).toSorted();

/** `count` sealed settings. */
async function fill(bench: SecretsBench, secrets: Secrets, count: number) {
  await bench.store.write(me, async (tx) => {
    await tx.deleteFrom('settings').execute();
    for (let index = 0; index < count; index++) {
      const key = `s${String(index).padStart(5, '0')}`;
      const value = secrets.seal('settings', key, 'value', Buffer.from(`plain ${index}`));
      await tx.insertInto('settings').values({ key, value, updated_at: 0 }).execute();
    }
  });
}
const settings = (bench: SecretsBench) =>
  bench.store.read(me, (db) => db.selectFrom('settings').selectAll().orderBy('key').execute());
/** Key ids under which the settings are. */
const under = async (bench: SecretsBench) => new Set((await settings(bench)).map(({ value }) => kekIdOf(value)));

async function refusal(work: Promise<unknown>): Promise<SecretsRefused> {
  const error: unknown = await work.catch((e: unknown) => e);
  expect(error).toBeInstanceOf(SecretsRefused);
  return error as SecretsRefused;
}

test('the first start makes a key file, 0600, and warns to back it up (SE-2)', async () => {
  await using bench = await secretsBench({ injectFaults: 'twice' });
  const lines: string[] = [];
  const log = createLogger({ level: 'info', format: 'json', write: (line) => lines.push(line) });
  const first = await bench.secrets({ log });
  const path = join(bench.folder, 'kek.key');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(lines.join('\n')).toContain('back it up');
  const sealed = first.seal('settings', 'a', 'value', Buffer.from('hello'));
  const second = await bench.secrets();
  expect(second.activeKeyId).toBe(first.activeKeyId);
  expect(text(second.open('settings', 'a', 'value', sealed))).toBe('hello');
  expect(await states(second)).toEqual(['active']);
  const key = /base64:(\S+)/.exec(readFileSync(path, 'utf8'))![1]!;
  expect(lines.join('\n')).not.toContain(key);
});

test('a start removes what one that was killed left of its key file', async () => {
  await using bench = await secretsBench();
  await bench.secrets();
  const left = join(bench.folder, `kek.key.${crypto.randomUUID()}.tmp`);
  writeFileSync(left, 'base64:x', { mode: 0o600 });
  const longAgo = new Date(Date.now() - 3_600_000);
  utimesSync(left, longAgo, longAgo);
  await bench.secrets();
  expect(existsSync(left)).toBe(false);
});

test('a wrong or lost key: exit 78, the key named, nothing changed (SE-3)', async () => {
  await using bench = await secretsBench();
  const secrets = await bench.secrets();
  await fill(bench, secrets, 3);
  const before = await settings(bench);
  const path = join(bench.folder, 'kek.key');
  rmSync(path);
  const lost = await refusal(bench.secrets());
  expect(lost).toMatchObject({ exitCode: 78, keyId: secrets.activeKeyId });
  expect(lost.message).toContain(secrets.activeKeyId);
  expect(existsSync(path)).toBe(false);
  writeFileSync(path, `base64:${Buffer.alloc(32, 5).toString('base64')}\n`, { mode: 0o600 });
  expect((await refusal(bench.secrets())).keyId).toBe(secrets.activeKeyId);
  expect((await refusal(bench.secrets({ passphrase: 'x' }))).keyId).toBe(secrets.activeKeyId);
  expect(await settings(bench)).toEqual(before);
  expect(await states(secrets)).toEqual(['active']);
});

test('no new key while sealed rows exist, even when the table of keys is gone (SE-3)', async () => {
  await using bench = await secretsBench();
  const secrets = await bench.secrets();
  await fill(bench, secrets, 1);
  await bench.store.write(me, (tx) => tx.deleteFrom('secret_keys').execute());
  const path = join(bench.folder, 'kek.key');
  const kept = readFileSync(path, 'utf8');
  rmSync(path);
  expect((await refusal(bench.secrets())).keyId).toBe(secrets.activeKeyId);
  expect((await refusal(bench.secrets({ passphrase: 'x' }))).keyId).toBe(secrets.activeKeyId);
  expect(existsSync(path)).toBe(false);
  writeFileSync(path, kept, { mode: 0o600 });
  expect((await bench.secrets()).activeKeyId).toBe(secrets.activeKeyId);
});

test('a key file without a key is refused: nothing is sealed with a key that nobody keeps', async () => {
  await using bench = await secretsBench();
  const path = join(bench.folder, 'kek.key');
  writeFileSync(path, '# to be filled in\n', { mode: 0o600 });
  expect((await refusal(bench.secrets())).message).toContain('holds no key');
  expect(readFileSync(path, 'utf8')).toBe('# to be filled in\n');
  rmSync(path);
  await fill(bench, await bench.secrets(), 1);
});

test('a passphrase: no key file, the salt is stored, another passphrase is refused (SE-2)', async () => {
  await using bench = await secretsBench();
  const secrets = await bench.secrets({ passphrase: 'correct horse' });
  await fill(bench, secrets, 1);
  expect(existsSync(join(bench.folder, 'kek.key'))).toBe(false);
  const again = await bench.secrets({ passphrase: 'correct horse' });
  expect(text(again.open('settings', 's00000', 'value', (await settings(bench))[0]!.value))).toBe('plain 0');
  const refused = await refusal(bench.secrets({ passphrase: 'battery staple' }));
  expect(refused).toMatchObject({ exitCode: 78, keyId: secrets.activeKeyId });
  expect(refused.message).not.toContain('battery');
  const row = await bench.store.read(me, (db) => db.selectFrom('secret_keys').selectAll().executeTakeFirstOrThrow());
  expect(row.salt).toMatch(/^[0-9a-f]{32}$/);
});

test('racing first starts with folders of their own: one wins, the others are told its key', async () => {
  await using bench = await secretsBench();
  const starts = Array.from({ length: 5 }, (_, index) => {
    const dataDir = join(bench.folder, `replica-${index}`);
    return bench.secrets({ dataDir }).then(
      (secrets) => ({ dataDir, id: secrets.activeKeyId, refused: undefined }),
      (error: unknown) => ({ dataDir, id: undefined, refused: error as SecretsRefused }),
    );
  });
  const results = await Promise.all(starts);
  const winners = results.filter(({ id }) => id !== undefined);
  expect(winners).toHaveLength(1);
  for (const { refused, dataDir } of results) {
    if (refused === undefined) continue;
    expect(refused).toMatchObject({ exitCode: 78, keyId: winners[0]!.id });
    expect(existsSync(join(dataDir, 'kek.key'))).toBe(false);
  }
});

test('racing first starts with one folder or one passphrase: all open the same key', async () => {
  for (const more of [{}, { passphrase: 'correct horse' }]) {
    await using bench = await secretsBench();
    const all = await Promise.all(Array.from({ length: 4 }, () => bench.secrets(more)));
    expect(new Set(all.map(({ activeKeyId }) => activeKeyId)).size).toBe(1);
  }
});

test('rotation: staged is inert, then active, all is wrapped again, retired after 7 days (SE-3)', async () => {
  await using bench = await secretsBench({ injectFaults: 'twice' });
  const secrets = await bench.secrets();
  const old = secrets.activeKeyId;
  await fill(bench, secrets, 2 * rewrapPage + 20);
  const staged = await secrets.rotate();
  expect(staged).toMatchObject({ state: 'staged', isLoaded: true });
  expect(secrets.activeKeyId).toBe(old);
  expect(await errorOf(secrets.rotate())).toMatchObject({ code: 'CONFLICT' });
  let steps = 0;
  while (await secrets.advance()) {
    steps++;
    // Serving goes on: old and new values open at any time.
    const [first, last] = [(await settings(bench))[0]!, (await settings(bench)).at(-1)!];
    expect(text(secrets.open('settings', first.key, 'value', first.value))).toBe('plain 0');
    expect(text(secrets.open('settings', last.key, 'value', last.value))).toBe('plain 219');
  }
  expect(steps).toBeGreaterThanOrEqual(3);
  expect(secrets.activeKeyId).toBe(staged.id);
  expect(await under(bench)).toEqual(new Set([staged.id]));
  expect(await states(secrets)).toEqual(['active', 'retiring']);
  await bench.clock.advance(retiringMs - 1_000);
  await secrets.advance();
  expect(await states(secrets)).toEqual(['active', 'retiring']);
  await bench.clock.advance(1_000);
  await secrets.advance();
  expect(await states(secrets)).toEqual(['active', 'retired']);
  expect((await bench.secrets()).activeKeyId).toBe(staged.id);
});

test('a rotation interrupted after each step goes on in another process (SE-3)', async () => {
  await using bench = await secretsBench();
  const first = await bench.secrets();
  await fill(bench, first, 2 * rewrapPage + 20);
  const { id } = await first.rotate();
  for (let round = 0; round < 20 && (await under(bench)).size + Number((await under(bench)).has(id)) !== 2; round++) {
    const secrets = await bench.secrets();
    for (let step = 0; step <= round; step++) await secrets.advance();
  }
  expect(await under(bench)).toEqual(new Set([id]));
  const last = await bench.secrets();
  for (const { key, value } of await settings(bench)) {
    expect(text(last.open('settings', key, 'value', value))).toBe(`plain ${Number(key.slice(1))}`);
  }
});

test('steps that come together do the work of one pass, and leave nothing out', async () => {
  await using bench = await secretsBench();
  const secrets = await bench.secrets();
  await fill(bench, secrets, 2 * rewrapPage + 20);
  await bench.store.write(me, (tx) => {
    const row = { id: 'c1', created_at: 0, name: 'one', api_url: null, labels: '{}' };
    const kubeconfig_enc = secrets.seal('clusters', 'c1', 'kubeconfig', Buffer.from('kube'));
    return tx
      .insertInto('clusters')
      .values({ ...row, kubeconfig_enc })
      .execute();
  });
  const { id } = await secrets.rotate();
  for (let more = true; more;) more = (await Promise.all([1, 2, 3].map(() => secrets.advance()))).some(Boolean);
  expect(await under(bench)).toEqual(new Set([id]));
  const cluster = await bench.store.read(me, (db) => db.selectFrom('clusters').selectAll().executeTakeFirstOrThrow());
  expect(kekIdOf(cluster.kubeconfig_enc!)).toBe(id);
  expect(text(secrets.open('clusters', 'c1', 'kubeconfig', cluster.kubeconfig_enc!))).toBe('kube');
});

test('staged waits for each live replica, and for no dead one (SE-3)', async () => {
  await using bench = await secretsBench();
  const row = (id: string, seenAt: number) => ({
    id,
    created_at: 0,
    peer_url: null,
    agent_url: null,
    version: '1',
    started_at: 0,
    seen_at: seenAt,
    keks: '[]',
  });
  const now = bench.clock.wall();
  const rows = [row('a', now), row('b', now), row('dead', now - 60_000)];
  await bench.store.write(me, (tx) => tx.insertInto('replicas').values(rows).execute());
  const a = await bench.secrets({ replicaId: 'a' });
  const other = join(bench.folder, 'b');
  const file = readFileSync(join(bench.folder, 'kek.key'), 'utf8');
  const keyFile = join(bench.folder, 'b.key');
  writeFileSync(keyFile, file, { mode: 0o600 });
  const b = await bench.secrets({ replicaId: 'b', dataDir: other, keyFile });
  const { id } = await a.rotate();
  await a.advance();
  await b.advance();
  await a.advance();
  expect(a.activeKeyId).not.toBe(id);
  // The operator brings the file over; the replica finds it without a restart.
  writeFileSync(keyFile, readFileSync(join(bench.folder, 'kek.key')), { mode: 0o600 });
  await b.advance();
  await a.advance();
  expect(a.activeKeyId).toBe(id);
  const sealed = a.seal('settings', 'x', 'value', Buffer.from('new'));
  expect(text(b.open('settings', 'x', 'value', sealed))).toBe('new');
  await b.advance();
  expect(b.activeKeyId).toBe(id);
});

test('a passphrase is changed by naming the next one; the old start line still works until then', async () => {
  await using bench = await secretsBench();
  const both = { passphrase: 'correct horse', nextPassphrase: 'battery staple' };
  const secrets = await bench.secrets(both);
  await fill(bench, secrets, 5);
  const { id } = await secrets.rotate();
  while (await secrets.advance());
  expect(await under(bench)).toEqual(new Set([id]));
  expect((await bench.secrets({ passphrase: 'battery staple' })).activeKeyId).toBe(id);
  expect((await refusal(bench.secrets({ passphrase: 'correct horse' }))).keyId).toBe(id);
});

test('a value that does not open is left as it is, told, and keeps its key from retiring', async () => {
  await using bench = await secretsBench();
  const lines: string[] = [];
  const log = createLogger({ level: 'error', format: 'json', write: (line) => lines.push(line) });
  const secrets = await bench.secrets({ log });
  await fill(bench, secrets, 2);
  const moved = secrets.seal('settings', 'elsewhere', 'value', Buffer.from('x'));
  await bench.store.write(me, (tx) =>
    tx.updateTable('settings').set({ value: moved }).where('key', '=', 's00001').execute(),
  );
  await secrets.rotate();
  while (await secrets.advance());
  await bench.clock.advance(retiringMs);
  while (await secrets.advance());
  expect(await states(secrets)).toEqual(['active', 'retiring']);
  expect((await settings(bench))[1]!.value).toBe(moved);
  expect(lines.join('\n')).toContain('settings/s00001/value');
});

test('after it is closed nothing is sealed', async () => {
  await using bench = await secretsBench();
  const secrets = await bench.secrets();
  await secrets[Symbol.asyncDispose]();
  const error = (() => {
    try {
      return secrets.seal('a', 'b', 'c', new Uint8Array(1));
    } catch (thrown) {
      return thrown as FleetError;
    }
  })();
  expect(error).toMatchObject({ code: 'INTERNAL' });
});
