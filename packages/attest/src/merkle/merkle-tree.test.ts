import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { AttestRefused } from '../attest-refused.ts';
import { utf8 } from '../bytes/bytes.ts';
import { refusalOf } from '../testing/refusal.ts';
import { checkConsistency, emptyRoot, type Hash, leafHash, nodeHash, rootByInclusion, splitOf } from './merkle-tree.ts';
import { edgeRoot, emptyEdge, growEdge } from './tree-edge.ts';

/** The eight leaves that Certificate Transparency's own tests use. */
const ctLeaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];

/** MTH of RFC 6962 section 2.1, word for word. */
function definedRoot(entries: readonly Uint8Array[]): Hash {
  const [first] = entries;
  if (first === undefined) return emptyRoot();
  if (entries.length === 1) return leafHash(first);
  const half = splitOf(entries.length);
  return nodeHash(definedRoot(entries.slice(0, half)), definedRoot(entries.slice(half)));
}

describe('roots that are known (spec CT9)', () => {
  test('of nothing, of one empty leaf, of the leaves of CT', () => {
    expect(emptyRoot().toHex()).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(leafHash(new Uint8Array(0)).toHex()).toBe(
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    );
    const entries = ctLeaves.map((hex) => Uint8Array.fromHex(hex));
    const root = '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328';
    expect(definedRoot(entries).toHex()).toBe(root);
    expect(edgeRoot(growEdge(emptyEdge, entries).edge).toHex()).toBe(root);
  });

  test('a leaf never hashes like a node', () => {
    const [left, right] = [leafHash(utf8('a')), leafHash(utf8('b'))];
    expect(leafHash(new Uint8Array([...left, ...right]))).not.toEqual(nodeHash(left, right));
  });
});

test('the edge has the defined root, however the entries came', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 300 }), { maxLength: 5 }), (groups) => {
      let [edge, next] = [emptyEdge, 0];
      const all: Uint8Array[] = [];
      for (const size of groups) {
        const group = Array.from({ length: size }, () => utf8(`entry ${next++}`));
        all.push(...group);
        ({ edge } = growEdge(edge, group));
      }
      expect(edge.size).toBe(all.length);
      expect(edgeRoot(edge)).toEqual(definedRoot(all));
    }),
    { numRuns: 30 },
  );
});

test('splits are exact far beyond 2^32', () => {
  expect([2, 3, 4, 5, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1].map(splitOf)).toEqual([1, 2, 2, 4, 2 ** 31, 2 ** 32, 2 ** 52]);
});

describe('proofs that are none', () => {
  const entries = Array.from({ length: 7 }, (_, index) => utf8(`${index}`));
  const leaf = leafHash(utf8('3'));
  const of = (...indexes: number[]) => definedRoot(indexes.map((index) => entries[index] ?? utf8('')));
  const path = [of(2), of(0, 1), of(4, 5, 6)];

  test('the right one leads to the root; with more, fewer or other hashes it does not', async () => {
    expect(rootByInclusion(leaf, 3, 7, path)).toEqual(definedRoot(entries));
    expect(rootByInclusion(leaf, 3, 7, path.toReversed())).not.toEqual(definedRoot(entries));
    for (const [index, size, hashes] of [
      [3, 7, path.slice(1)],
      [3, 7, [...path, of(1)]],
      [7, 7, path],
      [-1, 7, path],
      [1.5, 7, path],
      [0, 0, []],
      [3, 2 ** 53, path],
      [Number.NaN, 7, path],
    ] as const) {
      expect(await refusalOf(() => rootByInclusion(leaf, index, size, hashes))).toBe('LOG_PROOF_BAD');
    }
  });

  test('one entry: the leaf is the root', () => expect(rootByInclusion(leaf, 0, 1, [])).toEqual(leaf));

  test('two heads of one size that differ are a split view', async () => {
    const head = { size: 7, root: definedRoot(entries) };
    expect(await refusalOf(() => checkConsistency(head, { size: 7, root: of(1) }, []))).toBe('LOG_SPLIT_VIEW');
    expect(await refusalOf(() => checkConsistency(head, head, []))).toBeUndefined();
    expect(await refusalOf(() => checkConsistency(head, head, [of(1)]))).toBe('LOG_PROOF_BAD');
    expect(await refusalOf(() => checkConsistency(head, { size: 6, root: of(1) }, []))).toBe('LOG_PROOF_BAD');
  });

  test('every log begins with the empty one, and there is nothing to show for it', async () => {
    const empty = { size: 0, root: emptyRoot() };
    const head = { size: 7, root: definedRoot(entries) };
    expect(await refusalOf(() => checkConsistency(empty, head, []))).toBeUndefined();
    expect(await refusalOf(() => checkConsistency(empty, head, [of(1)]))).toBe('LOG_PROOF_BAD');
  });

  test('whatever is shown, another log is not taken for this one', () => {
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const head = fc.record({ size: fc.nat({ max: 40 }), root: hash });
    fc.assert(
      fc.property(head, head, fc.array(hash, { maxLength: 8 }), (older, newer, hashes) => {
        try {
          checkConsistency(older, newer, hashes);
          // Nothing random leads to a root; what passes says nothing.
          expect(older.size === 0 || (older.size === newer.size && Bun.deepEquals(older.root, newer.root))).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(AttestRefused);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
