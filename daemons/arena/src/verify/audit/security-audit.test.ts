import { describe, expect, test } from 'bun:test';
import { tmpdir } from 'node:os';
import type { SandboxJobInput, SandboxResult, SandboxRunner } from '@labmesh/wire/verification/sandbox';
import fc from 'fast-check';
import type { Candidate } from '../../contract/candidate.ts';
import { auditJavascript } from './audit-javascript.ts';
import { auditRules, securityAudit } from './security-audit.ts';

/** Runs the audit's own script beside the test; the script never runs what it reads. */
async function runHere({ argv = [], stdin = '' }: SandboxJobInput): Promise<SandboxResult> {
  const child = Bun.spawn([...argv], {
    cwd: tmpdir(),
    stdin: Buffer.from(stdin, 'base64'),
    stdout: 'pipe',
    stderr: 'ignore',
  });
  const stdout = Buffer.from(await new Response(child.stdout).arrayBuffer()).toString('base64');
  return { ...answered, stdout, exit: (await child.exited) === 0 ? 'ok' : 'nonzero' };
}
const answered = { level: 'SANDBOX_L1_NAMESPACE', error: null, stdout: '' } as unknown as SandboxResult;
const here: SandboxRunner = { run: runHere, levels: () => Promise.resolve([]) };
const answering = (result: Partial<SandboxResult>): SandboxRunner => ({
  ...here,
  run: () => Promise.resolve({ ...answered, ...result }),
});

const candidateOf = (content: string): Candidate => ({
  digest: 'x',
  messages: [],
  answer: { role: 'assistant', content },
  tools: undefined,
  expectedSchema: undefined,
  metadata: {},
});
const fenced = (language: string, code: string) => `\`\`\`${language}\n${code}\n\`\`\``;
const look = (content: string, runner = here, config = securityAudit.configSchema.parse(undefined)) =>
  securityAudit.verify(candidateOf(content), {
    config,
    runner,
    suite: undefined,
    signal: new AbortController().signal,
  });
const rulesOf = async (code: string) => {
  const { details } = await look(fenced('python', code));
  return (details['findings'] as { rule: string }[]).map((one) => one.rule);
};

describe('Python, by its own parser', () => {
  test.each([
    ['B307', 'eval(input())'],
    ['B102', 'exec(code)'],
    ['B605', 'import os\nos.system("ls")'],
    ['B605', 'from os import system as s\ns("ls")'],
    ['B602', 'import subprocess\nsubprocess.run("ls", shell=True)'],
    ['B301', 'import pickle as p\np.loads(b)'],
    ['B506', 'import yaml\nyaml.load(f)'],
    ['B105', 'password = "hunter22"'],
    ['B105', 'connect(api_key="abcdefgh")'],
    ['B105', 'settings["db_password"] = "hunter22"'],
    ['B311', 'import random\nrandom.randint(1, 6)'],
    ['B101', 'assert x'],
    ['sql_injection', 'c.execute("SELECT * FROM t WHERE a = " + name)'],
    ['sql_injection', 'c.execute(f"SELECT {name}")'],
    ['sql_injection', 'c.execute("SELECT %s" % name)'],
    ['sql_injection', 'c.execute("SELECT {}".format(name))'],
    ['format_injection', 'print(text.format(**globals()))'],
  ])('%s: %s', async (rule, code) => {
    expect(await rulesOf(code)).toEqual([rule]);
  });

  test.each([
    '# eval(x) and os.system("ls")',
    'text = "eval(x); exec(y); password = 1234"',
    'def eval_it(model):\n    return model.eval()',
    'import yaml\nyaml.load(f, Loader=yaml.SafeLoader)',
    'c.execute("SELECT * FROM t WHERE a = ?", (name,))',
    'import subprocess\nsubprocess.run(["ls"])',
    'password = input()',
  ])('nothing in: %s', async (code) => {
    expect(await rulesOf(code)).toEqual([]);
  });

  test('line and block are told', async () => {
    const finding = await look(`${fenced('js', 'x()')}\n${fenced('python', '\n\neval(x)')}`);
    expect(finding).toMatchObject({ status: 'failed', level: 'SANDBOX_L1_NAMESPACE' });
    expect(finding.details).toMatchObject({ findings: [{ rule: 'B307', block_index: 1, line: 3 }] });
  });
});

describe('JavaScript and TypeScript', () => {
  test.each([
    ['js_eval', 'eval(x)'],
    ['js_eval', 'const f = new Function("return 1")'],
    ['js_eval', 'const a = `x${eval(y)}z`'],
    ['js_eval', 'const a = `${`${{ b: [1] }.b}`}`; eval(y)'],
    ['js_eval', 'const a = `${ { b: `}` } + eval(y) }`'],
    ['js_eval', 'a++ / eval(x) / 1'],
    ['js_eval', 's.match(/["/"]/); eval(x)'],
    ['js_eval', '(0, eval)(x)'],
    ['js_eval', 'globalThis . eval?.(x)'],
    ['js_eval', 'new globalThis.Function("x")'],
    ['js_eval', 'setTimeout("run()", 1)'],
    ['js_eval', 'ev\\u0061l(x)'],
    ['inner_html', 'node.innerHTML = text'],
    ['inner_html', 'document.write(text)'],
    ['sql_injection', 'db.query(`SELECT ${name}`)'],
    ['sql_injection', 'db.query("SELECT " + name)'],
  ])('%s: %s', (rule, code) => {
    expect(auditJavascript(`\n${code}`)).toEqual([{ rule, line: 2 }]);
  });

  test.each([
    '// eval(x)',
    '/* eval(x)\n */ 1',
    'const a = "eval(x)", b = \'node.innerHTML = 1\', c = `eval(x)`',
    'const r = /eval(x)/g',
    'const r = /[/]eval(x)/g',
    'const t = `${a}eval(x)${b}`, u = "\\u0061"; setTimeout(() => run(), 1)',
    'model.eval(x); reeval(x); $eval(x)',
    'node.innerHTML === text',
    'db.query("SELECT ?", [name])',
    'return 1 / 2 / eval_it',
  ])('nothing in: %s', (code) => {
    expect(auditJavascript(code)).toEqual([]);
  });

  test('whatever the text: it ends, and lines are within it', () => {
    const piece = fc.constantFrom('/', '*', '`', '${', '}', '"', "'", '\\', '\n', 'eval(', 'x', ' ', '=');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const code = pieces.join('');
        for (const { rule, line } of auditJavascript(code)) {
          expect(rule in auditRules).toBe(true);
          expect(line).toBeLessThanOrEqual(code.split('\n').length);
        }
      }),
    );
  });
});

test('no code: nothing to check', async () => {
  expect(await look('hello')).toMatchObject({ status: 'skipped' });
});
test('medium findings pass, and are counted; a lower threshold fails them', async () => {
  const content = fenced('python', 'password = "hunter22"');
  expect(await look(content)).toMatchObject({ status: 'passed', grants: ['AUDIT_OK'], details: { findings_count: 1 } });
  const strict = securityAudit.configSchema.parse({ severity_threshold: 'medium' });
  expect(await look(content, here, strict)).toMatchObject({ status: 'failed' });
});
test('code that does not parse fails', async () => {
  expect(await look(fenced('python', 'def ('))).toMatchObject({ status: 'failed' });
  expect(await look(fenced('python', `${'('.repeat(5_000)}1${')'.repeat(5_000)}`))).toMatchObject({ status: 'failed' });
});
test('no sandbox is an error, never a pass', async () => {
  const refused = answering({ exit: 'refused', error: { code: 'LEVEL_UNAVAILABLE', message: '' } });
  expect(await look(fenced('python', 'x = 1'), refused)).toMatchObject({ status: 'error', code: 'LEVEL_UNAVAILABLE' });
});
test.each(['', '{}', '[1]', '{"findings": [["a", 1, 2]]}', '{"findings": 1'])(
  'an answer that is none: %s',
  async (text) => {
    const stdout = Buffer.from(text).toString('base64');
    expect(await look(fenced('python', 'x = 1'), answering({ exit: 'ok', stdout }))).toMatchObject({
      status: 'failed',
    });
  },
);
