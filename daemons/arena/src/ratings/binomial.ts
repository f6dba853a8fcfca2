import type { Random } from './seeded-random.ts';

/** Below this many expected successes counting up is cheaper, and exact without logarithms. */
const countingMost = 10;

/** Successes among `trials` with probability `p`: exact draws, by inversion or by rejection (Hormann 1993, BTRS). */
export function binomial(trials: number, p: number, random: Random): number {
  if (trials <= 0 || p <= 0) return 0;
  if (p >= 1) return trials;
  if (p > 0.5) return trials - binomial(trials, 1 - p, random);
  return trials * p < countingMost ? counted(trials, p, random) : rejected(trials, p, random);
}

/** Gaps between successes are geometric. */
function counted(trials: number, p: number, random: Random): number {
  const scale = Math.log1p(-p);
  let successes = 0;
  let at = 0;
  for (;;) {
    at += Math.floor(Math.log1p(-random()) / scale) + 1;
    if (at > trials) return successes;
    successes++;
  }
}

function rejected(trials: number, p: number, random: Random): number {
  const odds = p / (1 - p);
  const deviation = Math.sqrt(trials * p * (1 - p));
  const b = 1.15 + 2.53 * deviation;
  const a = -0.0873 + 0.0248 * b + 0.01 * p;
  const alpha = (2.83 + 5.1 / b) * deviation;
  const mode = Math.floor((trials + 1) * p);
  for (;;) {
    const u = random() - 0.5;
    const v = random();
    const side = 0.5 - Math.abs(u);
    const k = Math.floor(((2 * a) / side + b) * u + trials * p + 0.5);
    if (side >= 0.07 && v <= 0.92 - 4.2 / b) return k;
    if (k < 0 || k > trials) continue;
    if (Math.log((v * alpha) / (a / (side * side) + b)) <= logRatio(trials, odds, mode, k)) return k;
  }
}

/** log P(k) / P(mode), by Stirling's series. */
function logRatio(trials: number, odds: number, mode: number, k: number): number {
  const tail = (n: number) => stirlingTail(n);
  return (
    (mode + 0.5) * Math.log((mode + 1) / (odds * (trials - mode + 1))) +
    (trials + 1) * Math.log((trials - mode + 1) / (trials - k + 1)) +
    (k + 0.5) * Math.log((odds * (trials - k + 1)) / (k + 1)) +
    tail(mode) +
    tail(trials - mode) -
    tail(k) -
    tail(trials - k)
  );
}

/** log n! less what Stirling's formula gives for it at n + 1. */
function stirlingTail(n: number): number {
  const known = tails[n];
  if (known !== undefined) return known;
  const squared = (n + 1) ** 2;
  return (1 / 12 - (1 / 360 - 1 / 1260 / squared) / squared) / (n + 1);
}

const tails = Array.from({ length: 10 }, (_, n) => {
  let logFactorial = 0;
  for (let factor = 2; factor <= n; factor++) logFactorial += Math.log(factor);
  return logFactorial - ((n + 0.5) * Math.log(n + 1) - (n + 1) + 0.5 * Math.log(2 * Math.PI));
});
