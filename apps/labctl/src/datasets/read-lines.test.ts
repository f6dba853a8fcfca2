import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { LinesError, readLines } from './read-lines.ts';

async function* parts(bytes: Uint8Array, cuts: readonly number[]) {
  let from = 0;
  for (const cut of cuts.map((at) => at % (bytes.length + 1)).toSorted((a, b) => a - b)) {
    yield bytes.subarray(from, cut);
    from = cut;
  }
  yield bytes.subarray(from);
}

test('lines are the same however the bytes are cut', async () => {
  const line = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\n', ''));
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.array(fc.nat()), fc.boolean(), async (lines, cuts, ended) => {
      const bytes = new TextEncoder().encode(lines.join('\n') + (ended ? '\n' : ''));
      expect(await Array.fromAsync(readLines(parts(bytes, cuts), 10_000))).toEqual(lines.filter(Boolean));
    }),
  );
});

test('a line that does not end is refused, not held', async () => {
  async function* endless() {
    for (;;) yield await Promise.resolve(new Uint8Array(100).fill(97));
  }
  const read = Array.fromAsync(readLines(endless(), 1_000));
  expect(await read.catch((error: unknown) => error)).toBeInstanceOf(LinesError);
});
