import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Candidate } from '../../contract/candidate.ts';
import type { CandidateInput } from '../make-candidate.ts';
import { openFake } from '../testing/open-fake.ts';
import { callingCandidate, sampleCandidate } from '../testing/sample-candidate.ts';
import { emptyRunner } from '../testing/sample-result.ts';
import { wasmRunner } from '../testing/wasm-runner.ts';
import { verifyDefaults } from '../verify-settings.ts';
import { toolValidator } from './tool-validator.ts';

const runner = wasmRunner();
async function verdictOf(candidate: Candidate, config?: unknown, on = runner as typeof emptyRunner) {
  const settings = { ...verifyDefaults, verifiers: { tool_validator: { config } } };
  const { verify, options } = openFake([toolValidator], { settings, runner: on });
  const verdict = (await verify([candidate], options))[0]?.results[0];
  if (verdict === undefined) throw new Error('no verdict');
  return verdict;
}

const add = {
  type: 'function',
  function: { name: 'add', parameters: { type: 'object', properties: { a: { type: 'number' } }, required: ['a'] } },
};
const calling = (args: unknown, more: Partial<CandidateInput> = { tools: [add] }) =>
  callingCandidate('add', args, more);

describe('tool calls (V11)', () => {
  test('no call, and no list, are skipped', async () => {
    expect(await verdictOf(sampleCandidate('hi'))).toMatchObject({ status: 'skipped', code: null });
    expect(await verdictOf(calling('{}', {}))).toMatchObject({ status: 'skipped', code: 'NO_TOOL_LIST' });
  });
  test('a known tool with an object passes', async () => {
    expect(await verdictOf(calling('{"a":"x"}'))).toMatchObject({
      status: 'passed',
      grants: ['TOOLS_OK'],
      level: null,
    });
  });
  test.each([
    ['{"a":', 'TOOL_ARGUMENTS_BAD'],
    ['', 'TOOL_ARGUMENTS_BAD'],
    ['[1]', 'TOOL_ARGUMENTS_BAD'],
    ['null', 'TOOL_ARGUMENTS_BAD'],
    ['"x"', 'TOOL_ARGUMENTS_BAD'],
    ['{} {}', 'TOOL_ARGUMENTS_BAD'],
    [`${'{"a":'.repeat(65)}1${'}'.repeat(65)}`, 'NESTED_TOO_DEEP'],
    ['['.repeat(90_000), 'NESTED_TOO_DEEP'],
    [`{"a":"${'x'.repeat(100_000)}"}`, 'ANSWER_TOO_LONG'],
  ])('arguments %.20s fail: %s', async (args, code) => {
    expect(await verdictOf(calling(args))).toMatchObject({ status: 'failed', code });
  });
  test('an unknown tool fails with the nearest name, unless they are allowed', async () => {
    const unknown = callingCandidate('ad', '{}', { tools: [add] });
    expect(await verdictOf(unknown)).toMatchObject({
      status: 'failed',
      code: 'TOOL_UNKNOWN',
      message: 'tool call 1 (ad) names an unknown tool; did you mean add?',
    });
    expect(await verdictOf(unknown, { allow_unknown_tools: true })).toMatchObject({ status: 'passed' });
    expect(await verdictOf(callingCandidate('', '{}', { tools: [add] }), { allow_unknown_tools: true })).toMatchObject({
      code: 'TOOL_NAME_MISSING',
    });
  });
  test('names of prototypes are names of no tool', async () => {
    for (const name of ['constructor', '__proto__', 'toString']) {
      expect(await verdictOf(callingCandidate(name, '{}', { tools: [add] }))).toMatchObject({ code: 'TOOL_UNKNOWN' });
    }
  });
  test('metadata.tools come first, then the request’s, then the settings’', async () => {
    const config = { available_tools: ['c'] };
    const called = async (name: string, more: Partial<CandidateInput>) =>
      (await verdictOf(callingCandidate(name, '{}', more), config)).status;
    const tools = [{ name: 'b' }];
    const metadata = { tools: ['a'] };
    expect(await called('a', { tools, metadata })).toBe('passed');
    expect(await called('b', { tools, metadata })).toBe('failed');
    expect(await called('b', { tools })).toBe('passed');
    expect(await called('c', { tools })).toBe('failed');
    expect(await called('c', {})).toBe('passed');
    expect(await called('c', { tools: [] })).toBe('failed');
  });
});

describe('strict_args', () => {
  const config = { strict_args: true };
  test('arguments meet the tool’s schema, in the sandbox', async () => {
    expect(await verdictOf(calling('{"a":1}'), config)).toMatchObject({ status: 'passed', level: 'SANDBOX_L0_WASM' });
    expect(await verdictOf(calling('{"a":true}'), config)).toMatchObject({
      status: 'failed',
      code: 'TOOL_ARGUMENTS_MISMATCH',
      level: 'SANDBOX_L0_WASM',
    });
  });
  test('a tool without a schema takes any object', async () => {
    expect(await verdictOf(calling('{"a":true}', { tools: ['add'] }), config)).toMatchObject({
      status: 'passed',
      level: null,
    });
  });
  test('without a sandbox it is an error, never a pass', async () => {
    expect(await verdictOf(calling('{"a":1}'), config, emptyRunner)).toMatchObject({
      status: 'error',
      code: 'LEVEL_UNAVAILABLE',
    });
  });
});

test('any call of any form gives a verdict that is no error', async () => {
  const call = fc.oneof(
    fc.anything(),
    fc.record({ name: fc.string(), arguments: fc.oneof(fc.json(), fc.string(), fc.anything()) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 5 }), async (calls) => {
      const verdict = await verdictOf(sampleCandidate({ content: null, tool_calls: calls }, { tools: [add] }));
      expect(['failed', 'passed', 'skipped']).toContain(verdict.status);
    }),
  );
});
