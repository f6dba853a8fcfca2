import { describe, expect, test } from 'bun:test';
import { type ArenaEvent, arenaEventSchema, type ArenaResult } from '@labmesh/wire/verification/arena-run';
import fc from 'fast-check';
import { paint } from '../terminal/paint.ts';
import { answerForEyes, reportLines, runLine } from './run-lines.ts';

const plain = paint(false);
const line = (event: ArenaEvent) => runLine(event, plain);
const candidate = {
  event: 'candidate',
  index: 0,
  state: 'generated',
  temperature: 0.1,
  seed: 5,
  model: 'm',
  sameAs: null,
  chars: 42,
  tokens: { promptTokens: 5, completionTokens: 7 },
  latencyMs: 1_234,
  reason: null,
} as const;
const verdict = {
  status: 'failed',
  pluginName: 'code_linter',
  version: '1',
  digest: 'd',
  message: 'line 3',
  details: {},
  scoreModifier: 0,
  hard: true,
  level: 'SANDBOX_L1_NAMESPACE',
  durationMs: 5,
  evidenceSha256: null,
  code: null,
} as const;
const tool = {
  event: 'tool',
  index: 0,
  round: 0,
  tool: 'docs/lookup',
  argsSha256: null,
  cached: false,
  latencyMs: 321,
} as const;
const result: ArenaResult = {
  event: 'result',
  runId: 'r',
  answer: null,
  model: 'm',
  finishReason: 'stop',
  usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
  report: {
    status: 'valid',
    run_id: 'r',
    certificate_id: 'c-1',
    summary: 'passed',
    properties: ['SYNTAX_OK'],
    isolation: null,
    failures: [],
    cached: false,
  },
  shadowArena: null,
};

describe('what a person sees of a run', () => {
  test.each<[ArenaEvent, string | undefined]>([
    [{ event: 'accepted', runId: 'r', cached: false, position: 2 }, 'run r, 2 before it'],
    [{ ...candidate, state: 'pending' }, undefined],
    [{ ...candidate, state: 'generating' }, 'variation 1    asked of m, temperature 0.1'],
    [candidate, 'variation 1    42 characters, 7 tokens in 1.2 s'],
    [{ ...candidate, index: 2, sameAs: 0 }, 'variation 3    the same answer as variation 1'],
    [{ ...candidate, state: 'stopped', reason: 'sufficient_valid' }, 'variation 1    stopped: sufficient_valid'],
    [{ event: 'verdict', index: 0, attempt: 0, verdict }, 'variation 1    code_linter failed L1: line 3'],
    [
      { event: 'verdict', index: 0, attempt: 1, verdict: { ...verdict, status: 'passed', level: null } },
      'variation 1, correction 1 code_linter passed',
    ],
    [{ event: 'outcome', index: 1, attempt: 0, outcome: 'valid', score: 1 }, 'variation 2    valid, score 1.00'],
    [{ event: 'match', a: 0, b: 2, scoreA: 7, scoreB: 12, winner: 'b' }, 'match 1 : 3  7 : 12 → 3'],
    [
      { event: 'terminated', reason: 'sufficient_valid', terminatedCount: 2, savedTokensEstimate: 30, details: {} },
      'stopped early: sufficient valid, 2 ended, about 30 tokens saved',
    ],
    [{ ...tool, state: 'ok' }, 'variation 1    docs/lookup in 0.3 s'],
    [{ ...tool, state: 'ok', cached: true }, 'variation 1    docs/lookup from before'],
    [{ ...tool, tool: null, state: 'unknown' }, 'variation 1    a tool that there is not unknown'],
    [
      { event: 'correction', index: 0, attempt: 1, status: 'in_progress' },
      'variation 1, correction 1 correction in progress',
    ],
    [result, undefined],
  ])('%j', (event, wanted) => expect(line(event)).toBe(wanted));

  test('the report: what was found, what it took, how to check it', () => {
    const text = reportLines(result, plain, undefined).join('\n');
    for (const part of ['valid: passed', '3 tokens', 'certificate c-1 (SYNTAX_OK)', 'labctl cert verify'])
      expect(text).toContain(part);
    expect(reportLines(result, plain, 'my file').join('\n')).toContain('labctl cert verify my file');
    const failures = [{ verifier: 'json_schema', message: 'no', code: null }];
    const invalid = {
      ...result,
      report: { ...result.report, status: 'invalid' as const, certificate_id: null, failures },
    };
    expect(reportLines(invalid, plain, undefined).join('\n')).toContain('  json_schema: no');
    expect(reportLines(invalid, plain, undefined).join('\n')).not.toContain('certificate');
  });

  test('whatever the arena says, a line is a line and moves no cursor', () => {
    // oxlint-disable-next-line no-control-regex -- they are what must not reach the terminal
    const hidden = /[\u0000-\u001f\u007f-\u009f\u202e]/;
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '\n', '\u001b[2J', '\r', '\u202e') }), (text) => {
        const events: ArenaEvent[] = [
          { event: 'accepted', runId: text, cached: false, position: 0 },
          { ...candidate, state: 'generating', model: text },
          { ...candidate, state: 'failed', reason: text },
          { ...tool, tool: text, state: 'ok' },
          { event: 'verdict', index: 0, attempt: 0, verdict: { ...verdict, pluginName: text, message: text } },
          { event: 'terminated', reason: text, terminatedCount: 0, savedTokensEstimate: 0, details: {} },
        ];
        for (const event of events) expect(line(arenaEventSchema.parse(event))).not.toMatch(hidden);
        const report = { ...result.report, summary: text, certificate_id: text, properties: [text] };
        for (const one of reportLines({ ...result, report }, plain, text)) expect(one).not.toMatch(hidden);
        expect(answerForEyes(text).replaceAll('\n', '')).not.toMatch(hidden);
      }),
    );
  });

  test('an answer for eyes keeps its lines and tabs', () =>
    expect(answerForEyes('a\r\n\tb\u001b')).toBe('a\n\tb\\x1b'));
});
