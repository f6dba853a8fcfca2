import { sha256Hex } from '@labmesh/attest/sha256';

/** Boards that are kept: a fit of 200 players with its resamples takes seconds. */
const keptMost = 64;

/**
 * Remembers boards by `name` for as long as what they are made of is the same.
 * @returns as `make`; rejects as it does
 */
export function keptLeaderboards<C, B>(
  make: (battles: readonly C[], seed: number) => Promise<B>,
): (name: string, battles: readonly C[], seed: number) => Promise<B> {
  const kept = new Map<string, { from: string; board: Promise<B> }>();
  return (name, battles, seed) => {
    const from = sha256Hex(new TextEncoder().encode(JSON.stringify([seed, battles])));
    const known = kept.get(name);
    const board = known?.from === from ? known.board : make(battles, seed);
    // What is looked at goes last; what nobody looked at for long is let go.
    kept.delete(name);
    kept.set(name, { from, board });
    for (const oldest of kept.keys()) {
      if (kept.size <= keptMost) break;
      kept.delete(oldest);
    }
    // What failed is tried anew.
    board.catch(() => {
      if (kept.get(name)?.board === board) kept.delete(name);
    });
    return board;
  };
}
