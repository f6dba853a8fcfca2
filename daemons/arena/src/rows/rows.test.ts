import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { openStore } from '@labmesh/store/open-store';
import type { SqlStore } from '@labmesh/store/sql-store';
import { TempFolder } from '@labmesh/store/testing/temp-store';
import { system } from '@labmesh/wire/fleet/principal';
import type { Verdict } from '@labmesh/wire/verification/verdict';
import { verificationBlockSchema } from '@labmesh/wire/verification/verification-block';
import { type Postgres, postgresAvailable, startPostgres } from '../../../../tests/harness/start-postgres.ts';
import { putCandidate, readCandidates, type StoredCandidate } from './candidate-rows.ts';
import { dropTexts } from './drop-texts.ts';
import { addLeg, readLegs, type StoredLeg } from './match-rows.ts';
import { addRun, readRun } from './run-rows.ts';

const principal = system('test');

const verdict = (pluginName: string): Verdict => ({
  status: 'failed',
  pluginName,
  version: '1',
  digest: 'd',
  message: 'CANARY does not parse',
  details: { code_preview: 'CANARY' },
  scoreModifier: 0,
  hard: true,
  level: 'SANDBOX_L1_NAMESPACE',
  durationMs: 1.5,
  evidenceSha256: 'e',
  code: 'SYNTAX_ERROR',
  grants: [],
});

const candidate: StoredCandidate = {
  idx: 1,
  attempt: 0,
  state: 'generated',
  sameAs: null,
  sampling: { model: 'm', temperature: 0.7, topP: 0.95, topK: null, seed: 5, suffix: null },
  digest: 'abc',
  answer: { role: 'assistant', content: 'CANARY' },
  model: 'm-1',
  finishReason: 'stop',
  tokensIn: 3,
  tokensCached: 2,
  tokensOut: 4,
  costNano: 123_456_789_012,
  latencyMs: 6,
  aggregate: {
    results: [verdict('zeta'), verdict('alpha')],
    allPassed: false,
    anyHardFailure: true,
    combinedScoreModifier: 0,
    failureMessages: ['CANARY does not parse'],
    outcome: 'invalid',
  },
  outcome: 'invalid',
  reason: null,
  toolCalls: [{ round: 0, tool: 'docs/lookup', argsSha256: 'ab', state: 'ok', cached: false, latencyMs: 7 }],
  rollout: { messages: [{ role: 'tool', tool_call_id: 'c', content: 'CANARY means 42' }] },
};

const leg: StoredLeg = {
  round: 0,
  a: 0,
  b: 1,
  leg: 'ab',
  judge: 'j',
  scoreA: 7,
  scoreB: 3.5,
  rationale: 'CANARY is longer',
  tokensIn: 1,
  tokensOut: 2,
  costNano: 3,
};

async function addOne(store: SqlStore, id: string): Promise<void> {
  const offer = {
    requestId: id,
    tenant: 'a',
    key: 'k',
    mode: 'audit',
    deadlineMs: 1.5,
    block: verificationBlockSchema.parse({}),
    request: { model: 'm', messages: [{ role: 'user', content: 'CANARY' }] },
  };
  const none = {
    plan: null,
    outcome: null,
    chosen: null,
    certificate_id: null,
    report: null,
    error: null,
    finished_at: null,
  };
  const fields = {
    ...none,
    id,
    created_at: 1,
    tenant: 'a',
    key_id: 'k',
    request_id: id,
    mode: 'audit',
    state: 'queued',
    priority: 2,
    model: 'm',
    offer: JSON.stringify(offer),
    seed: 1,
    tokens_in: 0,
    tokens_out: 0,
    cost_nano: 0,
    deadline_at: 2,
  };
  await addRun(principal, store, fields, 'one', { tenantRuns: 10, queueRuns: 10 });
}

function onStore(open: () => SqlStore): void {
  test('what is put comes back the same, verdicts in their order, and a second put changes the row alone', async () => {
    const store = open();
    await addOne(store, 'r1');
    await store.write(principal, (tx) => putCandidate(tx, 'r1', { ...candidate, aggregate: null, outcome: null }));
    await store.write(principal, (tx) => putCandidate(tx, 'r1', candidate));
    await store.write(principal, (tx) => putCandidate(tx, 'r1', { ...candidate, sameAs: 0 }));
    await store.write(principal, (tx) =>
      putCandidate(tx, 'r1', { ...candidate, attempt: 1, answer: null, aggregate: null }),
    );
    const [first, second] = await store.read(principal, (db) => readCandidates(db, 'r1'));
    expect(first).toEqual({ ...candidate, sameAs: 0 });
    expect([second?.attempt, second?.aggregate]).toEqual([1, null]);
    const run = await readRun(principal, store, 'r1');
    expect([run?.offer?.request.messages[0]?.content, run?.state, run?.leaseOwner]).toEqual([
      'CANARY',
      'queued',
      'one',
    ]);
    expect(await readRun(principal, store, 'none')).toBeUndefined();
  });

  test('a leg is written once: a second of the same place is not, void ones keep their cost', async () => {
    const store = open();
    const lost: StoredLeg = { ...leg, leg: 'ba', scoreA: null, scoreB: null, rationale: null };
    for (const one of [leg, { ...leg, scoreA: 0 }, { ...leg, round: 1 }, lost]) {
      await store.write(principal, (tx) => addLeg(tx, 'r2', one));
    }
    expect(await store.read(principal, (db) => readLegs(db, 'r2'))).toEqual([leg, { ...leg, round: 1 }, lost]);
  });

  test('texts go, what was found stays', async () => {
    const store = open();
    await addOne(store, 'r3');
    await store.write(principal, async (tx) => {
      await putCandidate(tx, 'r3', candidate);
      await addLeg(tx, 'r3', leg);
      await dropTexts(tx, 'r3');
    });
    const [left] = await store.read(principal, (db) => readCandidates(db, 'r3'));
    const legs = await store.read(principal, (db) => readLegs(db, 'r3'));
    const run = await readRun(principal, store, 'r3');
    expect(JSON.stringify([left, legs, run])).not.toContain('CANARY');
    expect([
      left?.digest,
      left?.aggregate?.results.map(({ pluginName, code }) => `${pluginName} ${code}`),
      legs[0]?.scoreA,
      left?.toolCalls,
    ]).toEqual(['abc', ['zeta SYNTAX_ERROR', 'alpha SYNTAX_ERROR'], 7, candidate.toolCalls]);
  });
}

describe('on SQLite', () => {
  const folder = new TempFolder();
  let store: SqlStore;
  beforeAll(async () => {
    store = await openStore({ url: await folder.nextUrl() });
  });
  afterAll(async () => {
    await store[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });
  onStore(() => store);
});

const missing = postgresAvailable();
describe.skipIf(missing !== undefined)(
  `on PostgreSQL${missing === undefined ? '' : ` (${missing}: install postgresql)`}`,
  () => {
    let server: Postgres;
    let store: SqlStore;
    beforeAll(async () => {
      server = await startPostgres();
      store = await openStore({ url: await server.createDatabase() });
    }, 60_000);
    afterAll(async () => {
      await store?.[Symbol.asyncDispose]();
      await server?.[Symbol.asyncDispose]();
    }, 60_000);
    onStore(() => store);
  },
);
