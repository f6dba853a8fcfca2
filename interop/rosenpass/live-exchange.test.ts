import { describe, expect, test } from 'bun:test';
import { cases, makeCase, Pairing } from './exchange-cases.ts';
import { makeBench } from './make-bench.ts';
import { namedPrograms } from './programs.ts';

/** A12. The cross-check (README.md) tries more. */
describe.each([
  { family: 'rosenpass', needs: 'ROSENPASS_BIN' },
  { family: 'go-rosenpass', needs: 'GO_ROSENPASS_BIN' },
])('live exchanges with $family (needs $needs)', ({ family }) => {
  const program = namedPrograms().find((one) => one.family === family);
  test.skipIf(program === undefined).each(cases)('$title', async (one) => {
    if (program === undefined) return;
    using bench = await makeBench(program);
    await using pairing = new Pairing(bench, await makeCase(bench, one), one);
    await pairing.first();
    await pairing.again();
    expect(bench.transcript.failures).toBe(0);
  });
});
