import { expect, test } from 'bun:test';
import { SourceShares } from './source-shares.ts';

const mib = 1024 * 1024;
const of = (file: string | undefined, bytes: number) => ({
  lines: [{ at: null, ...(file !== undefined && { file }), text: 'x'.repeat(bytes) }],
});

test('a source has its share, others theirs; what is through is free again, from the front', () => {
  const shares = new SourceShares(mib, 2, 0);
  let spooled = 0;
  const append = (file: string | undefined, bytes: number) => {
    shares.appended(of(file, bytes));
    spooled += bytes + 250;
  };
  append('/b', 1_000);
  for (let n = 0; n < 8; n++) append('/a', 60_000);
  expect([shares.isSpent('file:/a', spooled), shares.isSpent('file:/b', spooled)]).toEqual([true, false]);
  append(undefined, 400_000);
  expect([shares.isSpent('journal', spooled), shares.isSpent('file:/b', spooled)]).toEqual([true, false]);
  expect(shares.isSpent('file:/a', spooled - 300_000)).toBe(false);
  expect(shares.isSpent('journal', 0)).toBe(false);
});

test('one source has all of it', () => {
  const shares = new SourceShares(mib, 1, mib);
  shares.appended(of('/a', 2 * mib));
  expect(shares.isSpent('file:/a', 3 * mib)).toBe(false);
});

test('what an earlier run left counts for each, until it is through', () => {
  const shares = new SourceShares(mib, 2, 500_000);
  expect([shares.isSpent('file:/a', 500_000), shares.isSpent('file:/b', 500_000)]).toEqual([true, true]);
  shares.appended(of('/a', 1_000));
  expect(shares.isSpent('file:/a', 1_000)).toBe(false);
});
