import { sha256Hex } from '@labmesh/attest/sha256';
import { BoundedQueue } from '@labmesh/kit/bounded-queue';

/** Boards that are kept: a fit of 200 players with its resamples takes seconds. */
const keptMost = 64;
/** Fits at a time: their work is the process's own, which has runs to drive as well. */
const fitsMost = 2;

/** A line before `fitsMost` places, as long as there are boards. */
export class Fits {
  readonly #waiting = new BoundedQueue<() => void>('arena.leaderboard_fits', 2 * keptMost);
  #running = 0;

  /** Rejects as `work` does; with BoundPassed when too many wait. */
  async run<B>(work: () => Promise<B>): Promise<B> {
    if (this.#running < fitsMost) this.#running += 1;
    // Whoever ends hands its place on.
    else await new Promise<void>((admit) => this.#waiting.push(admit));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

type Kept<B> = { from: string; board: Promise<B>; isOpen: boolean };

/**
 * Remembers boards by `name` for as long as what they are made of is the same. A board is fitted once at a time: who asks
 * meanwhile is given what comes of it, a few battles older perhaps.
 * @param fits shared by all boards of a process
 * @returns as `make`; rejects as it does, and with BoundPassed when too many fits wait
 */
export function keptLeaderboards<C, B>(
  make: (battles: readonly C[], seed: number) => Promise<B>,
  fits: Pick<Fits, 'run'> = new Fits(),
): (name: string, battles: readonly C[], seed: number) => Promise<B> {
  const kept = new Map<string, Kept<B>>();

  function begin(from: string, battles: readonly C[], seed: number): Kept<B> {
    const made: Kept<B> = { from, board: fits.run(() => make(battles, seed)), isOpen: true };
    const end = () => {
      made.isOpen = false;
    };
    made.board.then(end, end);
    return made;
  }

  return (name, battles, seed) => {
    const from = sha256Hex(new TextEncoder().encode(JSON.stringify([seed, battles])));
    const known = kept.get(name);
    const one = known !== undefined && (known.isOpen || known.from === from) ? known : begin(from, battles, seed);
    // What is looked at goes last; what nobody looked at for long is let go, save what is still being made.
    kept.delete(name);
    kept.set(name, one);
    for (const [oldest, { isOpen }] of kept) {
      if (kept.size <= keptMost) break;
      if (!isOpen) kept.delete(oldest);
    }
    // What failed is tried anew.
    one.board.catch(() => {
      if (kept.get(name) === one) kept.delete(name);
    });
    return one.board;
  };
}
