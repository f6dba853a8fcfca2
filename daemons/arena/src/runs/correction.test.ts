import { expect, test } from 'bun:test';
import type { Verdict } from '@labmesh/wire/verification/verdict';
import fc from 'fast-check';
import { FakeGateway } from '../generate/testing/fake-gateway.ts';
import { runDefaults } from './run-settings.ts';
import { textOf } from './steps/report.ts';
import { answerTurn, failuresOf, feedbackMessage } from './steps/feedback.ts';
import { eventsOf, offerOf, only } from './testing/offers.ts';
import { openRig } from './testing/run-rig.ts';

const always = { correction: { ...runDefaults.correction, when: 'always' as const } };

test('AR7: an invalid answer is told what failed, in a user message, at 0.3, and verified from zero', async () => {
  await using gateway = new FakeGateway((request) => ({
    parts: [request.messages.length > 1 ? 'good now' : 'BAD idea'],
  }));
  await using rig = await openRig({ gateway });
  const events = await eventsOf(rig.runs, offerOf({ block: { variations: 1 } }));
  expect(only(events, 'result')[0]).toMatchObject({ answer: { content: 'good now' }, report: { status: 'valid' } });
  expect(only(events, 'correction').map(({ attempt, status }) => [attempt, status])).toEqual([
    [1, 'pending'],
    [1, 'in_progress'],
    [1, 'success'],
  ]);
  const asked = gateway.heard[1]?.request;
  expect(asked?.temperature).toBe(0.3);
  expect(asked?.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
  expect(asked?.messages[2]?.content).toContain('[code_linter]\n- no good: BAD idea');
  const [candidate] = rig.finished[0]?.candidates ?? [];
  expect(candidate?.original?.aggregate.outcome).toBe('invalid');
  expect(candidate?.corrections).toMatchObject([{ attempt: 1, failures: ['code_linter'], success: true }]);
  expect(candidate?.final?.answer.content).toBe('good now');
});

test('attempts end at their number; a failed call is an attempt; a chain keeps every step', async () => {
  await using gateway = new FakeGateway((request, call) => {
    if (request.messages.length === 1) return { parts: ['BAD'] };
    return call === 1 ? { status: 500, body: '{}' } : { parts: [`BAD ${call}`] };
  });
  await using rig = await openRig({ gateway });
  const events = await eventsOf(rig.runs, offerOf({ block: { variations: 1, correction: 3 } }));
  expect(only(events, 'correction').map(({ attempt, status }) => `${attempt} ${status}`)).toEqual([
    '1 pending',
    '1 in_progress',
    '1 failed',
    '2 in_progress',
    '2 failed',
    '3 in_progress',
    '3 failed',
    '3 max_attempts',
  ]);
  expect(only(events, 'result')[0]?.report.status).toBe('invalid');
  expect(rig.finished[0]?.candidates[0]?.corrections.map(({ result }) => result?.answer.content ?? null)).toEqual([
    null,
    'BAD 2',
    'BAD 3',
  ]);
});

test('V4: errors are never corrected; a valid sibling makes correction needless unless it is asked for', async () => {
  await using gateway = new FakeGateway((request) =>
    request.messages.length > 1 ? { parts: ['good'] } : { parts: [(request.temperature ?? 0) < 0.5 ? 'good' : 'BAD'] },
  );
  const calls = async (settings: Parameters<typeof openRig>[0]['settings'], correction?: boolean | number) => {
    await using rig = await openRig({ gateway, ...(settings && { settings }) });
    gateway.heard.length = 0;
    await eventsOf(rig.runs, offerOf({ block: { variations: 2, ...(correction !== undefined && { correction }) } }));
    return gateway.heard.length;
  };
  expect(await calls(undefined)).toBe(2);
  expect(await calls(always)).toBe(3);
  expect(await calls(undefined, true)).toBe(3);
  expect(await calls(always, false)).toBe(2);
  gateway.script = () => ({ parts: ['ERR'] });
  expect(await calls(always)).toBe(2);
});

const verdict = (pluginName: string, message: string, details: Record<string, unknown>): Verdict => ({
  status: 'failed',
  pluginName,
  version: '1',
  digest: 'd',
  message,
  details,
  scoreModifier: 0,
  hard: true,
  level: null,
  durationMs: 1,
  evidenceSha256: null,
  code: null,
});
const aggregate = (results: Verdict[]) => ({
  results,
  allPassed: false,
  anyHardFailure: true,
  combinedScoreModifier: 0,
  failureMessages: [],
  outcome: 'invalid' as const,
});

test('V20: of a verifier that runs hidden cases nothing but its message is told', () => {
  const hidden = { errors: ['HIDDEN 41'], cases: [{ args: ['HIDDEN'], expect: 'HIDDEN' }], stderr: 'HIDDEN' };
  const failures = failuresOf(aggregate([verdict('runtime_verifier', '2 of 5 hidden cases hold', hidden)]));
  for (const format of ['structured', 'natural', 'minimal'] as const) {
    const text = textOf(feedbackMessage(failures, format));
    expect([text.includes('HIDDEN'), text.includes('2 of 5')]).toEqual([false, true]);
  }
});

test('a program that failed with no case at hand is told its last words', () => {
  const stderr = "Traceback:\n  File x\nNameError: name 'y' is not defined\n\n";
  const [failure] = failuresOf(aggregate([verdict('runtime_verifier', 'it ended with 1', { grade: 'run', stderr })]));
  expect(failure?.errors).toEqual(['it ended with 1', "NameError: name 'y' is not defined"]);
});

test('three errors a verifier, each on one line and short, whatever an answer put into them', () => {
  const errors = fc.array(fc.oneof(fc.string(), fc.record({ message: fc.string(), line: fc.nat() }), fc.anything()));
  fc.assert(
    fc.property(errors, fc.string(), (list, message) => {
      const [failure] = failuresOf(aggregate([verdict('json_schema', message, { errors: list })]));
      expect(failure?.errors.length).toBeLessThanOrEqual(3);
      for (const text of failure?.errors ?? []) {
        expect(/[\n\r\u0000]/.test(text) || text.length > 500 || !text.isWellFormed()).toBe(false);
      }
    }),
  );
});

test('BG3: an answer with tool calls is told as text, since no tool has answered it', () => {
  const turn = answerTurn({
    role: 'assistant',
    content: null,
    tool_calls: [{ id: 'c', type: 'function', function: { name: 'rm', arguments: '{"path":"/"}' } }],
  });
  expect(turn).toEqual({ role: 'assistant', content: '{"name":"rm","arguments":"{\\"path\\":\\"/\\"}"}' });
});
