import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { applyNetwork } from '../support.ts';
import { controlBitsOf } from './control-bits.ts';
import { sortBy } from './sort-by.ts';

function expectMoves(permutation: Int32Array): void {
  const values = Uint16Array.from({ length: 8192 }, (_, i) => (i * 5 + 3) & 8191);
  const moved = values.slice();
  applyNetwork(moved, controlBitsOf(permutation));
  expect(moved).toEqual(Uint16Array.from(permutation, (from) => values[from]!));
}
const permutationBy = (from: (i: number) => number) => Int32Array.from({ length: 8192 }, (_, i) => from(i));

test('the network with these bits puts in[π(i)] at i', () => {
  expectMoves(permutationBy((i) => i));
  expectMoves(permutationBy((i) => 8191 - i));
  expectMoves(permutationBy((i) => (i + 1) & 8191));
  expectMoves(permutationBy((i) => (i * 4093) & 8191));
});

test('and for random permutations', () => {
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat()), (stream) => {
      const keys = Int32Array.from({ length: 8192 }, () => stream.next().value as number);
      const permutation = permutationBy((i) => i);
      sortBy(keys, permutation);
      expectMoves(permutation);
    }),
    { numRuns: 5 },
  );
});
