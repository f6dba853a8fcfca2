/** Counts of a JUnit XML report, from its head alone: what pytest, Bun, Jest, Gradle and their like write. */

export type JunitCounts = { passed: number; failed: number; total: number };

/** Characters that are looked at: the declaration, and the opening tags of all suites and of the first. */
const headMost = 4_000;
const tagMost = 1_000;

function countsOf(attributes: string): JunitCounts | undefined {
  const count = (name: string) => {
    const digits = new RegExp(String.raw`(?:^|\s)${name}="(\d{1,9})"`).exec(attributes)?.[1];
    return digits === undefined ? undefined : Number(digits);
  };
  const [total, failures] = [count('tests'), count('failures')];
  if (total === undefined || failures === undefined) return undefined;
  const failed = Math.min(total, failures + (count('errors') ?? 0));
  const passed = Math.max(0, total - failed - (count('skipped') ?? 0));
  return { passed, failed, total };
}

/**
 * `<testsuites name="bun test" tests="3" failures="1" skipped="0" …>`, or the first `<testsuite …>` where the outer tag has no
 * counts, as with pytest. Skipped tests are neither passed nor failed. Undefined for what is no report. Whoever ran the tests
 * wrote it: a count is that program's word.
 */
export function junitCounts(report: string): JunitCounts | undefined {
  const head = report.slice(0, headMost);
  for (const name of ['testsuites', 'testsuite']) {
    const attributes = new RegExp(String.raw`<${name}\s([^<>]{0,${tagMost}})>`).exec(head)?.[1];
    const counts = countsOf(attributes ?? '');
    if (counts !== undefined) return counts;
  }
  return undefined;
}
