/** What the cases of a suite say together. Of hidden ones neither input nor output nor error text is told (V20). */
import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import type { SandboxLevel } from '@labmesh/wire/verification/sandbox';
import type { Suite } from '@labmesh/wire/verification/suite';
import type { Finding } from '../../contract/verifier.ts';
import { hiddenCases } from '../../suites/parse-suite.ts';
import type { CaseReport } from './hidden-cases.ts';
import { lowest } from '../programs/lowest.ts';

const textCharsMost = 200;

function failedDetails(suite: Suite, report: Extract<CaseReport, { kind: 'failed' }>) {
  const one = suite.cases[report.index];
  if (one?.visible !== true) return { hidden: true, why: report.why };
  const said = report.text === '' ? {} : { error: report.text.slice(0, textCharsMost) };
  return { hidden: false, case: report.index, why: report.why, args: one.args, expect: one.expect, ...said };
}

/**
 * Hash of what was seen, over the suite itself, so that the evidence in a certificate lets nobody try out what hidden
 * cases may be.
 */
const evidenceOf = (suite: Suite, program: string, reports: readonly CaseReport[]) =>
  sha256Hex(canonicalBytes({ suite, program, cases: reports.map(({ index, kind }) => ({ index, kind })) }));

export type CasesFinding = Finding & { status: 'passed' | 'failed' | 'error' };

/** @param program hex SHA-256 of the code */
export function casesFinding(suite: Suite, program: string, reports: readonly CaseReport[]): CasesFinding {
  const levels = reports.flatMap((one): SandboxLevel[] =>
    one.kind !== 'error' && one.level !== null ? [one.level] : [],
  );
  const level = lowest(levels);
  const cases = { total: suite.cases.length, hidden: hiddenCases(suite) };
  // A case that failed is proof whatever became of others.
  const failed = reports.find((one) => one.kind === 'failed');
  if (failed !== undefined) {
    const details = { grade: 'io', cases, failed: failedDetails(suite, failed) };
    const which = suite.cases[failed.index]?.visible === true ? 'a visible case' : 'a hidden case';
    return { status: 'failed', message: `${which}: ${failed.why}`, details, level, code: failed.code };
  }
  const error = reports.find((one) => one.kind === 'error');
  if (error !== undefined || reports.length !== suite.cases.length) {
    const message = error?.message ?? 'not every case ran';
    const details = { grade: 'io', cases };
    return { status: 'error', message, details, level, code: error?.code ?? 'CASES_INCOMPLETE' };
  }
  return {
    status: 'passed',
    message: `${cases.total} of ${cases.total} cases hold, ${cases.hidden} of them hidden`,
    details: { grade: 'io', cases },
    level,
    evidenceSha256: evidenceOf(suite, program, reports),
    grants: ['TESTS_PASSED_HIDDEN'],
  };
}
