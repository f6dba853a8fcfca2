import { expect, test } from 'bun:test';
import { TempFolder } from '@labmesh/store/testing/temp-store';
import { system } from '@labmesh/wire/fleet/principal';
import { insertCertificate, setRevoked } from '../certify/certificate-rows.ts';
import { FakeGateway } from '../generate/testing/fake-gateway.ts';
import { runDefaults } from './run-settings.ts';
import { eventsOf, offerOf, only } from './testing/offers.ts';
import { openRig } from './testing/run-rig.ts';

const words = (...texts: string[]) => new FakeGateway((_, call) => ({ parts: [texts[call % texts.length] ?? ''] }));

test('best of five: verified, judged, certified; all that was spent is told', async () => {
  await using gateway = words('a good one', 'a BAD one', 'the very best good one', 'a good one', 'good');
  await using rig = await openRig({ gateway, settings: { prices: { inputNano: 3, outputNano: 5, models: {} } } });
  const events = await eventsOf(rig.runs, offerOf({ block: { return_all: true } }));
  const [result] = only(events, 'result');
  expect(events.at(-1)?.event).toBe('result');
  expect(result?.answer?.content).toBe('the very best good one');
  expect(result?.report).toMatchObject({
    status: 'valid',
    certificate_id: `cert-${result?.runId}`,
    properties: ['SYNTAX_OK'],
  });
  expect(result?.usage).toEqual({ prompt_tokens: 50, completion_tokens: 5, total_tokens: 55 });
  expect(result?.report.candidates?.map(({ outcome }) => outcome)).toHaveLength(5);
  const [run] = rig.finished;
  expect(run?.candidates.map(({ sampling }) => sampling.temperature)).toEqual([0.1, 0.7, 0.7, 1, 1]);
  expect(run?.candidates.filter(({ sameAs }) => sameAs !== null)).toHaveLength(1);
  // Three distinct valid answers: three pairs in both orders.
  expect([run?.tournament?.method, rig.counts.judged, run?.tournament?.matches.length]).toEqual(['round_robin', 6, 3]);
  expect(run?.candidates[1]?.costNano).toBe(10 * 3 + 5);
  const bad = run?.candidates.find(({ final }) => final?.aggregate.outcome === 'invalid');
  const valid = run?.candidates.filter(({ final }) => final?.aggregate.outcome === 'valid') ?? [];
  expect(valid.every(({ reward }) => reward > (bad?.reward ?? 0))).toBe(true);
});

test('the same request id joins its run and pays nothing again; another tenant has its own', async () => {
  await using gateway = words('good');
  await using rig = await openRig({ gateway });
  const offer = offerOf({ block: { variations: 2 } });
  const [one, two] = await Promise.all([eventsOf(rig.runs, offer), eventsOf(rig.runs, offer)]);
  const again = await eventsOf(rig.runs, offer);
  const ids = [one, two, again].map((events) => only(events ?? [], 'result')[0]?.runId);
  expect(new Set(ids).size).toBe(1);
  expect(gateway.heard.length).toBe(2);
  await eventsOf(rig.runs, { ...offer, tenant: 'other' });
  expect(gateway.heard.length).toBe(4);
});

test.each([
  ['BAD', 'ERR'],
  ['ERR', 'BAD'],
])('without a valid one the same answer is given a second time, from its rows: %s, %s', async (one, other) => {
  await using gateway = words(one, other);
  const settings = { capture: ['*'], correction: { ...runDefaults.correction, attempts: 0 } };
  await using rig = await openRig({ gateway, settings });
  const offer = offerOf({ block: { variations: 2, on_fail: 'best_effort', on_unavailable: 'pass' } });
  const [first] = only(await eventsOf(rig.runs, offer), 'result');
  await rig.runs[Symbol.asyncDispose]();
  await using next = await openRig({ gateway, store: rig.store, settings });
  const [again] = only(await eventsOf(next.runs, offer), 'result');
  expect([again?.runId, again?.answer, again?.report]).toEqual([first?.runId, first?.answer, first?.report]);
  expect([first?.report.status, first?.answer?.content]).toEqual(['inconclusive', 'ERR']);
  expect(gateway.heard.length).toBe(2);
});

test('a run whose certificate was revoked is not told as valid a second time, from memory or from rows', async () => {
  await using gateway = words('good');
  await using rig = await openRig({ gateway, settings: { capture: ['*'] } });
  const offer = offerOf({ block: { variations: 1 } });
  const [first] = only(await eventsOf(rig.runs, offer), 'result');
  const id = first?.report.certificate_id ?? '';
  await insertCertificate(rig.store, {
    id,
    created_at: 1,
    tenant: offer.tenant,
    run_id: first?.runId ?? '',
    bundle: '{}',
    sha256: 'x',
    log_index: null,
    expires_at: null,
    revoked_at: null,
    revoked_reason: null,
  });
  expect(only(await eventsOf(rig.runs, offer), 'result')[0]?.report.certificate_id).toBe(id);
  await setRevoked(rig.store, id, 2, 'cheat_found');
  const refused = { code: 'verification_inconclusive', runId: first?.runId };
  expect((await eventsOf(rig.runs, offer)).at(-1)).toMatchObject(refused);
  await rig.runs[Symbol.asyncDispose]();
  await using next = await openRig({ gateway, store: rig.store });
  expect((await eventsOf(next.runs, offer)).at(-1)).toMatchObject(refused);
  expect(gateway.heard.length).toBe(1);
});

test('texts are gone from every row when the run is over, unless the tenant keeps them (P7)', async () => {
  await using gateway = words('good CANARY', 'BAD CANARY');
  for (const capture of [[], ['acme'], ['*']]) {
    await using rig = await openRig({ gateway, settings: { capture } });
    const offer = offerOf({ block: { variations: 2, return_all: true } });
    await eventsOf(rig.runs, offer);
    const tables = await rig.store.read(system('test'), async (db) => [
      await db.selectFrom('arena_runs').selectAll().execute(),
      await db.selectFrom('arena_candidates').selectAll().execute(),
      await db.selectFrom('arena_verdicts').selectAll().execute(),
      await db.selectFrom('arena_matches').selectAll().execute(),
    ]);
    const text = JSON.stringify(tables);
    expect(text.includes('CANARY') || text.includes('SECRETPROMPT')).toBe(capture.length > 0);
    expect(rig.finished[0]?.keepsTexts).toBe(capture.length > 0);
  }
});

test('none valid: the result says so and certifies nothing; all inconclusive: 503 with a pause', async () => {
  await using gateway = words('BAD');
  const none = { correction: { ...runDefaults.correction, attempts: 0 } };
  await using rig = await openRig({ gateway, settings: none });
  const [bad] = only(await eventsOf(rig.runs, offerOf()), 'result');
  expect([bad?.report.status, bad?.answer?.content, bad?.report.certificate_id]).toEqual(['invalid', 'BAD', null]);
  gateway.script = () => ({ parts: ['ERR'] });
  const [fault] = only(await eventsOf(rig.runs, offerOf()), 'error');
  expect([fault?.code, (fault?.retryAfterS ?? 0) > 0]).toEqual(['verification_inconclusive', true]);
  gateway.script = () => ({ parts: ['PLAIN'] });
  const [plain] = only(await eventsOf(rig.runs, offerOf()), 'result');
  expect([plain?.report.status, plain?.answer?.content]).toEqual(['unchecked', 'PLAIN']);
  expect(rig.certified).toEqual([]);
});

test('audit looks at the answer given and generates nothing; shadow takes it as the first of the field', async () => {
  await using gateway = words('good longer than that');
  await using rig = await openRig({ gateway });
  const answer = { role: 'assistant', content: 'good' };
  const [audit] = only(await eventsOf(rig.runs, offerOf({ mode: 'audit', answer })), 'result');
  expect([audit?.report.status, audit?.usage.total_tokens, gateway.heard.length]).toEqual(['valid', 0, 0]);
  const [unsure] = only(
    await eventsOf(rig.runs, offerOf({ mode: 'audit', answer: { role: 'assistant', content: 'ERR' } })),
    'result',
  );
  expect(unsure?.report.status).toBe('inconclusive');
  const [shadow] = only(
    await eventsOf(rig.runs, offerOf({ mode: 'shadow', answer, block: { variations: 3 } })),
    'result',
  );
  expect([gateway.heard.length, shadow?.answer?.content]).toEqual([2, 'good longer than that']);
  expect(rig.finished.at(-1)?.candidates[0]?.final?.answer.content).toBe('good');
  const [refused] = only(await eventsOf(rig.runs, offerOf({ mode: 'audit' })), 'error');
  expect([refused?.code, refused?.field]).toEqual(['verification_bad_option', 'answer']);
});

test('a request that was answered before this start: from its rows where texts are kept, else told that they are not', async () => {
  using folder = new TempFolder();
  await using gateway = words('BAD', 'good');
  for (const capture of [['acme'], []]) {
    const url = await folder.nextUrl();
    const offer = offerOf({ block: { variations: 2 } });
    const settings = { capture };
    let first: ReturnType<typeof only<'result'>>[number] | undefined;
    {
      await using rig = await openRig({ gateway, url, settings });
      [first] = only(await eventsOf(rig.runs, offer), 'result');
    }
    await using rig = await openRig({ gateway, url, settings });
    const before = gateway.heard.length;
    const events = await eventsOf(rig.runs, offer);
    expect(only(events, 'accepted')).toMatchObject([{ runId: first?.runId, cached: true }]);
    expect(gateway.heard.length).toBe(before);
    const [result] = only(events, 'result');
    expect(result?.answer?.content).toBe(capture.length > 0 ? 'good' : undefined);
    expect(result?.report).toEqual(capture.length > 0 ? first?.report : undefined);
    if (capture.length === 0) expect(only(events, 'error')[0]?.code).toBe('verification_unavailable');
  }
});

test('a failure of what follows a run changes nothing; a certificate that is refused is no failure of the run', async () => {
  await using gateway = words('good');
  await using rig = await openRig({
    gateway,
    parts: {
      certify: () => Promise.resolve({ reason: 'the bracket asks for more' }),
      onFinished: () => Promise.reject(new Error('disk full')),
    },
  });
  const [result] = only(await eventsOf(rig.runs, offerOf({ block: { variations: 1 } })), 'result');
  expect(result?.report).toMatchObject({ status: 'valid', certificate_id: null, properties: [] });
  expect(result?.report.summary).toContain('the bracket asks for more');
});

test('a caller that wants no certificate gets none', async () => {
  await using gateway = words('good');
  await using rig = await openRig({ gateway });
  await eventsOf(rig.runs, offerOf({ block: { certificate: false } }));
  expect(rig.certified).toEqual([]);
});
