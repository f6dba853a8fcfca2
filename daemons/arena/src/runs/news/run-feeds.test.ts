import { expect, test } from 'bun:test';
import { type ArenaEvent, arenaEventSchema } from '@labmesh/wire/verification/arena-run';
import { newsOf } from './run-feeds.ts';

/** Stands wherever an event has words of a model, of a program or of an engine. */
const text = 'what nobody hears unasked';
const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
const verdict = {
  status: 'failed',
  pluginName: 'code_linter',
  version: '1',
  digest: 'ab',
  message: text,
  details: { text },
  scoreModifier: 0,
  hard: false,
  level: null,
  durationMs: 2,
  evidenceSha256: null,
  code: null,
};
const report = {
  status: 'valid',
  run_id: 'r1',
  certificate_id: 'c1',
  summary: text,
  properties: [],
  isolation: null,
  failures: [{ verifier: 'code_linter', message: text, code: null }],
  cached: false,
  candidates: [{ index: 0, content: text, outcome: 'valid', score: 1, reward: 1 }],
};
const drawn = { temperature: 0.7, seed: 4, model: 'm', sameAs: null, chars: 9, tokens: null, latencyMs: 5 };

/** One of each, as the contract has it. */
const events: ArenaEvent[] = [
  { event: 'accepted', runId: 'r1', cached: false, position: 3 },
  { event: 'candidate', index: 0, state: 'failed', ...drawn, reason: text },
  { event: 'tool', index: 0, round: 0, tool: 'a/b', argsSha256: 'ab', state: 'ok', cached: false, latencyMs: 1 },
  { event: 'verdict', index: 0, attempt: 0, verdict },
  { event: 'outcome', index: 0, attempt: 0, outcome: 'invalid', score: 0.5 },
  { event: 'correction', index: 0, attempt: 1, status: 'success' },
  { event: 'match', a: 0, b: 1, scoreA: 1, scoreB: 0, winner: 'a' },
  { event: 'terminated', reason: 'enough', terminatedCount: 2, savedTokensEstimate: 9, details: { text } },
  {
    event: 'result',
    runId: 'r1',
    answer: { role: 'assistant', content: text },
    model: 'm',
    finishReason: 'stop',
    usage,
    report,
    shadowArena: { text },
  },
  { event: 'error', code: 'upstream_error', message: text, field: text, retryAfterS: null, runId: 'r1' },
].map((event) => arenaEventSchema.parse(event));

test('each event of a run is told by its name and its numbers, and none with words', () => {
  // Who adds one to the contract says here what may be told of it.
  expect(events.map(({ event }) => event)).toEqual(arenaEventSchema.options.map(({ shape }) => shape.event.value));
  expect(JSON.stringify(events)).toContain(text);
  for (const event of events) {
    const news = newsOf(event);
    expect(news).toMatchObject({ event: event.event });
    expect(JSON.stringify(news)).not.toContain(text);
  }
});
