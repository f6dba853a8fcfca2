/** Uniform in [0, 1). */
export type Random = () => number;

/**
 * Repeatable draws from a recorded seed (sfc32, seeded by the 64 bits of a safe integer). For draws and resamples that
 * anyone may replay, never for secrets.
 */
export function seededRandom(seed: number): Random {
  let a = Math.trunc(seed) | 0;
  let b = Math.trunc(seed / 2 ** 32) | 0;
  let c = 0x9e3779b9 | 0;
  let counter = 1;
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return (sum >>> 0) / 2 ** 32;
  };
  // Neighbouring seeds have to part first.
  for (let turn = 0; turn < 16; turn++) next();
  return next;
}

/** A new list in a drawn order (Fisher and Yates). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const list = [...items];
  for (let last = list.length - 1; last > 0; last--) {
    const at = Math.floor(random() * (last + 1));
    const moved = list[at] as T;
    list[at] = list[last] as T;
    list[last] = moved;
  }
  return list;
}
