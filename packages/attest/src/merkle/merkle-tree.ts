/**
 * RFC 6962 section 2.1: hashes of leaves and nodes, and what inclusion and consistency proofs have to show. Sizes and
 * indexes are whole numbers up to 2^53; no bit operations, which would cut them to 32 bits.
 */
import { AttestRefused } from '../attest-refused.ts';
import { equalBytes } from '../bytes/bytes.ts';
import { sha256 } from '../sha256.ts';

export type Hash = Uint8Array;

export const hashBytes = 32;

/** Hashes in the longest proof: trees are no higher. */
export const proofHashesMax = 53;

/** Root of a log without entries. */
export const emptyRoot = (): Hash => sha256(new Uint8Array(0));

/** The prefix keeps a leaf from passing as a node. */
export function leafHash(entry: Uint8Array): Hash {
  const input = new Uint8Array(1 + entry.length);
  input.set(entry, 1);
  return sha256(input);
}

export function nodeHash(left: Hash, right: Hash): Hash {
  const input = new Uint8Array(1 + 2 * hashBytes);
  input[0] = 1;
  input.set(left, 1);
  input.set(right, 1 + hashBytes);
  return sha256(input);
}

/** The largest power of two below `size`, which is at least 2: where a tree of that size divides. */
export function splitOf(size: number): number {
  let half = 1;
  while (half * 2 < size) half *= 2;
  return half;
}

const bad = (what: string) => new AttestRefused('LOG_PROOF_BAD', what);

/** The hashes of a proof, taken from its end: the outermost first. */
function taker(path: readonly Hash[]): { take: () => Hash; end: () => void } {
  let left = path.length;
  return {
    take: () => {
      const hash = path[--left];
      if (hash === undefined) throw bad('the proof is too short');
      return hash;
    },
    end: () => {
      if (left !== 0) throw bad('the proof is too long');
    },
  };
}

/**
 * The root that a leaf at `index` of a tree of `size` has by `path`, leaf's sibling first.
 * @throws AttestRefused LOG_PROOF_BAD when the path has not the length that such a proof has.
 */
export function rootByInclusion(leaf: Hash, index: number, size: number, path: readonly Hash[]): Hash {
  if (!Number.isSafeInteger(size) || !Number.isSafeInteger(index) || index < 0 || index >= size) {
    throw bad('no such index in a log of this size');
  }
  const proof = taker(path);
  const root = (at: number, width: number): Hash => {
    if (width === 1) return leaf;
    const half = splitOf(width);
    const other = proof.take();
    return at < half ? nodeHash(root(at, half), other) : nodeHash(other, root(at - half, width - half));
  };
  const found = root(index, size);
  proof.end();
  return found;
}

export type TreeHead = { size: number; root: Hash };

/**
 * Shows that the log of `older` is the beginning of that of `newer`.
 * @throws AttestRefused LOG_SPLIT_VIEW when two heads of one size differ; LOG_PROOF_BAD when the path does not show it.
 */
export function checkConsistency(older: TreeHead, newer: TreeHead, path: readonly Hash[]): void {
  if (older.size > newer.size) throw bad('the newer log is the smaller one');
  if (older.size === newer.size && !equalBytes(older.root, newer.root)) {
    throw new AttestRefused('LOG_SPLIT_VIEW', `two logs of ${older.size} entries differ`);
  }
  const proof = taker(path);
  // Both roots of a part of the tree, of its first `size` leaves and of all `width`. `whole`: it begins where the log
  // does and ends where the older one did, so that its root is the older one's, which the proof leaves out.
  const roots = (size: number, width: number, whole: boolean): [older: Hash, newer: Hash] => {
    if (size === width) {
      const both = whole ? older.root : proof.take();
      return [both, both];
    }
    const half = splitOf(width);
    const outer = proof.take();
    if (size <= half) {
      const [before, after] = roots(size, half, whole);
      return [before, nodeHash(after, outer)];
    }
    const [before, after] = roots(size - half, width - half, false);
    return [nodeHash(outer, before), nodeHash(outer, after)];
  };
  // Every log begins with the empty one: there is nothing to show, and nothing may be shown.
  if (older.size > 0) {
    const [before, after] = roots(older.size, newer.size, true);
    if (!equalBytes(before, older.root) || !equalBytes(after, newer.root)) {
      throw new AttestRefused('LOG_SPLIT_VIEW', 'the newer log does not begin with the older one');
    }
  }
  proof.end();
}
