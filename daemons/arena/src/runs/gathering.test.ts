/** Answers of a run are verified together where that costs nobody time (verification V5, V8). */
import { expect, test } from 'bun:test';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import type { Verifier } from '../contract/verifier.ts';
import { FakeGateway } from '../generate/testing/fake-gateway.ts';
import { answerText } from '../verify/candidate-text.ts';
import { openVerification } from '../verify/open-verification.ts';
import { fakeRunner } from '../verify/testing/fake-runner.ts';
import { fakeVerifier, found } from '../verify/testing/fake-verifier.ts';
import { verifyDefaults } from '../verify/verify-settings.ts';
import { runDefaults } from './run-settings.ts';
import { gatherMs } from './steps/gather-answers.ts';
import { eventsOf, offerOf, only } from './testing/offers.ts';
import { openRig } from './testing/run-rig.ts';

/** Nobody's wait for other answers ends by itself. */
const patient = {
  now: () => systemClock.now(),
  wall: () => systemClock.wall(),
  sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms === gatherMs ? 3_600_000 : ms, signal),
};
const hurried = {
  ...patient,
  sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms === gatherMs ? 1 : ms, signal),
};

/** How many came in each call. */
function batching(sizes: number[], outcome: () => ReturnType<typeof found> = () => found('passed')): Verifier {
  return fakeVerifier('code_linter', undefined, {
    class: 1,
    verifyBatch: async (candidates) => {
      sizes.push(candidates.length);
      return candidates.map(outcome);
    },
  });
}
const verificationOf = (...verifiers: Verifier[]) =>
  openVerification({
    verifiers,
    settings: { ...verifyDefaults, cacheMs: 0 },
    runner: fakeRunner(() => ({})).runner,
    clock: systemClock,
    log: silentLogger,
  });
const five = (_: unknown, call: number) => ({ parts: [`answer ${call % 4}`] });

test('all answers of a run come in one call, equal ones once; each has its own outcome', async () => {
  const sizes: number[] = [];
  await using gateway = new FakeGateway(five);
  await using rig = await openRig({
    gateway,
    parts: { clock: patient, verification: verificationOf(batching(sizes)) },
  });
  const events = await eventsOf(rig.runs, offerOf({ block: { variations: 5 } }));
  expect(sizes).toEqual([4]);
  expect(only(events, 'outcome').map(({ outcome }) => outcome)).toEqual(Array.from({ length: 4 }, () => 'valid'));
  expect(new Set(only(events, 'verdict').map(({ index }) => index)).size).toBe(4);
  expect(only(events, 'result')[0]?.report.status).toBe('valid');
});

test('an answer waits for others a moment only: the rest may take long', async () => {
  const sizes: number[] = [];
  const rest = Promise.withResolvers<void>();
  await using gateway = new FakeGateway((_, call) =>
    call === 0 ? { parts: ['first'] } : { parts: [`${call}`], after: rest.promise },
  );
  const verification = verificationOf(batching(sizes));
  await using rig = await openRig({ gateway, parts: { clock: hurried, verification } });
  const seen: string[] = [];
  for await (const event of rig.runs.submit(offerOf({ block: { variations: 3 } }), new AbortController().signal)) {
    seen.push(event.event);
    if (event.event === 'outcome') rest.resolve();
  }
  expect(seen.at(-1)).toBe('result');
  expect(sizes[0]).toBe(1);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(3);
});

test('of answers that are looked at together, those that are proven by the deadline are given', async () => {
  const slow = fakeVerifier('code_linter', (candidate, { signal }) => {
    if (answerText(candidate) !== 'answer 0') return found('passed');
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    return promise;
  });
  await using gateway = new FakeGateway((_, call) => ({ parts: [`answer ${call}`] }));
  const parts = { clock: patient, verification: verificationOf(slow) };
  await using rig = await openRig({ gateway, parts });
  const events = await eventsOf(rig.runs, offerOf({ block: { variations: 3, max_wait_ms: 5_000 } }));
  const [result] = only(events, 'result');
  expect(result?.report.status).toBe('valid');
  expect(['answer 1', 'answer 2']).toContain(result?.answer?.content as string);
  expect(only(events, 'outcome').map(({ index }) => index)).toHaveLength(2);
}, 30_000);

test('without any verifier an answer is unchecked, and not forgotten', async () => {
  await using gateway = new FakeGateway(() => ({ parts: ['x'] }));
  const parts = { verification: verificationOf(fakeVerifier('code_linter', undefined, { byDefault: false })) };
  await using rig = await openRig({ gateway, parts });
  const events = await eventsOf(rig.runs, offerOf({ block: { variations: 1 } }));
  expect(only(events, 'outcome').map(({ outcome }) => outcome)).toEqual(['unchecked']);
  expect(only(events, 'result')[0]?.report.status).toBe('unchecked');
});

test('of ten answers no more than four are looked at side by side', async () => {
  const state = { now: 0, most: 0 };
  const slow = fakeVerifier('code_linter', async () => {
    state.most = Math.max(state.most, ++state.now);
    await Bun.sleep(5);
    state.now -= 1;
    return found('passed');
  });
  await using gateway = new FakeGateway((_, call) => ({ parts: [`answer ${call}`] }));
  // Early stop looks at each as it comes; none of these is good enough to end the others.
  const settings = { earlyStop: { ...runDefaults.earlyStop, enabled: true, qualityThreshold: 2 } };
  await using rig = await openRig({ gateway, settings, parts: { verification: verificationOf(slow) } });
  const [result] = only(await eventsOf(rig.runs, offerOf({ variationsMost: 10, block: { variations: 10 } })), 'result');
  expect(result?.report.status).toBe('valid');
  expect(state.most).toBeLessThanOrEqual(4);
});
