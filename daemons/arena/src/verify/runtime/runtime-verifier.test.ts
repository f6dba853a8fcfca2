import { thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { type SandboxJobInput, sandboxExits } from '@labmesh/wire/verification/sandbox';
import { asSuite, suiteBytes } from '../../suites/parse-suite.ts';
import { denyListNotes } from '../programs/deny-list.ts';
import { shuffled } from '../cases/hidden-cases.ts';
import { checkAnswer, checkCode, fenced } from '../testing/check-code.ts';
import { answering, fakeRunner, stdinOf } from '../testing/fake-runner.ts';
import { honestPython } from '../testing/honest-python.ts';

const python = 'def f(x):\n    return x\n';
const suiteOf = (cases: readonly { args: unknown[]; expect: unknown; visible?: boolean }[], language = 'python') =>
  asSuite({ id: 's', language, entry: 'f', cases });
const three = suiteOf([
  { args: [1], expect: 1, visible: true },
  { args: ['hidden-input-a'], expect: 'hidden-result-a' },
  { args: ['hidden-input-b'], expect: 'hidden-result-b' },
]);
const right = (args: readonly unknown[]) =>
  typeof args[0] === 'string' ? args[0].replace('input', 'result') : args[0];
const whole = (job: SandboxJobInput) =>
  [
    JSON.stringify(job),
    stdinOf(job),
    ...(job.files ?? []).map((one) => Buffer.from(one.content, 'base64').toString()),
  ].join('\n');

describe('what is sent', () => {
  test('holds no expected value, and one input a job (verification V20, AC3)', async () => {
    // Values that occur nowhere else, in every form there is.
    const secrets: [unknown, string][] = [
      ['mombasa-result', 'mombasa-result'],
      [778_899_112_233, '778899112233'],
      [-0.123_987_456_1, '0.1239874561'],
      [{ nairobi: [31_337_271] }, 'nairobi'],
      [[['kisumu', 918_273_645]], '918273645'],
      [{ $i: '998877665544332211' }, '998877665544332211'],
    ];
    const cases = secrets.map(([expected], at) => ({
      args: [`input-${at}-of-six`],
      expect: expected,
      visible: at === 0,
    }));
    for (const language of ['python', 'javascript', 'typescript', 'bash']) {
      const suite = suiteOf(cases, language);
      const { runner, sent } = answering((args) => secrets[Number(String(args[0]).split('-')[1])]?.[0]);
      const finding = await checkCode(language, language === 'python' ? python : 'f=1', { suite, runner });
      expect(finding.status).toBe(language === 'bash' ? 'failed' : 'passed');
      const digest = Buffer.from(suiteBytes(suite)).toString();
      for (const job of sent) {
        const text = whole(job);
        for (const [, secret] of secrets) {
          expect(text).not.toContain(secret);
          expect(text).not.toContain(Buffer.from(secret).toString('base64').replace(/=+$/, ''));
        }
        expect(text).not.toContain(digest.slice(0, 40));
        expect(
          (text.match(/input-\d-of-six/g) ?? []).filter((one, at, all) => all.indexOf(one) === at).length,
        ).toBeLessThan(2);
      }
    }
  });

  test('gives every case a nonce of its own, in an order of its own, and asks for L1', async () => {
    const cases = Array.from({ length: 40 }, (_, at) => ({ args: [at], expect: at }));
    const { runner, sent } = answering((args) => args[0]);
    expect(await checkCode('python', python, { suite: suiteOf(cases), runner })).toMatchObject({ status: 'passed' });
    const tasks = sent
      .filter((job) => stdinOf(job) !== '')
      .map((job) => JSON.parse(stdinOf(job)) as { nonce: string; args: number[] });
    expect(new Set(tasks.map(({ nonce }) => nonce)).size).toBe(40);
    const order = tasks.map(({ args }) => args[0]);
    expect(order).not.toEqual(cases.map(({ args }) => args[0]));
    expect(order.toSorted((a = 0, b = 0) => a - b)).toEqual(cases.map(({ args }) => args[0]));
    expect(new Set(sent.map(({ minLevel }) => minLevel))).toEqual(new Set(['SANDBOX_L1_NAMESPACE']));
    expect(sent[0]?.limits).toEqual({
      wallMs: 30_000,
      cpuMs: 30_000,
      memoryBytes: 512 * 1024 * 1024,
      outputBytes: 1024 * 1024,
    });
  });

  test('an order is a permutation', () => {
    expect(shuffled(100).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, at) => at));
    expect(shuffled(0)).toEqual([]);
  });
});

describe('exits', () => {
  const ours = ['refused', 'sandbox_error'];
  const limits = ['wall', 'cpu', 'oom', 'pids', 'output', 'disk'];
  test.each(sandboxExits.map((exit) => [exit] as const))('%s: whose fault it is', async (exit) => {
    const error = ours.includes(exit) ? { code: 'POOL_EXHAUSTED', message: 'full' } : null;
    const told = answering(right);
    // A right answer comes with it: only a program that ended by itself may have it counted.
    const { runner } = fakeRunner(async (job) => {
      const result = await told.runner.run(job);
      return { exit, error, code: exit === 'ok' ? 0 : null, stdout: Buffer.from(result.stdout, 'base64').toString() };
    });
    const io = await checkCode('python', python, { suite: three, runner });
    const run = await checkCode('python', python, { runner });
    if (ours.includes(exit)) {
      for (const finding of [io, run]) expect(finding).toMatchObject({ status: 'error', code: 'POOL_EXHAUSTED' });
    } else if (limits.includes(exit)) {
      for (const finding of [io, run]) expect(finding).toMatchObject({ status: 'failed' });
      expect(io.code).toMatch(/_LIMIT$/);
    } else {
      // No verdict from an exit code where cases decide.
      expect(io.status).toBe('passed');
      expect(io.grants?.includes('EXECUTED_EXIT_0')).toBe(exit === 'ok');
      expect(run.status).toBe(exit === 'ok' ? 'passed' : 'failed');
    }
  });

  test('an executor that is killed on the way, or gone, is an error and no verdict', async () => {
    for (const dieAt of [0, 1, 2]) {
      let calls = 0;
      const told = answering(right);
      const runner = {
        ...told.runner,
        run: async (job: SandboxJobInput, signal?: AbortSignal) => {
          if (calls++ === dieAt) throw new Error('the executor is away');
          return told.runner.run(job, signal);
        },
      };
      expect(await thrower(checkCode('python', python, { suite: three, runner }))).toThrow('away');
    }
  });

  test('a program does not fail where its interpreter is not', async () => {
    const { runner } = fakeRunner(() => ({ exit: 'nonzero', code: 1 }));
    const report = { level: 'SANDBOX_L1_NAMESPACE', ready: true, backend: 'b', version: '1', platform: 'p' } as const;
    const tools = (tools: Record<string, string>) => ({
      ...runner,
      levels: () => Promise.resolve([{ ...report, uidIsolated: true, cgroup: 'v2' as const, reason: null, tools }]),
    });
    for (const options of [{}, { suite: three }]) {
      const without = await checkCode('python', python, { ...options, runner: tools({ bash: '5' }) });
      expect(without).toMatchObject({ status: 'error', code: 'TOOL_MISSING' });
      const along = await checkCode('python', python, { ...options, runner: tools({ python: '3' }) });
      expect(along).toMatchObject({ status: 'failed' });
    }
  });

  test('all cases together have a limit, of what they took and not of what they waited', async () => {
    const told = answering((args) => args[0]);
    const { runner } = fakeRunner(async (job) => {
      const result = await told.runner.run(job);
      const usage = { wallMs: 30_000, cpuMs: 1, maxRssBytes: 1 };
      return { usage, stdout: Buffer.from(result.stdout, 'base64').toString() };
    });
    const cases = Array.from({ length: 5 }, (_, at) => ({ args: [at], expect: at }));
    expect(await checkCode('python', python, { suite: suiteOf(cases.slice(1)), runner })).toMatchObject({
      status: 'passed',
    });
    expect(await checkCode('python', python, { suite: suiteOf(cases), runner })).toMatchObject({
      status: 'failed',
      code: 'TIME_LIMIT',
    });
  });

  test('a level below the one asked for is not believed', async () => {
    for (const level of ['SANDBOX_L0_WASM', null] as const) {
      const { runner } = fakeRunner(() => ({ level }));
      expect(await checkCode('python', python, { runner })).toMatchObject({
        status: 'error',
        code: 'LEVEL_UNAVAILABLE',
      });
      expect(await checkCode('python', python, { runner, suite: three })).toMatchObject({ status: 'error' });
    }
  });

  test('the lowest level of all jobs is told', async () => {
    const told = answering(right);
    const { runner } = fakeRunner(async (job) => {
      const result = await told.runner.run(job);
      const level = stdinOf(job).includes('hidden') ? 'SANDBOX_L2_USERKERNEL' : 'SANDBOX_L3_VM_EMULATED';
      return { level, stdout: Buffer.from(result.stdout, 'base64').toString() };
    });
    expect(await checkCode('python', python, { suite: three, runner })).toMatchObject({
      level: 'SANDBOX_L2_USERKERNEL',
    });
  });

  test('a run that is aborted rejects', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    expect(
      await thrower(checkCode('python', python, { suite: three, runner: answering(right).runner, signal })),
    ).toThrow('enough');
  });
});

describe('what is told', () => {
  test('of a hidden case: that it failed, and no word of input, output or error', async () => {
    const { runner } = fakeRunner((job) => {
      const { nonce, args } = JSON.parse(stdinOf(job)) as { nonce: string; args: unknown[] };
      if (args[0] === 1) return { stdout: `${nonce} {"value":1}\n` };
      return {
        stdout: `${nonce} ${JSON.stringify({ fault: 'raised', text: `E: ${String(args[0])}` })}\n`,
        stderr: String(args[0]),
      };
    });
    const finding = await checkCode('python', python, { suite: three, runner });
    expect(finding).toMatchObject({
      status: 'failed',
      code: 'EXCEPTION',
      message: 'a hidden case: the function raises an exception',
    });
    expect(JSON.stringify(finding)).not.toContain('hidden-');
  });

  test('of a visible case: what it is and what the program said', async () => {
    const { runner } = fakeRunner((job) => {
      const { nonce, args } = JSON.parse(stdinOf(job)) as { nonce: string; args: unknown[] };
      if (args[0] !== 1) return { stdout: `${nonce} {"value":${JSON.stringify(right(args))}}\n` };
      return { stdout: `${nonce} {"fault":"raised","text":"ValueError: no"}\n` };
    });
    const finding = await checkCode('python', python, { suite: three, runner, config: { parallel_cases: 1 } });
    const failed = { hidden: false, case: 0, why: 'the function raises an exception', args: [1], expect: 1 };
    expect(finding.details['failed']).toEqual({ ...failed, error: 'ValueError: no' });
  });

  test('the first case that does not hold ends the run', async () => {
    const cases = Array.from({ length: 100 }, (_, at) => ({ args: [at], expect: at }));
    const { runner, sent } = answering(() => 'no');
    await checkCode('python', python, { suite: suiteOf(cases), runner });
    expect(sent.length).toBeLessThanOrEqual(4);
  });

  test('the evidence of a pass is the same each time, and another for another suite', async () => {
    const evidence = async (suite = three) =>
      (await checkCode('python', python, { suite, runner: answering(right).runner })).evidenceSha256;
    expect(await evidence()).toBe(await evidence());
    const others = three.cases.map((one, at) =>
      at === 2 ? { ...one, args: ['hidden-input-c'], expect: 'hidden-result-c' } : one,
    );
    expect(await evidence({ ...three, cases: others })).not.toBe(await evidence());
  });

  test('an execution as certificates show it', async () => {
    const { details } = await checkCode('python', python, { suite: three, runner: answering(right).runner });
    expect(details['execution']).toMatchObject({ exit_code: 0, tests_passed: 3, tests_total: 3 });
    expect(details['limits']).toEqual({ wall_s: 30, memory_mb: 512, output_bytes: 1_048_576 });
    const two = await checkAnswer(fenced('python', 'x=1') + fenced('js', '1'), {
      runner: fakeRunner(() => ({})).runner,
    });
    expect(two.details['execution']).toMatchObject({
      exit_code: 0,
      code_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });
});

describe('programs', () => {
  const { runner } = fakeRunner(() => ({}));
  test('an answer without code is skipped, unless a suite asks for code', async () => {
    expect(await checkAnswer('I cannot.', { runner })).toMatchObject({ status: 'skipped', code: 'NO_CODE' });
    expect(await checkCode('rust', 'fn main() {}', { runner })).toMatchObject({ status: 'skipped' });
    expect(await checkCode('bash', 'true', { runner, suite: three })).toMatchObject({
      status: 'failed',
      code: 'NO_CODE',
    });
    expect(await checkAnswer('```\nx\n```', { runner })).toMatchObject({ status: 'skipped' });
    expect(await checkAnswer('```\nx = 1\n```', { runner, metadata: { language: 'python' } })).toMatchObject({
      status: 'passed',
    });
  });

  test('each language is a program of its own, and the first that fails is told', async () => {
    const answer = fenced('python', 'x = 1') + fenced('sh', 'exit 3') + fenced('js', '1');
    const { runner, sent } = fakeRunner((job) =>
      job.argv?.[0] === '/bin/bash' ? { exit: 'nonzero', code: 3, stderr: 'no such thing' } : {},
    );
    const finding = await checkAnswer(answer, { runner });
    expect(finding).toMatchObject({ status: 'failed', code: 'EXIT_NONZERO', message: 'it ended with exit code 3' });
    expect(finding.details).toMatchObject({ blocks: [1], stderr: 'no such thing' });
    expect(sent).toHaveLength(3);
  });

  test('the deny-list is a note and nothing else', async () => {
    const code = 'import os\nos.system("rm -rf /")\nmodel.eval()\nopen("x", "w")\n';
    const finding = await checkCode('python', code, { runner });
    expect(finding.status).toBe('passed');
    const rules = [
      { rule: 'os.system', line: 2 },
      { rule: 'rm -rf', line: 2 },
      { rule: 'file_write', line: 4 },
    ];
    expect(finding.details['lint']).toEqual(rules);
    expect(denyListNotes('bash', 'dd if=/dev/zero\nmkfs.ext4 x\neval "$x"').map(({ rule }) => rule)).toEqual([
      'dd',
      'mkfs',
      'eval',
    ]);
    expect(denyListNotes('python', 'exec("")\n'.repeat(100))).toHaveLength(50);
  });
});

describe('its own tests', () => {
  const withTests = `${python}\ndef test_f():\n    assert f(1) == 1\n`;
  const counting = (passed: number, total: number) =>
    fakeRunner((job) => {
      const nonce = stdinOf(job);
      return nonce === ''
        ? {}
        : { stdout: `${nonce} {"value":{"tool":"unittest","passed":${passed},"total":${total}}}\n` };
    }).runner;
  const check = (runner: ReturnType<typeof counting>, config = {}, code = withTests) =>
    checkCode('python', code, { runner, config });

  test('are granted when all pass, and never stand for correctness', async () => {
    expect(await check(counting(2, 2))).toMatchObject({
      status: 'passed',
      grants: ['EXECUTED_EXIT_0', 'SELF_TESTS_PASSED'],
    });
    expect(await check(counting(1, 2))).toMatchObject({ status: 'passed', grants: ['EXECUTED_EXIT_0'] });
    expect(await check(counting(3, 2))).toMatchObject({ status: 'passed', grants: ['EXECUTED_EXIT_0'] });
    expect(await check(counting(0, 0))).toMatchObject({ status: 'passed', grants: ['EXECUTED_EXIT_0'] });
  });

  test('min_test_coverage is a share that has to pass, require_tests wants some', async () => {
    expect(await check(counting(1, 2), { min_test_coverage: 0.5 })).toMatchObject({ status: 'passed' });
    expect(await check(counting(1, 2), { min_test_coverage: 0.6 })).toMatchObject({
      status: 'failed',
      code: 'TESTS_FAILED',
    });
    expect(await check(counting(0, 0), { require_tests: true })).toMatchObject({ status: 'failed' });
    expect(await check(counting(1, 1), { require_tests: true }, python)).toMatchObject({
      status: 'failed',
      code: 'TESTS_MISSING',
    });
  });

  test('that could not be run are an error only where they are wanted', async () => {
    const { runner } = fakeRunner((job) =>
      stdinOf(job) === '' ? {} : { exit: 'refused', error: { code: 'POOL_EXHAUSTED', message: '' } },
    );
    expect(await check(runner)).toMatchObject({ status: 'passed', details: { self_tests: 'POOL_EXHAUSTED' } });
    expect(await check(runner, { require_tests: true })).toMatchObject({
      status: 'error',
      code: 'POOL_EXHAUSTED',
      grants: [],
    });
  });
});

test('the corpus of honest tasks has an example of every kind of result', () => {
  const all = JSON.stringify(honestPython);
  for (const form of ['$f', '$i', '$set', 'null', 'true']) expect(all).toContain(form);
});
