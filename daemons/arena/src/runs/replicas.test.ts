/** AR16: leases keep replicas off each other's runs, and a run whose holder is gone goes on elsewhere. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { systemClock } from '@labmesh/kit/clock';
import { openStore } from '@labmesh/store/open-store';
import type { SqlStore } from '@labmesh/store/sql-store';
import { TempFolder } from '@labmesh/store/testing/temp-store';
import { system } from '@labmesh/wire/fleet/principal';
import { type Postgres, postgresAvailable, startPostgres } from '../../../../tests/harness/start-postgres.ts';
import { FakeGateway } from '../generate/testing/fake-gateway.ts';
import { readCandidates } from '../rows/candidate-rows.ts';
import { readLegs } from '../rows/match-rows.ts';
import { addRun, claimRun, holdRun, leaseMs, orphanedRuns, readRun, releaseRuns, renewRuns } from '../rows/run-rows.ts';
import { eventsOf, offerOf, only } from './testing/offers.ts';
import { openRig } from './testing/run-rig.ts';

const principal = system('test');

function fields(tenant: string, request: string) {
  const offer = offerOf({ tenant, requestId: request });
  return {
    id: `${tenant}-${request}`,
    created_at: 1,
    tenant,
    key_id: 'k',
    request_id: request,
    mode: 'intercept',
    state: 'queued',
    priority: 2,
    model: 'm',
    offer: JSON.stringify(offer),
    seed: 1,
    plan: null,
    outcome: null,
    chosen: null,
    certificate_id: null,
    report: null,
    error: null,
    tokens_in: 0,
    tokens_out: 0,
    cost_nano: 0,
    deadline_at: Date.now() + 60_000,
    finished_at: null,
  };
}

const wide = { tenantRuns: 10, queueRuns: 100 };

function leases(open: () => Promise<SqlStore>): void {
  test('a lease has one holder; who lost it writes nothing', async () => {
    await using store = await open();
    const { added } = await addRun(principal, store, fields('a', '1'), 'one', wide);
    const again = await addRun(principal, store, { ...fields('a', '1'), id: 'other' }, 'two', wide);
    expect([added, again.added, again.run.id]).toEqual([true, false, 'a-1']);
    expect(await claimRun(principal, store, 'a-1', 'two')).toBe(false);
    expect(await orphanedRuns(principal, store, 'two', 10)).toEqual([]);
    expect(await orphanedRuns(principal, store, 'one', 10)).toEqual(['a-1']);
    expect([...(await renewRuns(principal, store, ['a-1', 'no'], 'one'))]).toEqual(['a-1']);
    await releaseRuns(principal, store, 'one');
    const claims = await Promise.all(['two', 'three', 'four'].map((owner) => claimRun(principal, store, 'a-1', owner)));
    expect(claims.filter(Boolean)).toHaveLength(1);
    const late = await holdRun(principal, store, { id: 'a-1', owner: 'one' }, () => Promise.resolve(1)).catch(
      (error: Error) => error.name,
    );
    expect(late).toBe('LeaseLost');
    expect((await renewRuns(principal, store, ['a-1'], 'one')).size).toBe(0);
  });

  test('limits count unfinished runs, of the tenant and of all', async () => {
    await using store = await open();
    const limits = { tenantRuns: 2, queueRuns: 3 };
    const add = (tenant: string, request: string) =>
      addRun(principal, store, fields(tenant, request), 'one', limits).then(
        () => 'ok',
        (error: { code: string }) => error.code,
      );
    expect([await add('a', '1'), await add('a', '2'), await add('a', '3')]).toEqual(['ok', 'ok', 'arena_busy']);
    expect([await add('b', '1'), await add('c', '1')]).toEqual(['ok', 'arena_busy']);
    await holdRun(principal, store, { id: 'a-1', owner: 'one' }, (tx) =>
      tx.updateTable('arena_runs').set({ finished_at: 1 }).where('id', '=', 'a-1').execute(),
    );
    expect([await add('a', '4'), (await readRun(principal, store, 'a-1'))?.finishedAt]).toEqual(['ok', 1]);
  });
}

function replicas(open: () => Promise<SqlStore>): void {
  test('two replicas on one store play no match twice and generate no answer twice', async () => {
    await using store = await open();
    await using gateway = new FakeGateway((request) => ({
      parts: [`good ${'x'.repeat((request.seed ?? 0) % 60)}`],
      delayMs: 5,
    }));
    const onJudge = () => Bun.sleep(5);
    await using one = await openRig({ gateway, store, onJudge, parts: { owner: 'one' } });
    await using two = await openRig({ gateway, store, onJudge, parts: { owner: 'two' } });
    const offers = Array.from({ length: 4 }, () => offerOf({ block: { variations: 4 } }));
    const asked = offers.flatMap((offer) => [eventsOf(one.runs, offer), eventsOf(two.runs, offer)]);
    await Promise.all([...asked, one.runs.adopt(), two.runs.adopt()]);
    expect(gateway.heard.length).toBe(16);
    expect(one.finished.length + two.finished.length).toBe(4);
    const legs = await store.read(principal, async (db) => {
      const runs = await db.selectFrom('arena_runs').select('id').execute();
      return (await Promise.all(runs.map(({ id }) => readLegs(db, id)))).flat();
    });
    expect(one.counts.judged + two.counts.judged).toBe(legs.length);
  }, 60_000);
}

function handover(open: () => Promise<SqlStore>): void {
  test('a run that a replica lets go of is finished by the other, which asks only for what is missing', async () => {
    await using store = await open();
    await using gateway = new FakeGateway((request) =>
      (request.temperature ?? 0) < 0.5
        ? { parts: ['good'] }
        : { parts: Array.from({ length: 50 }, () => 'good '), delayMs: 10 },
    );
    const offer = offerOf({ block: { variations: 3 } });
    const one = await openRig({ gateway, store, parts: { owner: 'one' } });
    const seen: string[] = [];
    let id = '';
    for await (const event of one.runs.submit(offer, new AbortController().signal)) {
      seen.push(event.event);
      if (event.event === 'accepted') id = event.runId;
      // One answer stands in its row: the replica is shut down.
      if (event.event === 'outcome') void one[Symbol.asyncDispose]();
    }
    expect(seen.at(-1)).toBe('error');
    await one[Symbol.asyncDispose]();
    const before = await store.read(principal, (db) => readCandidates(db, id));
    expect(before.filter(({ state }) => state === 'generated')).toHaveLength(1);
    gateway.heard.length = 0;
    await using two = await openRig({ gateway, store, parts: { owner: 'two' } });
    const [result] = only(await eventsOf(two.runs, offer), 'result');
    expect([result?.runId, result?.report.status, gateway.heard.length]).toEqual([id, 'valid', 2]);
  }, 60_000);

  test('a holder whose lease is taken from it stops and changes nothing more', async () => {
    await using store = await open();
    await using gateway = new FakeGateway(() => ({ parts: Array.from({ length: 100 }, () => 'good '), delayMs: 10 }));
    await using one = await openRig({ gateway, store, parts: { owner: 'one' } });
    let last = '';
    for await (const event of one.runs.submit(offerOf({ block: { variations: 1 } }), new AbortController().signal)) {
      last = event.event === 'error' ? event.code : event.event;
      if (event.event !== 'accepted') continue;
      await store.write(principal, (tx) =>
        tx
          .updateTable('arena_runs')
          .set({ lease_owner: 'thief', lease_until: systemClock.wall() + leaseMs })
          .where('id', '=', event.runId)
          .execute(),
      );
    }
    expect([last, one.finished.length, one.certified.length]).toEqual(['verification_unavailable', 0, 0]);
  }, 60_000);
}

function onStore(open: () => Promise<SqlStore>): void {
  leases(open);
  replicas(open);
  handover(open);
}

describe('on SQLite', () => {
  const folder = new TempFolder();
  afterAll(() => folder[Symbol.dispose]());
  onStore(async () => openStore({ url: await folder.nextUrl() }));
});

const missing = postgresAvailable();
describe.skipIf(missing !== undefined)(
  `on PostgreSQL${missing === undefined ? '' : ` (${missing}: install postgresql)`}`,
  () => {
    let server: Postgres;
    let template: string;
    beforeAll(async () => {
      server = await startPostgres();
      template = await server.createDatabase();
      await (await openStore({ url: template }))[Symbol.asyncDispose]();
    }, 60_000);
    afterAll(() => server?.[Symbol.asyncDispose](), 60_000);
    onStore(async () => openStore({ url: await server.createDatabase({ template }) }));
  },
);
