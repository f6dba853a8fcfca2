import type { RandomSource as Random } from '../mceliece/random-source.ts';

/** Gives the scripted values of each length in order, and after them, or for other lengths, fills with `rest`. */
export function scriptedRandom(script: readonly Uint8Array[], rest = 0x5a): Random {
  const left = [...script];
  return (bytes) => {
    const at = left.findIndex((value) => value.length === bytes);
    return left.splice(at, at === -1 ? 0 : 1)[0]?.slice() ?? new Uint8Array(bytes).fill(rest);
  };
}

/** Repeatable bytes from a seed (xorshift32): for orders and losses, never for keys. */
export function seededRandom(seed: number): Random {
  let state = (seed * 0x9e3779b1 + 1) >>> 0 || 1;
  const next = () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>>= 0);
  };
  for (let i = 0; i < 8; i++) next();
  return (bytes) => Uint8Array.from({ length: bytes }, () => next() >>> 24);
}
