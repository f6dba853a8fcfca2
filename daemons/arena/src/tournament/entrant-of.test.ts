import { expect, test } from 'bun:test';
import type { Aggregate, Verdict } from '@labmesh/wire/verification/verdict';
import { entrantOf, verificationWeight } from './entrant-of.ts';

const verdict = (pluginName: string, status: Verdict['status']): Verdict => ({
  status,
  pluginName,
  version: '1',
  digest: '',
  message: '',
  details: {},
  scoreModifier: 1,
  hard: true,
  level: null,
  durationMs: 0,
  evidenceSha256: null,
  code: null,
});

function weight(verdicts: Record<string, Verdict['status']>, combinedScoreModifier = 1): number {
  const results = Object.entries(verdicts).map(([name, status]) => verdict(name, status));
  return verificationWeight({ ...aggregate, results, combinedScoreModifier });
}

const aggregate: Aggregate = {
  results: [],
  allPassed: true,
  anyHardFailure: false,
  combinedScoreModifier: 1,
  failureMessages: [],
  outcome: 'valid',
};

test('weights by class, execution and security', () => {
  expect(weight({ code_linter: 'passed' })).toBe(10);
  expect(weight({ runtime_verifier: 'passed' })).toBe(60);
  expect(weight({ runtime_verifier: 'passed', safety_filter: 'passed' })).toBe(180);
  expect(weight({ runtime_verifier: 'passed', safety_filter: 'passed' }, 0.5)).toBe(90);
  expect(weight({ json_schema: 'passed' })).toBe(3);
  expect(weight({ safety_filter: 'passed' })).toBe(9);
  expect(weight({ json_schema: 'failed', code_linter: 'passed' })).toBe(1.5);
  expect(weight({ json_schema: 'failed' })).toBe(0.5);
  expect(weight({ code_linter: 'failed', json_schema: 'passed' })).toBeCloseTo(0.1);
  expect(weight({ safety_filter: 'passed', opa_verifier: 'failed' })).toBe(1.5);
});

test('what was skipped or could not be checked counts for no class', () => {
  expect(weight({})).toBe(1);
  expect(weight({ runtime_verifier: 'skipped', safety_filter: 'error' })).toBe(1);
  expect(weight({ runtime_verifier: 'skipped', json_schema: 'passed' })).toBe(3);
});

test('only a valid candidate takes part', () => {
  expect(entrantOf(aggregate, 0.7, 0.01)).toEqual({ valid: true, score: 0.7, costUsd: 0.01, weight: 1 });
  for (const outcome of ['invalid', 'inconclusive', 'unchecked'] as const) {
    expect(entrantOf({ ...aggregate, outcome }, 0.7, 0.01).valid).toBe(false);
  }
});
