import { errorOf, thrower } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import type { StartRollout } from '@labmesh/wire/fleet/resources/rollouts';
import { uuidv7 } from '@labmesh/wire/ids';
import { postgresAvailable, startPostgres } from '../../../../tests/harness/start-postgres.ts';
import { Replica } from './testing/replica.ts';

const everything = { none: false, all: true, where: () => sql<boolean>`1 = 1` };
const tester = system('test');
const signature = Buffer.alloc(64, 1).toString('base64');
let dataDir: string;
let store: Store;
let clock: FakeClock;
let replica: Replica;

function publish(version: string, arch = 'x64'): void {
  const folder = join(dataDir, 'releases', version);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `lab-agent-linux-${arch}`), `agent ${version}`);
  writeFileSync(join(folder, `lab-agent-linux-${arch}.sig`), signature);
}

async function addAgent(hostname: string, more: Record<string, unknown> = {}, ring?: string): Promise<string> {
  const [id, serverId] = [uuidv7(), uuidv7()];
  const server = { id: serverId, created_at: 1, hostname, macs: '[]', status: 'active' };
  const agent = { id, created_at: 1, server_id: serverId, version: '0.1.0', bad_versions: '[]', key_hash: hostname };
  await store.write(tester, async (tx) => {
    await tx.insertInto('servers').values(server).execute();
    await tx
      .insertInto('agents')
      .values({ ...agent, ...more })
      .execute();
    if (ring === undefined) return;
    const label = { server_id: serverId, key: 'ring', value: ring, source: 'admin' };
    await tx.insertInto('server_labels').values(label).execute();
  });
  return id;
}
const rowOf = (id: string) =>
  store.read(tester, (db) => db.selectFrom('agents').selectAll().where('id', '=', id).executeTakeFirstOrThrow());
const rollout = (more: Partial<StartRollout> = {}): StartRollout => ({
  version: '0.2.0',
  maxUnavailable: '1',
  now: false,
  downgrade: false,
  ...more,
});
const report = (id: string, badVersions: string[]) =>
  replica.directory.saveUpdateReport(id, { state: 'idle', badVersions });

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'labmesh-updates-'));
  clock = new FakeClock();
  store = await openStore({ url: 'sqlite::memory:', log: silentLogger, clock });
  replica = new Replica('a', { store, clock, dataDir });
  publish('0.2.0');
});
afterEach(async () => {
  await replica[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  rmSync(dataDir, { recursive: true, force: true });
});

describe('AG-8 a wish for one agent', () => {
  test('reaches it with hash, signature and how, once, and again after a minute without success', async () => {
    const id = await addAgent('web-1');
    await replica.connect(id, '0.1.0');
    await replica.updates.wish(tester, id, { version: '0.2.0', now: true });
    await replica.updates.pass();
    await replica.updates.pass();
    const sha256 = new Bun.CryptoHasher('sha256').update('agent 0.2.0').digest('hex');
    const wish = {
      kind: 'agent',
      version: '0.2.0',
      sha256,
      signature,
      ring: null,
      now: true,
      downgrade: true,
    } as const;
    expect(replica.told).toEqual([[id, wish]]);
    await clock.advance(61_000);
    await replica.updates.pass();
    expect(replica.told.length).toBeGreaterThan(1);
    expect(await rowOf(id)).toMatchObject({ desired_version: '0.2.0', previous_version: '0.1.0', desired_now: 1 });
  });

  test('a new connection hears it again; who runs it hears nothing', async () => {
    const id = await addAgent('web-1');
    await replica.updates.wish(tester, id, { version: '0.2.0', now: false });
    await replica.updates.pass();
    expect(replica.told).toEqual([]);
    await replica.connect(id, '0.1.0');
    await replica.updates.pass();
    await replica.connect(id, '0.1.0');
    await replica.updates.pass();
    expect(replica.versionsTold()).toEqual(['0.2.0', '0.2.0']);
    await replica.connect(id, '0.2.0');
    expect(await replica.updates.pass()).toBe(false);
    expect(replica.told.length).toBe(2);
  });

  test('AG-9 who called it bad, or takes no updates, is left alone', async () => {
    const [bad, off] = [await addAgent('web-1'), await addAgent('web-2')];
    for (const id of [bad, off]) {
      await replica.connect(id, '0.1.0');
      await replica.updates.wish(tester, id, { version: '0.2.0', now: false });
    }
    expect(await report(bad, ['0.2.0'])).toEqual(['0.2.0']);
    expect(await report(bad, ['0.2.0'])).toEqual([]);
    await replica.directory.saveUpdateReport(off, { state: 'off', badVersions: [] });
    await replica.updates.pass();
    expect(replica.told).toEqual([]);
  });

  test('for a machine without a build it waits; a version without any is refused', async () => {
    const id = await addAgent('web-1');
    await replica.connect(id, '0.1.0', 'arm64-musl');
    await replica.updates.wish(tester, id, { version: '0.2.0', now: false });
    await replica.updates.pass();
    expect(replica.told).toEqual([]);
    publish('0.2.0', 'arm64-musl');
    await replica.updates.pass();
    expect(replica.versionsTold()).toEqual(['0.2.0']);
    expect(await thrower(replica.updates.wish(tester, id, { version: '7.0.0', now: false }))).toThrow(
      'no release 7.0.0',
    );
    expect(await thrower(replica.updates.startRollout(tester, everything, rollout({ version: '7.0.0' })))).toThrow(
      'no release 7.0.0',
    );
  });

  test('a pin brings it there and holds it; off leaves it where it is', async () => {
    const id = await addAgent('web-1', { version: '0.3.0' });
    await replica.connect(id, '0.3.0');
    await replica.updates.pin(tester, id, '0.2.0');
    await replica.updates.pass();
    expect(replica.told[0]?.[1]).toMatchObject({ version: '0.2.0', downgrade: true });
    expect(await rowOf(id)).toMatchObject({ pin: '0.2.0', previous_version: '0.3.0' });
    await replica.updates.pin(tester, id, null);
    expect(await rowOf(id)).toMatchObject({ pin: null, desired_version: '0.2.0' });
  });
});

describe('AG-9 a rollout', () => {
  const desired = async (ids: string[]) => (await Promise.all(ids.map(rowOf))).map((row) => row.desired_version);

  test('RB-5 is not begun, changed or ended by whom a deny keeps from one of its agents', async () => {
    await addAgent('web-1', {}, 'web');
    const db = await addAgent('db-1', {}, 'data');
    // `allow * on agents`, `deny update on agents/db-*`
    const where = () => sql<boolean>`servers.hostname not like 'db-%'`;
    const notDb = { none: false, all: false, where };
    const start = (more: Partial<StartRollout>) => replica.updates.startRollout(tester, notDb, rollout(more));
    for (const more of [{}, { ring: 'data' }, { ring: 'data', version: null }])
      expect(await errorOf(start(more))).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(await replica.updates.rollouts(tester, everything)).toEqual([]);
    await start({ ring: 'web' });
    publish('0.2.1');
    // A ring of its own takes them out of the rollout of all others.
    await replica.updates.startRollout(tester, everything, rollout({ ring: 'data', version: '0.2.1' }));
    await start({});
    await replica.updates.pass();
    expect((await rowOf(db)).desired_version).not.toBe('0.2.0');
  });

  test('goes on when the one before is back with the new version', async () => {
    const ids = [await addAgent('web-1'), await addAgent('web-2'), await addAgent('web-3')];
    for (const id of ids) await replica.connect(id, '0.1.0');
    await replica.updates.startRollout(tester, everything, rollout());
    await replica.updates.pass();
    await replica.updates.pass();
    expect(await desired(ids)).toEqual(['0.2.0', null, null]);
    // Away for the change, then there with the new one.
    await replica.directory.release([{ agentId: ids[0] ?? '', epoch: 1 }]);
    await replica.updates.pass();
    expect(await desired(ids)).toEqual(['0.2.0', null, null]);
    await replica.connect(ids[0] ?? '', '0.2.0');
    await replica.updates.pass();
    expect(await desired(ids)).toEqual(['0.2.0', '0.2.0', null]);
    const [shown] = await replica.updates.rollouts(tester, everything);
    expect(shown).toMatchObject({
      state: 'running',
      agents: 3,
      done: 1,
      updating: 1,
      waiting: 1,
      startedBy: 'system:test',
    });
  });

  test('halts at a bad one; another version takes its place', async () => {
    const ids = [await addAgent('web-1'), await addAgent('web-2')];
    for (const id of ids) await replica.connect(id, '0.1.0');
    await replica.updates.startRollout(tester, everything, rollout());
    await replica.updates.pass();
    await report(ids[0] ?? '', ['0.2.0']);
    await replica.updates.pass();
    expect(await desired(ids)).toEqual(['0.2.0', null]);
    expect((await replica.updates.rollouts(tester, everything))[0]).toMatchObject({
      state: 'halted',
      bad: 1,
      badAgents: ['web-1'],
    });
    // AP-3: who may not list that agent hears neither its name nor how many there are; the state is that of all.
    const where = () => sql<boolean>`servers.hostname <> 'web-1'`;
    const [partly] = await replica.updates.rollouts(tester, { none: false, all: false, where });
    expect(partly).toMatchObject({ state: 'halted', agents: 1, bad: 0, waiting: 1, badAgents: [] });
    const none = { none: true, all: false, where: () => sql<boolean>`1 = 0` };
    expect(await replica.updates.rollouts(tester, none)).toEqual([]);
    publish('0.2.1');
    await replica.updates.startRollout(tester, everything, rollout({ version: '0.2.1' }));
    await replica.updates.pass();
    expect(await desired(ids)).toEqual(['0.2.1', null]);
    await replica.updates.startRollout(tester, everything, rollout({ version: null }));
    expect(await replica.updates.rollouts(tester, everything)).toEqual([]);
  });

  test('is about its ring, by the label that the operator gave; the one without a ring about the others', async () => {
    const canary = await addAgent('web-1', {}, 'canary');
    const edge = await addAgent('web-2', {}, 'edge');
    const plain = await addAgent('web-3');
    const server = (await rowOf(plain)).server_id;
    const own = { server_id: server, key: 'facts.ring', value: 'canary', source: 'agent' };
    await store.write(tester, (tx) => tx.insertInto('server_labels').values(own).execute());
    for (const id of [canary, edge, plain]) await replica.connect(id, '0.1.0');
    publish('0.2.1');
    await replica.updates.startRollout(tester, everything, rollout({ ring: 'canary', version: '0.2.1' }));
    await replica.updates.startRollout(tester, everything, rollout({ maxUnavailable: '100%' }));
    await replica.updates.pass();
    expect(await desired([canary, edge, plain])).toEqual(['0.2.1', '0.2.0', '0.2.0']);
    const shown = await replica.updates.rollouts(tester, everything);
    expect(shown.map(({ ring, agents }) => [ring, agents])).toEqual([
      [null, 2],
      ['canary', 1],
    ]);
  });

  test('leaves out the pinned, those that take none, and machines that are banned', async () => {
    const ids = [
      await addAgent('web-1', { pin: '0.1.0' }),
      await addAgent('web-2', { update_state: 'off' }),
      await addAgent('web-3'),
    ];
    for (const id of ids) await replica.connect(id, '0.1.0');
    const banned = await rowOf(ids[2] ?? '');
    await store.write(tester, (tx) =>
      tx.updateTable('servers').set({ status: 'banned' }).where('id', '=', banned.server_id).execute(),
    );
    await replica.updates.startRollout(tester, everything, rollout({ maxUnavailable: '100%' }));
    await replica.updates.pass();
    expect(await desired(ids)).toEqual([null, null, null]);
    expect((await replica.updates.rollouts(tester, everything))[0]).toMatchObject({
      state: 'done',
      agents: 2,
      left: 2,
    });
  });

  test('RP-2 one replica rolls out, each tells its own agents', async () => {
    await using other = new Replica('b', { store, clock, dataDir }, ['a', 'b']);
    replica.live = new Set(['a', 'b']);
    const [here, there] = [await addAgent('web-1'), await addAgent('web-2')];
    await replica.connect(here, '0.1.0');
    await other.connect(there, '0.1.0');
    await replica.updates.startRollout(tester, everything, rollout({ maxUnavailable: '2' }));
    await replica.updates.pass();
    await other.updates.pass();
    expect(replica.told.map(([id]) => id)).toEqual([here]);
    expect(other.told.map(([id]) => id)).toEqual([there]);
    // Agents of a replica that died are away until they come to another one.
    replica.live = new Set(['a']);
    publish('0.2.1');
    await replica.updates.startRollout(tester, everything, rollout({ version: '0.2.1', maxUnavailable: '1' }));
    await other.directory.seen([(await rowOf(there)).server_id], clock.wall());
    await replica.updates.pass();
    expect(await desired([here, there])).toEqual(['0.2.0', '0.2.0']);
  });
});

const missing = postgresAvailable();
test.skipIf(missing !== undefined)(
  'the same on PostgreSQL: wish, way back, rollout, report (needs PostgreSQL)',
  async () => {
    await using postgres = await startPostgres();
    await replica[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    store = await openStore({ url: postgres.url, log: silentLogger, clock });
    replica = new Replica('a', { store, clock, dataDir });
    const [id, other] = [await addAgent('web-1', {}, 'canary'), await addAgent('web-2')];
    for (const one of [id, other]) await replica.connect(one, '0.1.0');
    await replica.updates.startRollout(tester, everything, rollout({ ring: 'canary' }));
    await replica.updates.pass();
    expect(replica.told.map(([agentId, { version }]) => [agentId, version])).toEqual([[id, '0.2.0']]);
    expect(await rowOf(id)).toMatchObject({
      desired_version: '0.2.0',
      previous_version: '0.1.0',
      desired_downgrade: 0,
    });
    await replica.connect(id, '0.2.0');
    expect((await replica.updates.rollouts(tester, everything))[0]).toMatchObject({
      state: 'done',
      agents: 1,
      done: 1,
    });
    expect(await report(other, ['0.2.0'])).toEqual(['0.2.0']);
    await replica.updates.pin(tester, other, '0.2.0');
    await replica.updates.pass();
    expect(replica.told.length).toBe(1);
  },
  60_000,
);
