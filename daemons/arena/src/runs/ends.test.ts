/** How runs end other than well: early stop, budgets, deadlines, whoever asked leaves, faults of engines. */
import { expect, test } from 'bun:test';
import { FakeGateway } from '../generate/testing/fake-gateway.ts';
import { runDefaults } from './run-settings.ts';
import { eventsOf, offerOf, only } from './testing/offers.ts';
import { openRig } from './testing/run-rig.ts';

const slow = (text: string, parts = 200) => ({ parts: Array.from({ length: parts }, () => text), delayMs: 10 });
const temperature = (request: { temperature?: number | null | undefined }) => request.temperature ?? 0;

async function settled(gateway: FakeGateway): Promise<void> {
  for (let wait = 0; gateway.count('open') > 0 && wait < 300; wait++) await Bun.sleep(10);
}

test('AR6: a good answer ends the others where that is wanted, upstream too, and what it saved is told', async () => {
  await using gateway = new FakeGateway((request) => (temperature(request) < 0.5 ? { parts: ['good'] } : slow('x ')));
  const earlyStop = { ...runDefaults.earlyStop, enabled: true, delayMs: 20 };
  await using rig = await openRig({ gateway, settings: { earlyStop } });
  const events = await eventsOf(rig.runs, offerOf());
  const [ended] = only(events, 'terminated');
  expect(Math.abs(Date.parse(ended?.timestamp ?? '') - Date.now())).toBeLessThan(60_000);
  expect([ended?.reason, ended?.terminatedCount]).toEqual(['quality_threshold_met', 4]);
  expect(ended?.savedTokensEstimate ?? 0).toBeGreaterThan(4 * 3_000);
  await settled(gateway);
  expect([gateway.count('done'), gateway.count('aborted')]).toEqual([1, 4]);
  expect(only(events, 'result')[0]?.answer?.content).toBe('good');
  const states = rig.finished[0]?.candidates.map(({ state }) => state);
  expect(states?.filter((state) => state === 'stopped')).toHaveLength(4);
});

test('BG3: a failed candidate never stops a healthy sibling', async () => {
  await using gateway = new FakeGateway((request, call) => {
    if (call === 0) return { status: 500, body: '{}' };
    if (call === 1) return { parts: ['BAD'] };
    if (call === 2) return { parts: Array.from({ length: 200 }, () => 'x'.repeat(1_000)) };
    return { ...slow(`good ${request.seed} `, 20) };
  });
  const correction = { ...runDefaults.correction, attempts: 0 };
  await using rig = await openRig({ gateway, settings: { correction } });
  const events = await eventsOf(rig.runs, offerOf());
  expect(only(events, 'result')[0]?.report.status).toBe('valid');
  const states = rig.finished[0]?.candidates.map(({ state, reason }) => `${state} ${reason ?? ''}`.trim()).toSorted();
  expect(states).toEqual(['failed answer_too_long', 'failed upstream_error', 'generated', 'generated', 'generated']);
  expect(only(events, 'terminated')).toMatchObject([{ reason: 'hard_verification_failure', terminatedCount: 1 }]);
});

test('a budget is asked before each call: too small for any, for all, and for judges', async () => {
  await using gateway = new FakeGateway((request) => ({ parts: [`good ${request.seed}`] }));
  await using rig = await openRig({ gateway });
  const [none] = only(await eventsOf(rig.runs, offerOf({ block: { budget: { tokens: 10 } } })), 'error');
  expect([none?.code, gateway.heard.length]).toEqual(['budget_exceeded', 0]);
  await eventsOf(rig.runs, offerOf({ block: { budget: { tokens: 500 } } }));
  const asked = gateway.heard.map(({ request }) => request.max_tokens ?? 0);
  expect(asked.every((tokens) => tokens > 16 && tokens <= 100)).toBe(true);
  const events = await eventsOf(rig.runs, offerOf({ block: { variations: 3, budget: { judge_calls: 2 } } }));
  expect(rig.counts.judged).toBe(22);
  expect(only(events, 'terminated')).toMatchObject([{ reason: 'budget_exceeded', details: { stage: 'judging' } }]);
  const [result] = only(events, 'result');
  expect([result?.report.status, result?.report.summary.includes('budget')]).toEqual(['valid', true]);
  expect(rig.finished.at(-1)?.tournament).toBeNull();
});

test('a budget in money counts prompts, answers and judges', async () => {
  await using gateway = new FakeGateway(() => ({
    parts: ['good'],
    usage: { prompt_tokens: 100, completion_tokens: 50 },
  }));
  const prices = { inputNano: 1_000, outputNano: 10_000, models: {} };
  await using rig = await openRig({ gateway, settings: { prices } });
  const [dear] = only(await eventsOf(rig.runs, offerOf({ block: { budget: { usd: 0.00001 } } })), 'error');
  expect(dear?.code).toBe('budget_exceeded');
  await eventsOf(rig.runs, offerOf({ block: { variations: 1, budget: { usd: 0.01 } } }));
  // 0.01 USD buys a thousand answer tokens less the prompt.
  expect(gateway.heard[0]?.request.max_tokens ?? 0).toBeLessThan(1_000);
  expect(rig.finished[0]?.candidates[0]?.costNano).toBe(100 * 1_000 + 50 * 10_000);
});

test('the deadline ends streams and gives what is proven by then, else says that it passed', async () => {
  await using gateway = new FakeGateway((request) =>
    temperature(request) < 0.5 ? { parts: ['good'] } : slow('good '),
  );
  await using rig = await openRig({ gateway });
  const events = await eventsOf(rig.runs, offerOf({ block: { max_wait_ms: 700 } }));
  expect(only(events, 'terminated')).toMatchObject([{ reason: 'timeout', terminatedCount: 4 }]);
  expect(only(events, 'result')[0]).toMatchObject({ answer: { content: 'good' }, report: { status: 'valid' } });
  gateway.script = () => slow('good ');
  const [late] = only(await eventsOf(rig.runs, offerOf({ block: { max_wait_ms: 400 } })), 'error');
  expect(late?.code).toBe('verification_deadline');
  const [passed] = only(await eventsOf(rig.runs, offerOf({ deadlineMs: Date.now() - 1 })), 'error');
  expect(passed?.code).toBe('verification_deadline');
  await settled(gateway);
  expect(gateway.count('open')).toBe(0);
}, 30_000);

test('whoever asked leaves: the run is given up and its streams end upstream', async () => {
  await using gateway = new FakeGateway(() => slow('good ', 2_000));
  await using rig = await openRig({ gateway });
  const leaving = new AbortController();
  const events = eventsOf(rig.runs, offerOf(), leaving.signal);
  while (gateway.heard.length < 5) await Bun.sleep(10);
  leaving.abort();
  expect(only(await events, 'result')).toEqual([]);
  await settled(gateway);
  for (let wait = 0; gateway.count('aborted') < 5 && wait < 600; wait++) await Bun.sleep(10);
  expect(gateway.count('aborted')).toBe(5);
}, 30_000);

test('cancel ends a run of the same tenant alone', async () => {
  await using gateway = new FakeGateway(() => slow('good ', 2_000));
  await using rig = await openRig({ gateway });
  let id = '';
  for await (const event of rig.runs.submit(offerOf(), new AbortController().signal)) {
    if (event.event === 'accepted') id = event.runId;
    if (event.event === 'candidate' && event.state === 'generating') {
      expect(rig.runs.cancel('other', id)).toBe(false);
      rig.runs.cancel('acme', id);
    }
    if (event.event === 'error') expect(event.code).toBe('verification_unavailable');
  }
  expect(rig.runs.cancel('acme', id)).toBe(false);
});

test('when every engine refuses alike, the client hears why; else that nothing came', async () => {
  const refusal = (code: string) => ({ status: 400, body: JSON.stringify({ error: { message: 'm', code } }) });
  await using gateway = new FakeGateway(() => refusal('context_length_exceeded'));
  await using rig = await openRig({ gateway });
  const codes: (string | undefined)[] = [];
  codes.push(only(await eventsOf(rig.runs, offerOf()), 'error')[0]?.code);
  gateway.script = (_, call) => refusal(call % 2 === 0 ? 'context_length_exceeded' : 'queue_full');
  codes.push(only(await eventsOf(rig.runs, offerOf()), 'error')[0]?.code);
  expect(codes).toEqual(['context_length_exceeded', 'upstream_error']);
});

test('options that this arena does not have are refused by their field', async () => {
  await using gateway = new FakeGateway();
  await using rig = await openRig({ gateway });
  const fieldOf = async (block: NonNullable<Parameters<typeof offerOf>[0]>['block']) =>
    only(await eventsOf(rig.runs, offerOf({ block })), 'error').map(({ code, field }) => [code, field])[0];
  expect(await fieldOf({ variations: 6 })).toEqual(['verification_bad_option', 'verification.variations']);
  expect(await fieldOf({ suite: 'none' })).toEqual(['verification_bad_option', 'verification.suite']);
  expect(await fieldOf({ verifiers: ['nobody'] })).toEqual(['verification_bad_option', 'verification.verifiers']);
  expect(gateway.heard).toEqual([]);
});

test('a tenant has ten runs at once, all of them a thousand', async () => {
  await using gateway = new FakeGateway(() => slow('good ', 60));
  const limits = { ...runDefaults.limits, tenantRuns: 2, queueRuns: 3, atOnce: 1 };
  await using rig = await openRig({ gateway, settings: { limits } });
  const submit = (tenant: string) => eventsOf(rig.runs, offerOf({ tenant, block: { variations: 1 } }));
  const running = [submit('a'), submit('a'), submit('b')];
  await Bun.sleep(100);
  for (const tenant of ['a', 'c']) {
    const [busy] = only(await submit(tenant), 'error');
    expect([busy?.code, (busy?.retryAfterS ?? 0) > 0]).toEqual(['arena_busy', true]);
  }
  for (const events of await Promise.all(running)) expect(only(events, 'result')[0]?.report.status).toBe('valid');
}, 30_000);

test('a judge that fails leaves it to the verifiers and says so; a bug in it ends the run by name', async () => {
  await using gateway = new FakeGateway((request) => ({ parts: [`good ${request.seed}`] }));
  const broken = { name: 'away', kind: 'llm', promptSha256: null, models: [] } as const;
  {
    await using rig = await openRig({
      gateway,
      parts: { judge: () => ({ ...broken, compare: () => Promise.resolve(null) }) },
    });
    const [result] = only(await eventsOf(rig.runs, offerOf()), 'result');
    expect([result?.report.status, result?.report.summary.includes('void')]).toEqual(['valid', true]);
  }
  await using rig = await openRig({
    gateway,
    parts: { judge: () => ({ ...broken, compare: () => Promise.reject(new TypeError('SECRET')) }) },
  });
  const [fault] = only(await eventsOf(rig.runs, offerOf()), 'error');
  expect([fault?.code, fault?.message.includes('SECRET')]).toEqual(['internal_error', false]);
});
