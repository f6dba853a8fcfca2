import { describe, expect, test } from 'bun:test';
import type { FinishedCorrection } from '../contract/finished-run.ts';
import type { Outcome } from '@labmesh/wire/verification/verdict';
import { tripletSchema } from '@labmesh/wire/verification/preference';
import fc from 'fast-check';
import { pairsOfRun } from './pairs-of-run.ts';
import { sampleAnswer, sampleCandidate, samplePairRun, sampleRun, sampleVerdict } from './testing/sample-run.ts';

const only = (made: ReturnType<typeof pairsOfRun>) => {
  expect(made.pairs).toHaveLength(1);
  return made.pairs[0]!.triplet;
};

const corrected = (result: FinishedCorrection['result'], changes: Partial<FinishedCorrection> = {}) => ({
  attempt: 1,
  failures: ['code_linter'],
  prompt: { role: 'user', content: 'line 1: a colon is missing' },
  result,
  success: result?.aggregate.outcome === 'valid',
  latencyMs: 7,
  ...changes,
});

describe('PD1 winner against each loser', () => {
  test('valid against failed: 1.0 / -1.0, silver, from verification, confidence 1', () => {
    const triplet = only(pairsOfRun(samplePairRun(), 'cert-1'));
    expect(triplet).toMatchObject({
      chosen_score: 1,
      rejected_score: -1,
      confidence: 1,
      quality: 'silver',
      source: 'verification',
      status: 'active',
      certificate_id: 'cert-1',
      failure_reasons: ['code_linter'],
    });
    expect(tripletSchema.parse(triplet)).toEqual(triplet);
  });

  test.each([
    [0.05, undefined],
    [0.1, 0.6],
    [0.3, 0.8],
    [0.5, 1],
    [0.9, 1],
  ])('a gap of %p in the bracket gives confidence %p, bronze', (gap, confidence) => {
    const run = sampleRun([
      sampleCandidate(0, sampleAnswer('good', 'valid'), { score: 0.95 }),
      sampleCandidate(1, sampleAnswer('less', 'valid'), { score: 0.95 - gap }),
    ]);
    const made = pairsOfRun(run, null);
    if (confidence === undefined) return expect(made).toEqual({ pairs: [], leftOut: { small_gap: 1 } });
    expect(only(made)).toMatchObject({ confidence, quality: 'bronze', source: 'tournament', rationale: null });
  });

  test('AR18: answers that rest on tools are on neither side', () => {
    for (const at of [0, 1]) {
      const run = samplePairRun();
      const candidates = run.candidates.map((one) => ({ ...one, usesTools: one.index === at }));
      expect(pairsOfRun({ ...run, candidates }, null)).toEqual({ pairs: [], leftOut: { uses_tools: 1 } });
    }
  });

  test('0.7 against 0.6 is a gap of 0.1, whatever floats say', () => {
    const answers = ['a', 'b'].map((text) => sampleAnswer(text, 'valid'));
    const run = sampleRun(answers.map((answer, at) => sampleCandidate(at, answer, { score: at === 0 ? 0.7 : 0.6 })));
    expect(only(pairsOfRun(run, null)).confidence).toBe(0.6);
  });

  test('no bracket, no pair among the valid', () => {
    const run = sampleRun(
      [0, 1].map((at) => sampleCandidate(at, sampleAnswer(`a${at}`, 'valid'), { score: 1 - at })),
      { tournament: null },
    );
    expect(pairsOfRun(run, null).pairs).toEqual([]);
  });

  test('the words of the judge about these two, bounded', () => {
    const run = sampleRun([
      sampleCandidate(0, sampleAnswer('good', 'valid'), { score: 1 }),
      sampleCandidate(1, sampleAnswer('less', 'valid'), { score: 0 }),
    ]);
    const leg = {
      round: 0,
      a: 1,
      b: 0,
      leg: 'ab' as const,
      judge: 'j',
      scoreA: 1,
      scoreB: 9,
      rationale: 'x'.repeat(9_999),
    };
    const other = { ...leg, a: 2, rationale: 'of others' };
    const triplet = only(pairsOfRun({ ...run, tournament: { ...run.tournament!, legs: [other, leg] } }, null));
    expect(triplet.rationale).toBe('x'.repeat(2_000));
  });
});

describe('V4, V14, V20, P7', () => {
  test.each(['inconclusive', 'unchecked'] as const)('%s is on neither side', (outcome) => {
    const doubtful = sampleCandidate(1, sampleAnswer('doubtful', outcome), { score: 0 });
    const winner = sampleCandidate(0, sampleAnswer('good', 'valid'), { score: 1 });
    expect(pairsOfRun(sampleRun([winner, doubtful]), null)).toEqual({ pairs: [], leftOut: { not_proven: 1 } });
    const bad = sampleCandidate(0, sampleAnswer('bad', 'invalid'));
    for (const run of [sampleRun([doubtful, bad], { chosen: 1 }), sampleRun([doubtful, bad], { chosen: 1, outcome })]) {
      expect(pairsOfRun(run, null)).toEqual({ pairs: [], leftOut: { no_valid_winner: 1 } });
    }
  });

  test('its own tests make an answer neither chosen nor rejected', () => {
    const own = (status: 'passed' | 'failed') =>
      sampleVerdict({ pluginName: 'runtime_verifier', status, details: { grade: 'suite' } });
    const bySelf = sampleAnswer('tests itself', 'valid', [own('passed')]);
    const tests = { grade: 'run', self_tests: { passed: 1, total: 2 } };
    const ranButFailed = sampleVerdict({ pluginName: 'runtime_verifier', status: 'failed', details: tests });
    const selfFailed = sampleAnswer('fails itself', 'invalid', [sampleVerdict(), ranButFailed]);
    const [valid, invalid] = [sampleAnswer('good', 'valid'), sampleAnswer('bad', 'invalid')];
    const made = (chosen: typeof valid, rejected: typeof valid) =>
      pairsOfRun(sampleRun([sampleCandidate(0, chosen, { score: 1 }), sampleCandidate(1, rejected)]), null).leftOut;
    expect(made(bySelf, invalid)).toEqual({ no_valid_winner: 1 });
    expect(made(valid, selfFailed)).toEqual({ not_proven: 1 });
    expect(made(valid, bySelf)).toEqual({ not_proven: 1 });
    expect(made(sampleAnswer('both', 'valid', [sampleVerdict(), own('passed')]), invalid)).toEqual({});
  });

  test('with a suite at work nothing that code printed is told', () => {
    const results = [
      sampleVerdict({ pluginName: 'runtime_verifier', status: 'failed', message: 'got secret-41', code: 'WRONG' }),
      sampleVerdict({ pluginName: 'runtime_verifier', status: 'failed', message: 'secret-42', level: null }),
      sampleVerdict({ pluginName: 'safety_filter', status: 'failed', message: 'holds\n"rm -rf /"', level: null }),
    ];
    const bad = sampleAnswer('bad', 'invalid', results);
    const chain = [corrected(sampleAnswer('mended', 'valid'), { prompt: { role: 'user', content: 'secret-43' } })];
    const candidates = [
      sampleCandidate(0, sampleAnswer('mended', 'valid'), { original: bad, corrections: chain }),
      sampleCandidate(1, bad),
    ];
    const hidden = pairsOfRun(sampleRun(candidates, { suiteSha256: 'e'.repeat(64) }), null);
    expect(hidden.pairs[0]?.triplet.failure_reasons).toEqual([
      'runtime_verifier WRONG',
      'runtime_verifier',
      'safety_filter: holds "rm -rf /"',
    ]);
    expect(JSON.stringify(hidden)).not.toContain('secret');
    expect(JSON.stringify(pairsOfRun(sampleRun(candidates), null))).toContain('secret-43');
  });

  test('a tenant without capture has no pairs', () => {
    expect(pairsOfRun(samplePairRun({ keepsTexts: false }), null)).toEqual({ pairs: [], leftOut: { capture_off: 1 } });
  });

  test('what nobody judged is not learnt', () => {
    const answer = { role: 'assistant', content: 'good', reasoning_content: 'hm', refusal: null };
    const run = samplePairRun();
    const triplet = only(
      pairsOfRun({ ...run, candidates: [sampleCandidate(0, sampleAnswer(answer, 'valid')), run.candidates[1]!] }, null),
    );
    expect(triplet.chosen).toEqual([{ role: 'assistant', content: 'good' }]);
  });
});

describe('PD2 corrections', () => {
  const bad = sampleAnswer('bad', 'invalid');
  const good = sampleAnswer('mended', 'valid');

  test('a verified one: 0.9, silver, with the record of its attempts', () => {
    const failed = corrected(sampleAnswer('still bad', 'invalid'));
    const chain = [failed, corrected(good, { attempt: 2 })];
    const run = sampleRun([sampleCandidate(0, good, { original: bad, corrections: chain })]);
    const triplet = only(pairsOfRun(run, null));
    expect(triplet).toMatchObject({ confidence: 0.9, quality: 'silver', source: 'self_correction' });
    expect(triplet.rejected[0]?.content).toBe('bad');
    expect(triplet.metadata['chain']).toMatchObject({
      attempts: 2,
      failure_types: ['code_linter'],
      correction_chain: [
        { attempt_number: 1, success: false, prompt: { content: 'line 1: a colon is missing' } },
        { attempt_number: 2, success: true },
      ],
    });
  });

  test('one that did not verify, one of a doubtful answer, one without an answer: none', () => {
    const made = (original: typeof bad, final: typeof bad, result: typeof bad | null) => {
      const candidate = sampleCandidate(0, final, { original, corrections: [corrected(result)] });
      return pairsOfRun(sampleRun([candidate], { outcome: 'invalid', chosen: null }), null).pairs;
    };
    expect(made(bad, bad, sampleAnswer('worse', 'invalid'))).toEqual([]);
    expect(made(sampleAnswer('odd', 'inconclusive'), good, good)).toEqual([]);
    expect(made(bad, bad, null)).toEqual([]);
    expect(made(bad, good, good)).toHaveLength(1);
  });
});

describe('filters', () => {
  test('the same answer twice is one pair; equal answers are none', () => {
    const [good, bad] = [sampleAnswer('good', 'valid'), sampleAnswer('bad', 'invalid')];
    const run = sampleRun([good, bad, bad, good].map((answer, at) => sampleCandidate(at, answer, { score: 1 })));
    expect(pairsOfRun(run, null)).toMatchObject({ pairs: [{}], leftOut: { same_answer: 1, small_gap: 1 } });
  });

  test('50 messages a side and no more', () => {
    const messages = (count: number) => Array.from({ length: count }, () => ({ role: 'user', content: 'x' }));
    const made = (count: number) =>
      pairsOfRun(samplePairRun({ request: { model: 'm', messages: messages(count) } }), null);
    expect(made(49).pairs).toHaveLength(1);
    expect(made(50).leftOut).toEqual({ too_long: 1 });
  });

  test('too large, and what JSON cannot hold', () => {
    const made = (content: string) =>
      pairsOfRun(samplePairRun({ request: { model: 'm', messages: [{ role: 'user', content }] } }), null);
    expect(made('x'.repeat(512 * 1024)).leftOut).toEqual({ too_large: 1 });
    expect(made('\ud800').leftOut).toEqual({ unencodable: 1 });
  });

  test('an id is of tenant, question and both answers, and of nothing else', () => {
    const run = samplePairRun();
    const id = (changes: object) => only(pairsOfRun({ ...run, ...changes }, null)).id;
    expect(id({ id: 'another', finishedAt: 5, key: 'k2' })).toBe(id({}));
    expect(id({ tenant: 'other' })).not.toBe(id({}));
    expect(id({ request: { model: 'tiny', messages: [{ role: 'user', content: 'x' }] } })).not.toBe(id({}));
  });
});

test('whatever a run holds: only valid is chosen, only proven or outscored is rejected, ids are unique', () => {
  const outcome = fc.constantFrom<Outcome>('valid', 'invalid', 'inconclusive', 'unchecked');
  const answer = fc
    .tuple(fc.string({ unit: 'binary', maxLength: 8 }), outcome)
    .map(([text, of]) => sampleAnswer(JSON.parse(JSON.stringify(text)) as string, of));
  const safe = answer.filter(({ answer: message }) => (message.content as string).isWellFormed());
  const candidate = fc.record({
    final: fc.option(safe),
    original: fc.option(safe),
    score: fc.double({ min: 0, max: 1, noNaN: false }),
    mended: fc.boolean(),
  });
  const run = fc.record({
    candidates: fc.array(candidate, { maxLength: 6 }),
    chosen: fc.option(fc.nat(6)),
    outcome,
    keepsTexts: fc.boolean(),
  });
  fc.assert(
    fc.property(run, (given) => {
      const candidates = given.candidates.map(({ final, original, score, mended }, index) =>
        sampleCandidate(index, final, { original, score, corrections: mended ? [corrected(final)] : [] }),
      );
      const { pairs } = pairsOfRun(sampleRun(candidates, { ...given, candidates }), null);
      const outcomesOf = (content: unknown) =>
        candidates
          .flatMap((one) => [one.final, one.original])
          .filter((one) => one?.answer.content === content)
          .map((one) => one?.aggregate.outcome);
      if (!given.keepsTexts) expect(pairs).toEqual([]);
      for (const { triplet } of pairs) {
        expect(outcomesOf(triplet.chosen[0]?.content)).toContain('valid');
        const rejected = outcomesOf(triplet.rejected[0]?.content);
        expect(rejected).toContain(triplet.source === 'tournament' ? 'valid' : 'invalid');
        expect(triplet.confidence).toBeGreaterThanOrEqual(0.6);
        expect(tripletSchema.safeParse(triplet).success).toBe(true);
      }
      expect(new Set(pairs.map(({ triplet }) => triplet.id)).size).toBe(pairs.length);
    }),
    { numRuns: 300 },
  );
});
