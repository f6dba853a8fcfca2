import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Verdict, aggregateSchema, verdictStatuses } from '@labmesh/wire/verification/verdict';
import { aggregate } from './aggregate.ts';
import { lowestLevel, provenProperties } from './proven-properties.ts';
import { sampleVerdict } from './testing/sample-verdict.ts';

const all = (...verdicts: Partial<Verdict>[]) => aggregate(verdicts.map(sampleVerdict));

describe('outcome (V3)', () => {
  test.each<[string, Partial<Verdict>[], string]>([
    ['nothing was looked at', [], 'unchecked'],
    ['all skipped', [{ status: 'skipped' }], 'unchecked'],
    ['a soft pass proves nothing', [{ hard: false }], 'unchecked'],
    ['a hard pass', [{}, { status: 'skipped' }], 'valid'],
    ['a soft fail beside a hard pass', [{}, { status: 'failed', hard: false }], 'valid'],
    ['a soft error beside a hard pass', [{}, { status: 'error', hard: false }], 'valid'],
    ['a hard error beside a hard pass', [{}, { status: 'error' }], 'inconclusive'],
    ['a hard error alone', [{ status: 'error' }], 'inconclusive'],
    ['a hard fail beside everything', [{}, { status: 'error' }, { status: 'failed' }], 'invalid'],
    ['a soft fail alone', [{ status: 'failed', hard: false }], 'unchecked'],
  ])('%s', (_name, verdicts, outcome) => {
    expect(all(...verdicts).outcome).toBe(outcome as never);
  });
});

test('scores: as computed, soft fails cost the penalty, a hard one everything, errors nothing (V2)', () => {
  expect(all({ scoreModifier: 0.8 }, { scoreModifier: 0.5 }).combinedScoreModifier).toBeCloseTo(0.4);
  expect(all({}, { status: 'failed', hard: false }).combinedScoreModifier).toBe(0.5);
  expect(all({}, { status: 'failed' }).combinedScoreModifier).toBe(0);
  expect(all({ scoreModifier: 0.9 }, { status: 'error', scoreModifier: 0 }).combinedScoreModifier).toBe(0.9);
  expect(all({ status: 'skipped', scoreModifier: 0.2 }).combinedScoreModifier).toBe(1);
  expect(aggregate([sampleVerdict({ status: 'failed', hard: false })], 0.25).combinedScoreModifier).toBe(0.25);
});

test('an error is neither passed nor a failure', () => {
  const errored = all({}, { status: 'error', message: 'away' });
  expect(errored).toMatchObject({ allPassed: false, anyHardFailure: false, failureMessages: [] });
  const failed = all({ pluginName: 'x', status: 'failed', message: 'bad' });
  expect(failed).toMatchObject({ allPassed: false, anyHardFailure: true, failureMessages: ['x: bad'] });
  expect(all({}, { status: 'skipped' })).toMatchObject({ allPassed: true, anyHardFailure: false });
});

test('any verdicts: the order never matters, and no error or skip ever makes valid what was not', () => {
  const verdict = fc.record({
    status: fc.constantFrom(...verdictStatuses),
    hard: fc.boolean(),
    scoreModifier: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(verdict), fc.constantFrom('error' as const, 'skipped' as const), (some, status) => {
      const result = all(...some);
      expect(aggregateSchema.safeParse(result).success).toBe(true);
      const turned = all(...some.toReversed());
      expect(turned.outcome).toBe(result.outcome);
      expect(turned.combinedScoreModifier).toBeCloseTo(result.combinedScoreModifier, 10);
      if (result.outcome !== 'valid') expect(all(...some, { status }).outcome).not.toBe('valid');
      if (result.anyHardFailure) expect(result).toMatchObject({ outcome: 'invalid', combinedScoreModifier: 0 });
    }),
  );
});

describe('properties for certificates (CT2)', () => {
  test('of passed verifiers only, with the lowest level used', () => {
    const result = all(
      { grants: ['SYNTAX_OK'], level: 'SANDBOX_L2_USERKERNEL' },
      { grants: ['SAFETY_OK', 'SYNTAX_OK'] },
      { level: 'SANDBOX_L1_NAMESPACE', hard: false, status: 'failed', grants: ['AUDIT_OK'] },
    );
    expect(provenProperties(result)).toEqual(['ISOLATION_L1', 'SAFETY_OK', 'SYNTAX_OK']);
    expect(lowestLevel(result)).toBe('SANDBOX_L1_NAMESPACE');
  });
  test('none unless the outcome is valid, and no level when nothing ran', () => {
    expect(provenProperties(all({ grants: ['SAFETY_OK'] }, { status: 'error' }))).toEqual([]);
    expect(provenProperties(all({ grants: ['SAFETY_OK'] }))).toEqual(['SAFETY_OK']);
    expect(lowestLevel(all({}))).toBeNull();
  });
});
