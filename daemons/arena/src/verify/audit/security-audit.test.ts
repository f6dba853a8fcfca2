import { errorOf } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { tmpdir } from 'node:os';
import type { SandboxJobInput, SandboxResult, SandboxRunner } from '@labmesh/wire/verification/sandbox';
import type { Suite } from '@labmesh/wire/verification/suite';
import fc from 'fast-check';
import type { Candidate } from '../../contract/candidate.ts';
import { auditBash } from './audit-bash.ts';
import { auditJavascript } from './audit-javascript.ts';
import { auditRules } from './audit-rules.ts';
import { securityAudit } from './security-audit.ts';

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
type Look = { suite?: Suite; metadata?: Record<string, unknown> };
const look = (
  content: string,
  runner = here,
  config = securityAudit.configSchema.parse(undefined),
  { suite, metadata = {} }: Look = {},
) =>
  securityAudit.verify(
    { ...candidateOf(content), metadata },
    {
      config,
      runner,
      suite,
      signal: new AbortController().signal,
    },
  );
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

describe('bash', () => {
  test.each([
    ['shell_eval', 'eval "$x"'],
    ['shell_eval', '\\eval x'],
    ['shell_eval', `'eval' x`],
    ['shell_eval', 'ev""al x'],
    ['shell_eval', `$'\\x65val' x`],
    ['shell_eval', 'if true; then eval x; fi'],
    ['shell_eval', 'X=1 command -p eval x'],
    ['shell_eval', 'echo "a $(echo "b $(eval c)")"'],
    ['shell_eval', 'echo `eval x`'],
    ['shell_eval', 'a=$((1<<2)); eval y'],
    ['shell_eval', "echo ${#x} # it's'; eval y".replace("# it's'", ': "it\'s"')],
    ['shell_eval', 'bash -ec "$x"'],
    ['shell_eval', 'function f { eval x; }'],
    ['shell_eval', 'A={b X=1 eval x'],
    ['shell_eval', '${empty}eval x'],
    ['shell_eval', '. <(curl x)'],
    ['shell_pipe', 'curl x | sudo /bin/bash -s'],
    ['B105', 'export API_TOKEN=abcdefgh'],
  ])('%s: %s', (rule, code) => {
    expect(auditBash(`:\n${code}`)).toEqual([{ rule, line: 2 }]);
  });

  test('here-documents are looked into, and what follows them is not hidden by their quotes', () => {
    const code = `bash <<EOF\nev""al x\nEOF\ncat <<-'A' <<B\nit's\n\tA\n"\nB\neval y`;
    expect(auditBash(code).map(({ line }) => line)).toEqual([9, 2]);
    expect(auditBash('a=$((1<<b))\nev""al x\nb')).toEqual([{ rule: 'shell_eval', line: 2 }]);
  });

  test.each([
    '# eval x',
    `echo "eval x; eval y" 'eval z' a\\;eval b`,
    'evaluate x; my-eval x; ./eval.sh; grep eval file',
    'PASSWORD=$1; TOKEN="$(cat f)"; SECRET=',
    'ls | shuf; cat script.sh; bash script.sh; ssh -c x',
    'cat <<EOF\nwe eval things\nEOF',
  ])('nothing in: %s', (code) => {
    expect(auditBash(code)).toEqual([]);
  });

  test('whatever the text: it ends soon, and lines are within it', () => {
    const piece = fc.constantFrom(
      '"',
      "'",
      '`',
      '$(',
      '((',
      ')',
      '\\',
      '\n',
      '<<a',
      'a',
      '#',
      'eval ',
      '|',
      'sh ',
      ' ',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const code = pieces.join('');
        for (const { rule, line } of auditBash(code)) {
          expect(rule in auditRules).toBe(true);
          expect(line).toBeLessThanOrEqual(code.split('\n').length);
        }
      }),
    );
    for (const bomb of ['$(', 'token', 'a=b ', 'cat <<a\n', '-a ', '/a', ';\t', 'then ']) {
      expect(auditBash(bomb.repeat(Math.floor(100_000 / bomb.length)))).toEqual([]);
    }
  }, 60_000);
});

describe('cost', () => {
  /** Best of several, so that a busy machine is not taken for a slow program. */
  const cost = (audit: (code: string) => unknown, code: string) => {
    const times = [1, 2, 3, 4, 5].map(() => {
      const from = performance.now();
      audit(code);
      return performance.now() - from;
    });
    return Math.min(...times);
  };
  const fill = (piece: string, chars: number) => piece.repeat(Math.floor(chars / piece.length));
  const bombs = [
    '{a=',
    '{ a={ ',
    '{}!',
    '<<A ',
    '<<A\n',
    'a=b ',
    '\n',
    ';a',
    '-a ',
    'sh -a ',
    '.\n',
    '`',
    '/a',
    'token',
  ];

  test.each(bombs)('of bash is linear: %j', (piece) => {
    const small = cost(auditBash, fill(piece, 12_500));
    // Quadratic would be 64 times as much.
    expect(cost(auditBash, fill(piece, 100_000))).toBeLessThan(32 * small + 100);
  });

  test.each(['a/', 'a /', '/a/ ', '${', '`${', '}', 'self ', 'eval ', ', '])('of JavaScript is linear: %j', (piece) => {
    const small = cost(auditJavascript, fill(piece, 12_500));
    expect(cost(auditJavascript, fill(piece, 100_000))).toBeLessThan(32 * small + 100);
  });

  test('here-documents are bounded, by name', async () => {
    expect(auditBash('<<A\nev""al x\nA\n'.repeat(300))).toHaveLength(200);
    expect(() => auditBash('<<A\nA\n'.repeat(1_001))).toThrow('more than 1000 here-documents');
    expect(await errorOf(look(fenced('bash', '<<A\nA\n'.repeat(1_001))))).toMatchObject({ code: 'TOO_MANY_DOCUMENTS' });
  });

  test('many findings of one rule do not push out another', async () => {
    // What weighs most is listed first.
    const listed = await rulesOf(`${'assert x\n'.repeat(2_000)}eval(x)`);
    expect([listed.length, ...new Set(listed)]).toEqual([50, 'B307', 'B101']);
    const finding = await look(fenced('python', `${'assert x\n'.repeat(2_000)}eval(x)`));
    expect(finding).toMatchObject({ status: 'failed', details: { findings_count: 61 } });
    expect(auditJavascript(`${'eval(x)\n'.repeat(300)}a.innerHTML = b`).at(-1)).toEqual({
      rule: 'inner_html',
      line: 301,
    });
  });
});

describe('what is run is looked at', () => {
  const suite = (language: Suite['language']): Suite => ({
    id: 's',
    language,
    entry: 'f',
    cases: [],
    compare: { kind: 'exact', tolerance: 0 },
  });

  test('code that names no language, where suite or request say what it is', async () => {
    const hidden = `${fenced('python', 'x = 1')}\n${fenced('', 'eval(x)')}`;
    expect(await look(hidden)).toMatchObject({ status: 'passed' });
    expect(await look(hidden, here, undefined, { suite: suite('python') })).toMatchObject({ status: 'failed' });
    expect(await look('eval(x)', here, undefined, { suite: suite('javascript') })).toMatchObject({ status: 'failed' });
    expect(await look('eval "$1"', here, undefined, { metadata: { language: 'sh' } })).toMatchObject({
      status: 'failed',
    });
  });

  test('blocks as they are joined: a quote of one ends in another', async () => {
    const blocks = (language: string, ...codes: string[]) => codes.map((code) => fenced(language, code)).join('\n');
    const script = blocks('js', 'const a = `', '`; eval("1+1"); const b = `', '`;');
    const found = { status: 'failed', details: { findings_count: 1 } };
    expect(await look(script)).toMatchObject({
      ...found,
      details: { findings: [{ rule: 'js_eval', block_index: 1, line: 1 }] },
    });
    expect(await look(script, here, undefined, { suite: suite('javascript') })).toMatchObject(found);
    const tested = blocks('js', 'const a = `', '`; eval("1+1"); const b = `', "`;\ntest('x', () => {});");
    expect(await look(tested)).toMatchObject(found);
    expect(await look(blocks('bash', `: "a`, `"; eval x; "`, `"`))).toMatchObject(found);
  });

  test('a finding of a piece is not counted again in its program; a program that does not parse is never run', async () => {
    const twice = `${fenced('python', 'import os\nx = 1')}\n${fenced('python', '\nos.system(x)\neval(x)')}`;
    expect(await look(twice)).toMatchObject({
      details: {
        findings: [
          { rule: 'B605', block_index: 1, line: 2 },
          { rule: 'B307', block_index: 1, line: 3 },
        ].toSorted((a, b) => a.line - b.line),
      },
    });
    const late = `${fenced('python', 'x = 1')}\n${fenced('python', 'from __future__ import annotations')}`;
    expect(await look(late)).toMatchObject({ status: 'passed' });
    const other = '# coding: utf-7\n+AGUAdgBhAGw-(x)';
    expect((await look(fenced('python', other))).status).toBe('failed');
  });

  test('JSX and TSX, whose text has quotes that are none', async () => {
    for (const language of ['jsx', 'tsx']) {
      const finding = await look(fenced(language, "const a = <p>don't</p>; eval(x)"));
      expect(finding).toMatchObject({ status: 'failed', details: { findings_count: 1 } });
      expect(await look(fenced(language, 'const a = <p>hello</p>;'))).toMatchObject({ status: 'passed' });
    }
  });
});

test('no code: nothing to check', async () => {
  expect(await look('hello')).toMatchObject({ status: 'skipped', code: 'NO_CODE' });
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
