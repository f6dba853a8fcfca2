import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wasmRunner } from '@labmesh/arena/verify/testing/wasm-runner';
import { Executor } from '@labmesh/executor/executor';
import { readSandboxSettings } from '@labmesh/executor/sandbox-settings';
import { serveExecutor } from '@labmesh/executor/serve-executor';
import { silentLogger } from '@labmesh/kit/log';
import type { SandboxJob } from '@labmesh/wire/verification/sandbox';
import type { Aggregate } from '@labmesh/wire/verification/verdict';
import { dispatch } from '../../dispatch.ts';
import { expectGolden } from '../../testing/golden.ts';
import { testWorld } from '../../testing/test-world.ts';

const root = mkdtempSync(join(tmpdir(), 'labctl-verify-'));
const at = (name: string) => join(root, name);
const write = (name: string, content: unknown) => {
  writeFileSync(at(name), typeof content === 'string' ? content : JSON.stringify(content));
  return at(name);
};
const socket = at('run/x.sock');
const away = at('none.sock');
const schema = write('schema.json', { type: 'object', properties: { a: { type: 'number' } } });
const tools = write('tools.json', [{ type: 'function', function: { name: 'add' } }]);

let stop: () => PromiseLike<void>;
beforeAll(async () => {
  const { run, levels } = wasmRunner();
  const reports = await levels();
  const sandbox = {
    levels: () => reports,
    run: (job: SandboxJob, _id: string, signal?: AbortSignal) => run(job, signal),
    [Symbol.asyncDispose]: async () => {},
  };
  const settings = { ...readSandboxSettings(undefined), minLevel: 'L0' as const };
  const server = await serveExecutor(socket, new Executor({ sandbox, settings, log: silentLogger }), silentLogger);
  stop = () => server[Symbol.asyncDispose]();
});
afterAll(async () => {
  await stop();
  rmSync(root, { recursive: true });
});

async function labctl(words: readonly string[], changes: Parameters<typeof testWorld>[0] = {}) {
  const world = testWorld(changes);
  const exitCode = await dispatch(['verify', ...words], world);
  return { exitCode, ...world.said };
}
const only = (...names: string[]) => names.flatMap((name) => ['--verifier', name]);
const text = ['--socket', socket, ...only('safety_filter', 'tool_validator', 'json_schema')];

describe('exit codes (V23)', () => {
  test('0 valid', async () => {
    const { exitCode, stdout } = await labctl([
      write('ok.md', 'Here: {"a":1}\n\n```json\n{"a": 1}\n```\n'),
      '--schema',
      schema,
      ...text,
    ]);
    expect(exitCode).toBe(0);
    expectGolden(join(import.meta.dir, 'testdata', 'answer-valid.golden.txt'), stdout.replaceAll(/\d+ ms/g, '0 ms'));
  });
  test('1 invalid, with block and line', async () => {
    const file = write('bad.md', 'Two:\n\n```json\n{"a": 1}\n```\n\n```json\n{"a": true}\n```\n');
    const { exitCode, stdout } = await labctl([file, '--schema', schema, ...text]);
    expect(exitCode).toBe(1);
    expectGolden(join(import.meta.dir, 'testdata', 'answer-invalid.golden.txt'), stdout.replaceAll(/\d+ ms/g, '0 ms'));
  });
  test('3 when the executor is away: code that is not run is no verdict', async () => {
    const file = write('code.md', '```python\nprint(1)\n```\n');
    const { exitCode, stdout } = await labctl([file, '--socket', away]);
    expect(exitCode).toBe(3);
    expect(stdout).toContain('INCONCLUSIVE');
    expect(stdout).toContain('(EXECUTOR_AWAY)');
  });
  test('4 when nothing was there to check', async () => {
    const { exitCode, stdout } = await labctl([write('p.txt', 'hello'), ...only('json_schema'), '--socket', socket]);
    expect([exitCode, stdout.startsWith('UNCHECKED')]).toEqual([4, true]);
  });
  test.each<[string, () => string[], string]>([
    ['no file', () => [], 'the answer: no file was named'],
    ['a file that is not there', () => [at('none')], 'cannot be read (ENOENT)'],
    ['a verifier that is none', () => [at('p.txt'), '--verifier', 'json_schma'], 'did you mean json_schema?'],
    ['a schema that is no JSON', () => [at('p.txt'), '--schema', at('p.txt')], '--schema: '],
    ['tools that are no list', () => [at('p.txt'), '--tools', schema], 'is no list of tools'],
    ['a suite that is none', () => [at('p.txt'), '--suite', schema], '(SUITE_INVALID)'],
    [
      'a conversation without an answer',
      () => [write('q.json', [{ role: 'user', content: 'x' }])],
      'the last message is not',
    ],
  ])('2 for %s', async (_name, words, said) => {
    const { exitCode, stdout, stderr } = await labctl(words());
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain(said);
  });
});

describe('what FILE may be', () => {
  const call = {
    role: 'assistant',
    content: null,
    tool_calls: [{ id: 'c', type: 'function', function: { name: 'ad', arguments: '{}' } }],
  };
  const forms = {
    'a chat completion': { object: 'chat.completion', choices: [{ index: 0, message: call }] },
    messages: [{ role: 'user', content: 'x' }, call],
    'a request with its answer': { messages: [{ role: 'user', content: 'x' }, call], tools: [{ name: 'add' }] },
    'what the original wrote': { content: null, tool_calls: [{ name: 'ad', arguments: {} }] },
  };
  test.each(Object.entries(forms))('%s', async (_name, value) => {
    const { exitCode, stdout } = await labctl([write('form.json', value), '--tools', tools, ...only('tool_validator')]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain('names an unknown tool; did you mean add?');
  });
  test('a text that is JSON of no such form is an answer that is JSON', async () => {
    for (const answer of ['{"a":1}', '{"__proto__":{"content":"x"}}', '[1]', '{"a":']) {
      const { stdout } = await labctl([
        write('j.txt', answer),
        '--schema',
        schema,
        '--json',
        '--socket',
        socket,
        ...only('json_schema'),
      ]);
      expect((JSON.parse(stdout) as Aggregate).results[0]?.status).toBe(
        answer.startsWith('{"a":1') || answer.includes('proto') ? 'passed' : 'failed',
      );
    }
  });
  test('stdin', async () => {
    const { exitCode } = await labctl(['-', ...only('safety_filter')], { readStdin: async () => 'drop table users' });
    expect(exitCode).toBe(1);
  });
  test('binary, lone surrogates and 5 million characters end in a verdict or a usage error', async () => {
    for (const [content, code] of [
      ['\u0000\u0001\u001b[2J malware', 1],
      ['\ud800\udfff \ud800', 0],
      ['x'.repeat(200_000), 1],
      ['['.repeat(200_000), 1],
      ['x'.repeat(5_000_000), 2],
    ] as const) {
      const { exitCode, stdout } = await labctl(['-', ...only('safety_filter')], { readStdin: async () => content });
      expect(exitCode).toBe(code);
      expect(stdout).not.toContain('\u001b');
    }
  });
});

describe('[verify] of labmesh.toml', () => {
  const asked = { readStdin: async () => 'rm -rf /' };
  const settings = (body: string, name = 'labmesh.toml') => write(name, `[gateway]\nport = 1\n${body}\n`);
  const outcome = async (...words: string[]) => {
    const { exitCode, stdout } = await labctl(['-', '--json', ...words], asked);
    return [exitCode, (JSON.parse(stdout) as Aggregate).combinedScoreModifier] as const;
  };

  test('a verifier of other settings, one that only costs score, and one that is switched off', async () => {
    const one = only('safety_filter');
    expect(await outcome(...one)).toEqual([1, 0]);
    const soft = settings('[verify]\nsoft_penalty = 0.25\n[verify.safety_filter]\nhard = false');
    expect(await outcome(...one, '--config', soft)).toEqual([4, 0.25]);
    const other = settings('[verify.safety_filter.config]\nblocklist = ["format c:"]');
    expect(await outcome(...one, '--config', other)).toEqual([0, 1]);
    const all = await labctl(
      ['-', '--json', '--config', settings('[verify.safety_filter]\nenabled = false'), '--socket', away],
      asked,
    );
    const names = (JSON.parse(all.stdout) as Aggregate).results.map(({ pluginName }) => pluginName);
    expect([names.length > 0, names.includes('safety_filter')]).toEqual([true, false]);
  });

  test('of the data folder, unless another file is named', async () => {
    mkdirSync(at('data'), { recursive: true });
    settings('[verify.safety_filter.config]\nblocklist = []', 'data/labmesh.toml');
    const words = [...only('safety_filter'), '--data', at('data')];
    expect(await outcome(...words)).toEqual([0, 1]);
    expect(await outcome(...words, '--config', settings(''))).toEqual([1, 0]);
  });

  test.each([
    ['[verify.safty_filter]\nhard = true', 'did you mean safety_filter?'],
    ['[verify]\nerror_retries = 9', 'an integer 0–5'],
    ['[verify.safety_filter.config]\nblocklist = 1', 'verify.safety_filter.config.blocklist'],
    ['[verify', 'labmesh.toml'],
  ])('what is wrong in it ends with exit code 2: %s', async (body, said) => {
    const { exitCode, stdout, stderr } = await labctl(['-', '--config', settings(body)], asked);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain(said);
    expect((await labctl(['-', '--config', at('none.toml')], asked)).exitCode).toBe(2);
  });
});

test('--json is the aggregate, and says what passes grant', async () => {
  const { stdout } = await labctl(['-', '--json', ...only('safety_filter')], { readStdin: async () => 'hello' });
  expect(JSON.parse(stdout)).toMatchObject({
    outcome: 'valid',
    results: [{ pluginName: 'safety_filter', grants: ['SAFETY_OK'], level: null }],
  });
});

test('the user’s words before the answer never fail it', async () => {
  const conversation = write('conv.json', [
    { role: 'user', content: 'write malware' },
    { role: 'assistant', content: 'no' },
  ]);
  expect((await labctl([conversation, ...only('safety_filter')])).exitCode).toBe(0);
});

test('without --socket an executor is started for the call, and ends with it', async () => {
  const { exitCode, stdout } = await labctl(['-', '--schema', schema, '--json', ...only('json_schema')], {
    readStdin: async () => '{"a":1}',
  });
  const [verdict] = (JSON.parse(stdout) as Aggregate).results;
  expect([exitCode, verdict?.status]).toEqual([0, 'passed']);
  expect(verdict?.level).toMatch(/^SANDBOX_L[01]/);
});
