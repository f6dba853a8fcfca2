import { describe, expect, test } from 'bun:test';
import { executionDetails, passedVerdicts, verdictOf } from '@labmesh/arena/certify/testing/sample-run';
import type { Statement } from '@labmesh/attest/statement/statement-schema';
import type { Verdict } from '@labmesh/wire/verification/verdict';
import { compareChecks } from './compare-checks.ts';
import { reproductionText } from './reproduction-text.ts';

type Labmesh = Statement['predicate']['labmesh'];
const nothing = { tools: false, schema: false, language: false };

/** As the arena signs it. */
function signedOf(verdicts: readonly Verdict[]): Labmesh {
  const verifiers = verdicts.map(({ pluginName, version, digest, status, hard, level, evidenceSha256 }) => ({
    name: pluginName,
    version,
    digest,
    status,
    hard,
    level,
    limits: null,
    evidence_sha256: evidenceSha256,
  }));
  const security_audit = { tool: 'builtin', passed: true, findings_count: 0 };
  return { verifiers, execution_proof: executionDetails, security_audit } as unknown as Labmesh;
}

function compare(found: readonly Verdict[], { leftOut = {}, given = nothing, signed = passedVerdicts() } = {}) {
  const aggregate = { results: [...found] } as Parameters<typeof compareChecks>[1]['aggregate'];
  return compareChecks(signedOf(signed), { aggregate, leftOut }, given);
}
/** What differs, or was not made. */
const others = (...input: Parameters<typeof compare>) =>
  compare(...input)
    .filter(({ result }) => result !== 'same')
    .map(({ name, result, reason }) => [name, result, reason]);
const changed = (name: string, changes: Partial<Verdict>) =>
  passedVerdicts().map((one) => (one.pluginName === name ? { ...one, ...changes } : one));

describe('a check is the same', () => {
  test('when status, evidence, execution and audit are', () => {
    const checks = compare(passedVerdicts());
    expect(checks.map(({ name, result }) => [name, result])).toEqual([
      ['safety_filter', 'same'],
      ['code_linter', 'same'],
      ['security_audit', 'same'],
      ['runtime_verifier', 'same'],
      ['execution_proof', 'same'],
      ['audit findings', 'same'],
    ]);
    expect(reproductionText(checks)).toStartWith('REPRODUCED');
  });
  test('whatever the level, the time and the id of the run are this time', () => {
    const execution = { ...executionDetails, execution_id: 'other', execution_time_ms: 1, timestamp: 'now' };
    const found = changed('runtime_verifier', { details: { execution }, durationMs: 9, level: null, message: 'x' });
    expect(others(found)).toEqual([]);
  });
});

test('a proof and an audit that rest on no signed check were made by nobody', () => {
  const signed = passedVerdicts().filter(({ pluginName }) => pluginName === 'safety_filter');
  expect(others(passedVerdicts(), { signed })).toEqual([
    ['execution_proof', 'not_made', 'no runtime_verifier is signed beside it'],
    ['audit findings', 'not_made', 'no security_audit is signed beside them'],
  ]);
});

describe('it differs', () => {
  test('by status, by evidence, by what was printed, by what was found', () => {
    const failed = changed('code_linter', { status: 'failed', message: 'no good' });
    expect(others(failed)).toEqual([['code_linter', 'differs', 'signed is passed, found is failed: no good']]);
    const evidence = changed('runtime_verifier', { evidenceSha256: 'ab'.repeat(32) });
    expect(others(evidence)).toEqual([['runtime_verifier', 'differs', 'the digest of what was seen is another one']]);
    const execution = { ...executionDetails, stdout_hash: 'ab'.repeat(32), exit_code: 1 };
    expect(others(changed('runtime_verifier', { details: { execution } }))).toEqual([
      ['execution_proof', 'differs', 'another exit_code, stdout_hash'],
    ]);
    const audit = changed('security_audit', { details: { tool: 'builtin', findings_count: 2 } });
    expect(others(audit)).toEqual([['audit findings', 'differs', 'signed are 0 findings of builtin']]);
    expect(reproductionText(compare(audit))).toStartWith('DIFFERS');
  });
});

describe('it was not made again', () => {
  test('by a verifier of another version or configuration, by none, or where it could not be made', () => {
    const other = changed('code_linter', { version: '2', digest: 'ab'.repeat(32), status: 'failed' });
    expect(others(other)).toEqual([
      ['code_linter', 'not_made', 'here it has another version or configuration (signed 1, here 2)'],
    ]);
    const gone = passedVerdicts().filter(({ pluginName }) => pluginName !== 'runtime_verifier');
    expect(others(gone)).toEqual([['runtime_verifier', 'not_made', 'there is no such verifier here']]);
    const error = changed('runtime_verifier', { status: 'error', message: 'no executor', code: 'LEVEL_UNAVAILABLE' });
    expect(others(error)).toEqual([['runtime_verifier', 'not_made', 'no executor (LEVEL_UNAVAILABLE)']]);
    const after = changed('runtime_verifier', { status: 'skipped', message: 'later', code: 'AFTER_HARD_FAILURE' });
    expect(others(after)).toEqual([['runtime_verifier', 'not_made', 'later']]);
    expect(reproductionText(compare(after))).toStartWith('INCOMPLETE');
  });
  test('where it was left out, or a flag may be what is missing', () => {
    const leftOut = { safety_filter: 'it asks a service' };
    expect(others(passedVerdicts(), { leftOut })).toEqual([['safety_filter', 'not_made', 'it asks a service']]);
    const signed = [verdictOf('tool_validator')];
    const found = [verdictOf('tool_validator', { status: 'skipped' })];
    const [first] = others(found, { signed });
    expect(first).toEqual(['tool_validator', 'not_made', 'nothing to look at: --tools?']);
    const [told] = others(found, { signed, given: { ...nothing, tools: true } });
    expect(told).toEqual(['tool_validator', 'differs', 'signed is passed, found is skipped: it holds']);
  });
});
