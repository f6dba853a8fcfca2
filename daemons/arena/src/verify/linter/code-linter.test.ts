import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, describe, expect, test } from 'bun:test';
import type { SandboxRunner } from '@labmesh/wire/verification/sandbox';
import { makeCandidate } from '../make-candidate.ts';
import { fakeRunner, stdinOf } from '../testing/fake-runner.ts';
import { closeTestRunner, sandboxMissing, testRunner } from '../testing/test-runner.ts';
import { codeLinter } from './code-linter.ts';

afterAll(closeTestRunner);

const signal = new AbortController().signal;
const candidate = (answer: string, metadata = {}) => makeCandidate({ messages: [], answer, metadata });
const block = (language: string, code: string) => `\`\`\`${language}\n${code}\n\`\`\`\n`;

type Options = { config?: object; runner?: SandboxRunner; metadata?: Record<string, unknown> };
async function lint(answers: readonly string[], { config = {}, runner = testRunner, metadata = {} }: Options = {}) {
  const context = { config: codeLinter.configSchema.parse(config), runner, suite: undefined, signal };
  return (
    (await codeLinter.verifyBatch?.(
      answers.map((one) => candidate(one, metadata)),
      context,
    )) ?? []
  );
}
const one = async (answer: string, options?: Options) => (await lint([answer], options))[0];

describe.skipIf(sandboxMissing !== undefined)(`code_linter ${sandboxMissing ?? ''}`, () => {
  const good: [string, string][] = [
    ['python', 'def undefined_x():\n    return not_there\n'],
    ['python', 'async def f(*, a: int = 1) -> list[int]:\n    match a:\n        case 1: return [x async for x in y]\n'],
    ['py', 'print("```")'],
    ['js', 'export const f = async (a) => a?.b ?? `x${a}`;'],
    ['node', "const x = require('fs'); module.exports = { x };"],
    ['jsx', 'const a = <b c={1}>d</b>;'],
    ['ts', 'type A<T> = { [K in keyof T]?: T[K] };\nexport const f = <T,>(x: T): A<T> => x satisfies T;'],
    ['tsx', 'const a = <B<number> c={1} />;'],
    ['json', '{"a": [1, 2.5e3, null, "\\u20ac"]}'],
    ['yaml', 'a: &x [1]\nb: *x\n---\n- c: |\n    text\n'],
    ['toml', '[a]\nb = 1979-05-27T07:32:00Z\n[[c]]\nd = """x\ny"""\n'],
    ['bash', 'for f in *.txt; do\n  [[ -f $f ]] && echo "it\'s ${f%%.*}"\ndone\ncat <<EOF\nx\nEOF\n'],
  ];
  test.each(good)('%s parses', async (language, code) => {
    const finding = await one(block(language, code));
    expect(finding).toMatchObject({ status: 'passed', grants: ['SYNTAX_OK'], level: 'SANDBOX_L1_NAMESPACE' });
  });

  const bad: [string, string][] = [
    ['python', 'def f(:\n    pass'],
    ['python', 'x = 1\n  y = 2'],
    ['python', 'print "x"'],
    ['python', 'a\0b'],
    ['js', 'let a = ;'],
    ['js', 'const x: number = 1;'],
    ['js', 'const a = 1; const a = 2;'],
    ['ts', 'function f( {'],
    ['json', '{"a": 1,}'],
    ['json', "{'a': NaN}"],
    ['yaml', 'a: [1, 2'],
    ['toml', 'a = '],
    ['bash', 'if true; then\n  echo'],
    ['bash', 'echo "x'],
  ];
  test.each(bad)('%s does not: %s', async (language, code) => {
    const finding = await one(`Text.\n${block('text', 'no code')}${block(language, code)}`);
    expect(finding).toMatchObject({ status: 'failed', code: 'SYNTAX_ERROR', details: { block_index: 1 } });
    expect(String(finding?.details['code_preview']).length).toBeLessThanOrEqual(100);
    expect(String(finding?.details['error']).length).toBeGreaterThan(3);
    expect(finding?.grants).toBeUndefined();
  });

  test('one process for all candidates and a language; each has its own finding', async () => {
    testRunner.sent.length = 0;
    const findings = await lint([
      block('python', 'x = 1'),
      block('python', 'x ='),
      'no code',
      block('python', 'y = 2') + block('bash', 'fi'),
      block('python', 'z = 3'),
    ]);
    expect(findings.map(({ status }) => status)).toEqual(['passed', 'failed', 'skipped', 'failed', 'passed']);
    expect(testRunner.sent).toHaveLength(2);
  });

  test('what kills or exhausts a parser is at fault itself, the others are not', async () => {
    const bombs = [
      block('python', '('.repeat(60_000)),
      block('python', `x = ${'-'.repeat(90_000)}1`),
      block('js', '('.repeat(90_000)),
      block('json', '['.repeat(90_000)),
      block('yaml', '['.repeat(90_000)),
      block('bash', '$('.repeat(40_000)),
      block('yaml', `a: &a [x]\n${Array.from({ length: 40 }, (_, at) => `b${at}: &b${at} [*a, *a]`).join('\n')}`),
    ];
    const findings = await lint([
      ...bombs,
      block('python', 'x = 1') + block('js', '1') + block('yaml', 'a: 1') + block('bash', ':'),
    ]);
    const statuses: string[] = findings.map(({ status }) => status);
    expect(statuses).toEqual([...Array.from({ length: 6 }, () => 'failed'), 'passed', 'passed']);
  }, 60_000);

  test('imports: others than those expected halve the score, in strict mode they fail', async () => {
    const code =
      block('python', 'import os, json\nfrom numpy.linalg import norm\nfrom . import x') +
      block('js', "import a from 'left-pad';");
    expect(await one(code)).toMatchObject({ status: 'passed' });
    const config = { check_imports: ['os', 'json'] };
    expect(await one(code, { config })).toMatchObject({
      status: 'passed',
      scoreModifier: 0.5,
      details: { other_imports: ['left-pad', 'numpy'] },
    });
    expect(await one(code, { config: { ...config, strict_mode: true } })).toMatchObject({
      status: 'failed',
      code: 'OTHER_IMPORTS',
    });
    const warned = block('python', "x = '\\d'");
    expect((await one(warned))?.status).toBe('passed');
    expect((await one(warned, { config: { strict_mode: true } }))?.status).toBe('failed');
  });

  test('untagged code is what metadata.language says; a language nobody parses here takes the claim away', async () => {
    expect(await one('```\nx =\n```')).toMatchObject({ status: 'skipped' });
    expect(await one('```\nx =\n```', { metadata: { language: 'python' } })).toMatchObject({ status: 'failed' });
    expect(await one(' def f(a):\n    return a\n', { metadata: { language: 'python' } })).toMatchObject({
      status: 'passed',
    });
    const mixed = await one(block('python', 'x = 1') + block('rust', 'fn') + block('text', 'x'));
    expect(mixed).toMatchObject({ status: 'passed', grants: [], details: { unchecked: ['rust'] } });
  });
});

describe('of the runner', () => {
  const python = block('python', 'x = 1');
  test('an error is an error', async () => {
    const { runner } = fakeRunner(() => ({
      exit: 'refused',
      level: null,
      error: { code: 'LEVEL_UNAVAILABLE', message: '' },
    }));
    expect(await one(python, { runner })).toMatchObject({ status: 'error', code: 'LEVEL_UNAVAILABLE' });
    const silent = fakeRunner(() => ({ exit: 'nonzero', code: 127 })).runner;
    expect(await one(python, { runner: silent })).toMatchObject({ status: 'error', code: 'TOOL_MISSING' });
    const away = { ...runner, run: () => Promise.reject(new Error('away')) };
    expect(await thrower(one(python, { runner: away }))).toThrow('away');
  });

  test('a parser that dies is asked about its block alone, once, and goes on with the others', async () => {
    const asked: string[][] = [];
    const { runner } = fakeRunner((job) => {
      const { blocks } = JSON.parse(stdinOf(job)) as { blocks: { code: string }[] };
      asked.push(blocks.map(({ code }) => code.trim()));
      const lines = ['{"ready":true}'];
      for (const { code } of blocks) {
        if (code.startsWith('bomb') || (code.startsWith('slow') && blocks.length > 1)) break;
        lines.push('{"error":null,"imports":[]}');
      }
      return { exit: lines.length > blocks.length ? 'ok' : 'signal', stdout: `${lines.join('\n')}\n` };
    });
    const code = (...lines: string[]) => lines.map((line) => block('python', line)).join('');
    const findings = await lint([code('a'), code('bomb', 'never'), code('slow'), code('b')], { runner });
    expect(findings.map(({ status }) => status)).toEqual(['passed', 'failed', 'passed', 'passed']);
    expect(asked).toEqual([['a', 'bomb', 'never', 'slow', 'b'], ['bomb'], ['slow', 'b'], ['slow'], ['b']]);
  });

  test('a script with the NUL that parts scripts is refused, and shifts no record of another answer', async () => {
    const { runner, sent } = fakeRunner((job) => {
      const records = stdinOf(job)
        .split('\0')
        .slice(0, -1)
        .map((code) => (code.includes('then') ? '2\0syntax error\0' : '0\0\0'));
      return { stdout: `ready\0${records.join('')}` };
    });
    const metadata = { language: 'bash' };
    const statuses = async (...answers: string[]) =>
      (await lint(answers, { runner, metadata })).map(({ status }) => status);
    expect(await statuses('echo ok\0if then', 'echo fine')).toEqual(['failed', 'passed']);
    expect(await statuses('if then', 'echo fine')).toEqual(['failed', 'passed']);
    expect(sent).toHaveLength(2);
    expect(await statuses('\0')).toEqual(['failed']);
    expect(sent).toHaveLength(2);
  });

  test('records beyond the blocks are an error for all: nobody knows whose they are', async () => {
    const stdout = '{"ready":true}\n{"error":null}\n{"error":"x"}\n{"error":null}\n';
    const { runner } = fakeRunner(() => ({ stdout }));
    const confused = { status: 'error', code: 'LINT_CONFUSED' };
    expect(await lint([python, python], { runner })).toMatchObject([confused, confused]);
  });

  test('broken records and other text are not taken', async () => {
    for (const line of ['{"error":7}', 'PASS', '{"error":null', '[]']) {
      const { runner } = fakeRunner(() => ({ stdout: `{"ready":true}\n${line}\n` }));
      expect(await one(python, { runner })).toMatchObject({ status: 'failed' });
    }
  });

  test('an answer beyond the limits fails, and no other with it', async () => {
    const many = Array.from({ length: 65 }, () => block('python', 'x')).join('');
    const { runner } = fakeRunner(() => ({ stdout: '{"ready":true}\n{"error":null}\n' }));
    expect(await lint([many, python], { runner })).toMatchObject([
      { status: 'failed', code: 'TOO_MANY_BLOCKS' },
      { status: 'passed' },
    ]);
  });
});
