/** What the answer's own tests say of it: they were written by whoever wrote the code, so they stand beside the grade. */
import type { SandboxLevel } from '@labmesh/wire/verification/sandbox';
import type { Finding, VerifierContext } from '../../contract/verifier.ts';
import { lowest } from '../programs/lowest.ts';
import type { Program } from '../programs/program.ts';
import type { RuntimeConfig } from '../programs/runtime-config.ts';
import { type OwnTests, runOwnTests } from './own-tests.ts';

/** Counts of all programs that bring tests; undefined when none does. */
export async function ownTestsOf(
  programs: readonly Program[],
  context: VerifierContext<RuntimeConfig>,
): Promise<OwnTests | undefined> {
  let sum: Extract<OwnTests, { kind: 'counted' }> | undefined;
  for (const program of programs) {
    const one = await runOwnTests(program, context);
    if (one === undefined) continue;
    if (one.kind !== 'counted') return one;
    const before = sum?.counts ?? { passed: 0, total: 0 };
    const counts = {
      tool: one.counts.tool,
      passed: before.passed + one.counts.passed,
      total: before.total + one.counts.total,
    };
    sum = { kind: 'counted', level: lowest([sum?.level ?? null, one.level]), counts };
  }
  return sum;
}

/** What the answer's own tests add to a finding that passed. */
export function withOwnTests(finding: Finding, tests: OwnTests | undefined, config: RuntimeConfig): Finding {
  if (tests === undefined) {
    if (!config.require_tests) return finding;
    return { ...finding, status: 'failed', message: 'the answer brings no tests', code: 'TESTS_MISSING', grants: [] };
  }
  const needed = config.require_tests || config.min_test_coverage > 0;
  if (tests.kind === 'error') {
    const details = { ...finding.details, self_tests: tests.code };
    if (!needed) return { ...finding, details };
    return { ...finding, status: 'error', message: tests.message, code: tests.code, details, grants: [] };
  }
  const counts = tests.kind === 'counted' ? tests.counts : { tool: null, passed: 0, total: 0 };
  const level: SandboxLevel | null = lowest([finding.level ?? null, tests.level]);
  const details = { ...finding.details, self_tests: counts };
  const share = counts.total === 0 ? 0 : counts.passed / counts.total;
  if (needed && (counts.total === 0 || share < config.min_test_coverage)) {
    const message = tests.kind === 'failed' ? tests.message : `${counts.passed} of ${counts.total} of its tests pass`;
    return { ...finding, status: 'failed', message, code: 'TESTS_FAILED', details, level, grants: [] };
  }
  const allPass = counts.total > 0 && counts.passed === counts.total;
  const grants: readonly string[] = [...(finding.grants ?? []), ...(allPass ? ['SELF_TESTS_PASSED'] : [])];
  return { ...finding, details, level, grants };
}
