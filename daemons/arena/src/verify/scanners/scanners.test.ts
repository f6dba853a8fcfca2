/** bandit and semgrep beside the built-in rules (verification BR2): what they print is foreign, and where they are real they run. */
import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LevelReport, SandboxJobInput, SandboxResult, SandboxRunner } from '@labmesh/wire/verification/sandbox';
import fc from 'fast-check';
import { sampleCandidate } from '../testing/sample-candidate.ts';
import { closeTestRunner, sandboxMissing, testRunner } from '../testing/test-runner.ts';
import { securityAudit } from '../audit/security-audit.ts';
import { bandit } from './bandit.ts';
import { semgrep } from './semgrep.ts';

afterAll(closeTestRunner);

const level = 'SANDBOX_L1_NAMESPACE';
const base64 = (text: string) => Buffer.from(text).toString('base64');
const answered = { level, error: null, stdout: '', exit: 'ok', code: 0 } as unknown as SandboxResult;

type Answer = Partial<SandboxResult>;
/** Both installed; each prints what it is told to, the built-in rules find nothing. */
function faked(answers: { bandit?: Answer; semgrep?: Answer }, tools = { bandit: '1.7.9', semgrep: '1.182.0' }) {
  const sent: SandboxJobInput[] = [];
  const runner: SandboxRunner = {
    levels: async () => [{ level, ready: true, tools } as unknown as LevelReport],
    run: async (job) => {
      sent.push(job);
      const [program = ''] = job.argv ?? [];
      if (program !== 'bandit' && program !== 'semgrep') return { ...answered, stdout: base64('{"findings":[]}') };
      return { ...answered, ...answers[program] };
    },
  };
  return { runner, sent };
}
const printed = (value: unknown, more: Answer = {}): Answer => ({ stdout: base64(JSON.stringify(value)), ...more });

const folder = mkdtempSync(join(tmpdir(), 'labmesh-rules-'));
afterAll(() => rmSync(folder, { recursive: true }));
const rules = join(folder, 'rules.yml');
writeFileSync(
  rules,
  [
    'rules:',
    '  - {id: no-md5, languages: [python], severity: ERROR, message: no, pattern: hashlib.md5(...)}',
    '  - {id: no-alert, languages: [javascript], severity: WARNING, message: no, pattern: alert(...)}',
    '',
  ].join('\n'),
);

const fenced = (language: string, code: string) => `\`\`\`${language}\n${code}\n\`\`\``;
const look = (content: string, runner: SandboxRunner, config: object = {}) =>
  securityAudit.verify(sampleCandidate({ role: 'assistant', content }), {
    config: securityAudit.configSchema.parse(config),
    runner,
    suite: undefined,
    signal: new AbortController().signal,
  });

const found = (over: object = {}) => ({
  filename: 'text-0.py',
  line_number: 1,
  test_id: 'B324',
  test_name: 'hashlib',
  issue_severity: 'HIGH',
  ...over,
});
const code = fenced('python', 'print(1)');

describe('what a scanner prints', () => {
  test('its findings count beside the built-in ones, under its name and version, at their place in the answer', async () => {
    const { runner, sent } = faked({
      bandit: printed(
        { errors: [], results: [found({ filename: 'text-1.py', line_number: 2 })] },
        { exit: 'nonzero', code: 1 },
      ),
    });
    const finding = await look(`${code}\n\n${fenced('python', 'a = 1\nb = 2')}`, runner);
    expect(finding).toMatchObject({
      status: 'failed',
      details: {
        tool: 'builtin, bandit 1.7.9',
        findings: [{ rule: 'B324', severity: 'high', text: 'bandit: hashlib', block_index: 1, line: 2 }],
      },
    });
    // Without rules semgrep has nothing to look for.
    expect(sent.map(({ argv }) => argv?.[0])).toEqual(['/usr/bin/python3', 'bandit']);
    expect(sent[1]?.argv).toContain('--ignore-nosec');
  });

  test('semgrep has the rules of the operator, all languages that it reads, and tells nobody', async () => {
    const results = [
      { check_id: 'team.no-alert', path: 'text-0.js', start: { line: 3 }, extra: { severity: 'WARNING' } },
    ];
    const { runner, sent } = faked({ semgrep: printed({ errors: [], results }) });
    const finding = await look(fenced('javascript', '\n\nalert(1)'), runner, {
      semgrep_rules: rules,
      severity_threshold: 'medium',
    });
    expect(finding).toMatchObject({
      status: 'failed',
      details: { tool: 'builtin, semgrep 1.182.0', findings: [{ rule: 'team.no-alert', severity: 'medium', line: 3 }] },
    });
    const job = sent.find(({ argv }) => argv?.[0] === 'semgrep');
    expect(job?.argv?.join(' ')).toContain('--metrics off');
    expect(job?.files?.map(({ path }) => path)).toEqual(['nobody.pem', 'text-1.ts', 'text-0.js', 'semgrep-rules.yml']);
  });

  test('one that is not installed, or not wanted, is not started', async () => {
    for (const [config, tools] of [
      [{ scanners: [] }, undefined],
      [{}, {}],
    ] as const) {
      const { runner, sent } = faked({}, tools as never);
      expect(await look(code, runner, config)).toMatchObject({ status: 'passed', details: { tool: 'builtin' } });
      expect(sent).toHaveLength(1);
    }
  });

  test.each<[string, Answer]>([
    ['not JSON', { stdout: base64('Traceback (most recent call last)'), exit: 'nonzero', code: 1 }],
    ['another exit code', { exit: 'nonzero', code: 2 }],
    ['nothing', {}],
    ['another form', printed({ results: [found({ line_number: -1 })], errors: [] })],
    ['no sandbox', { exit: 'sandbox_error', error: { code: 'SANDBOX_BROKEN', message: 'x' } }],
  ])('%s is an error of the scanner and no verdict on the answer', async (_, answer) => {
    const { runner } = faked({ bandit: answer });
    expect((await look(code, runner)).status).toBe('error');
  });

  test.each<[string, Answer]>([
    ['too long', { exit: 'wall' }],
    ['too much memory', { exit: 'oom' }],
    ['a piece that it cannot read', printed({ errors: [{ filename: 'text-0.py' }], results: [] })],
  ])('%s: the code was not looked at, and so does not pass', async (_, answer) => {
    const { runner } = faked({ bandit: answer });
    expect((await look(code, runner)).status).toBe('failed');
  });

  test('thousands of small findings hide no grave one', async () => {
    const low = Array.from({ length: 3_000 }, (_, at) =>
      found({ test_id: 'B101', issue_severity: 'LOW', line_number: at + 1 }),
    );
    const { runner } = faked({
      bandit: printed({ errors: [], results: [...low, found()] }, { exit: 'nonzero', code: 1 }),
    });
    const finding = await look(fenced('python', 'x = 1\n'.repeat(3_000)), runner);
    expect(finding).toMatchObject({ status: 'failed', details: { findings_count: 3_001 } });
    expect((finding.details['findings'] as { rule: string }[])[0]?.rule).toBe('B324');
  });

  test('semgrep that gave up a rule or a file has not looked', async () => {
    const errors = [{ level: 'warn', type: 'Timeout', path: 'text-0.py' }];
    const { runner } = faked({
      semgrep: printed({ errors, results: [] }),
      bandit: printed({ errors: [], results: [] }),
    });
    expect((await look(code, runner, { semgrep_rules: rules })).status).toBe('failed');
  });

  test('any JSON is read or refused; what is read lies within bounds', () => {
    const near = fc.record({
      errors: fc.array(fc.record({ filename: fc.string() })),
      results: fc.array(
        fc.oneof(
          fc.jsonValue(),
          fc.record({
            filename: fc.string(),
            path: fc.string(),
            line_number: fc.double(),
            start: fc.record({ line: fc.integer() }),
            extra: fc.record({ severity: fc.string() }),
            test_id: fc.oneof(fc.string(), fc.constant('B101'), fc.constant('__proto__')),
            test_name: fc.string(),
            check_id: fc.string(),
            issue_severity: fc.oneof(fc.string(), fc.constant('__proto__')),
          }),
        ),
      ),
    });
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), near), (json) => {
        for (const scanner of [bandit, semgrep]) {
          for (const { rule, text, line, severity } of scanner.read(json)?.findings ?? []) {
            expect(rule).toMatch(/^[\w.-]{1,200}$/);
            expect(text.length).toBeLessThan(200);
            expect(line).toBeGreaterThan(0);
            expect(['low', 'medium', 'high', 'critical']).toContain(severity);
          }
        }
      }),
    );
  });

  test('rules that cannot be read are a fault of the settings, with the file', () => {
    for (const path of [join(folder, 'none.yml'), folder]) {
      const read = securityAudit.configSchema.safeParse({ semgrep_rules: path });
      expect(read.error?.issues[0]).toMatchObject({ path: ['semgrep_rules'] });
      expect(read.error?.issues[0]?.message).toContain(path);
    }
  });
});

const tools: Record<string, string> =
  sandboxMissing === undefined ? ((await testRunner.levels()).find((one) => one.level === level)?.tools ?? {}) : {};
const without = (name: string) => sandboxMissing ?? (tools[name] === undefined ? `(needs ${name})` : '');

test.skipIf(without('bandit') !== '')(
  `bandit itself, in the sandbox ${without('bandit')}`,
  async () => {
    // Each is known to bandit alone; the comment asks it to look away.
    const bad = 'from flask import Flask\napp = Flask(__name__)\napp.run(debug=True)  # nosec';
    expect(await look(fenced('python', bad), testRunner)).toMatchObject({
      status: 'failed',
      details: { tool: `builtin, bandit ${tools['bandit']}`, findings: [{ rule: 'B201', severity: 'high', line: 3 }] },
    });
    expect(await look(fenced('python', 'def add(a, b):\n    return a + b'), testRunner)).toMatchObject({
      status: 'passed',
    });
    expect((await look(fenced('python', 'def ('), testRunner)).status).toBe('failed');
  },
  60_000,
);

// It is no Debian package: where somebody has installed it, it is tried.
if (tools['semgrep'] !== undefined)
  test('semgrep itself, in the sandbox, with rules of the operator and no network', async () => {
    const bad = 'import hashlib\nhashlib.md5(b"x")  # nosem';
    expect(
      await look(fenced('python', bad), testRunner, { semgrep_rules: rules, scanners: ['semgrep'] }),
    ).toMatchObject({
      status: 'failed',
      details: {
        tool: `builtin, semgrep ${tools['semgrep']}`,
        findings: [{ rule: 'no-md5', severity: 'high', line: 2 }],
      },
    });
    const fine = await look(fenced('javascript', 'console.log(1)'), testRunner, { semgrep_rules: rules });
    expect(fine).toMatchObject({ status: 'passed', details: { tool: `builtin, semgrep ${tools['semgrep']}` } });
    writeFileSync(rules, 'rules: 7');
    expect((await look(code, testRunner, { semgrep_rules: rules })).status).toBe('error');
  }, 60_000);
