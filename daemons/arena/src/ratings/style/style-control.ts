/**
 * Strengths at equal style (AR15): judges like long and decorated answers, so differences of length and markdown go into
 * the fit as covariates, and what they explain is taken from nobody's strength.
 */
import { type Interval, percentileIntervals } from '../rating-intervals.ts';
import { type Random, seededRandom } from '../seeded-random.ts';
import { factorSymmetric, solveFactored } from '../solve-symmetric.ts';

export const styleNames = ['length', 'headings', 'lists', 'bold'] as const;
/** By `styleNames`. */
export type Style = readonly [number, number, number, number];

/** One match: `score` 1 when `a` won, 0.5, 0. It counts `weight`, 1 unless told. */
export type StyledBattle = { a: number; b: number; score: number; styleA: Style; styleB: Style; weight?: number };

export type StyledFit = {
  /** As of bradleyTerry, at equal style. */
  logits: number[];
  /** Logits per standard deviation of the difference: what style alone is worth. */
  coefficients: Readonly<Record<(typeof styleNames)[number], number>>;
};

export const styledBattlesMost = 100_000;
const stepsMost = 50;
const closeEnough = 1e-8;
/** As of ratings without style: a resample's strengths need no last digit. */
const resampleClose = 1e-4;
/** Holds a coefficient that no battle says anything about at 0. */
const ridge = 1;

/** Length in UTF-16 units, and counts of markdown outside code. */
export function styleOf(text: string): Style {
  const prose = text.split(/^ {0,3}(?:```|~~~).*$/m).filter((_, at) => at % 2 === 0);
  const count = (pattern: RegExp) => prose.reduce((sum, part) => sum + (part.match(pattern)?.length ?? 0), 0);
  return [
    text.length,
    count(/^ {0,3}#{1,6}[ \t]/gm),
    count(/^[ \t]{0,12}(?:[-*+]|\d{1,9}[.)])[ \t]/gm),
    count(/\*\*[^*\n]+\*\*|__[^_\n]+__/g),
  ];
}

/** -1..1: how much more of it `a` has, as a share of both. */
const difference = ({ styleA, styleB }: StyledBattle) =>
  styleNames.map((_, at) => {
    const [own, other] = [styleA[at] ?? 0, styleB[at] ?? 0];
    return own + other === 0 ? 0 : (own - other) / (own + other);
  });

/** Each column over its root mean square; both orders of a pair are one thing, so the middle stays 0. */
function scaled(columns: number[][]): number[][] {
  const scales = styleNames.map((_, at) => {
    const squares = columns.reduce((sum, row) => sum + (row[at] ?? 0) ** 2, 0);
    return Math.sqrt(squares / Math.max(1, columns.length)) || 1;
  });
  return columns.map((row) => row.map((value, at) => value / (scales[at] ?? 1)));
}

type Design = { players: number; rows: readonly { a: number; b: number; score: number; style: number[] }[] };

function designOf(players: number, battles: readonly StyledBattle[]): Design {
  if (battles.length > styledBattlesMost) throw new RangeError(`over ${styledBattlesMost} battles with style`);
  const styles = scaled(battles.map(difference));
  return { players, rows: battles.map(({ a, b, score }, at) => ({ a, b, score, style: styles[at] ?? [] })) };
}

const weightsOf = (battles: readonly StyledBattle[]) => Float64Array.from(battles, ({ weight = 1 }) => weight);

/**
 * Logistic fit by Newton's method, with the virtual draw of bradleyTerry.
 * @throws RangeError past 100,000 battles
 */
export function styleControlled(players: number, battles: readonly StyledBattle[]): StyledFit {
  return fitOf(fitted(designOf(players, battles), weightsOf(battles)), players);
}

/** The same with 95 % intervals over 1,000 resamples: battles are drawn whole, then weighed. @throws as styleControlled */
export async function styledIntervals(
  players: number,
  battles: readonly StyledBattle[],
  seed: number,
): Promise<{ intervals: Interval[]; coefficients: StyledFit['coefficients'] }> {
  const design = designOf(players, battles);
  const weights = weightsOf(battles);
  const whole = fitted(design, weights);
  const { logits, coefficients } = fitOf(whole, players);
  const random = seededRandom(seed);
  const resample = () => fitted(design, resampled(weights, random), whole, resampleClose);
  return { intervals: await percentileIntervals(logits, () => fitOf(resample(), players).logits), coefficients };
}

/** As many battles again. */
function resampled(weights: Float64Array, random: Random): Float64Array {
  const drawn = new Float64Array(weights.length);
  for (let left = weights.length; left > 0; left--) {
    const at = Math.floor(random() * weights.length);
    drawn[at] = (drawn[at] as number) + (weights[at] as number);
  }
  return drawn;
}

function fitOf(at: Float64Array, players: number): StyledFit {
  const logits = Array.from(at.subarray(0, players));
  const middle = logits.reduce((sum, logit) => sum + logit, 0) / Math.max(1, players);
  const coefficients = Object.fromEntries(styleNames.map((name, index) => [name, at[players + index] ?? 0]));
  return { logits: logits.map((logit) => logit - middle), coefficients: coefficients as StyledFit['coefficients'] };
}

/** Logits of the players, then the coefficients. */
function fitted(design: Design, weights: Float64Array, from?: Float64Array, close = closeEnough): Float64Array {
  const size = design.players + styleNames.length;
  const at = from?.slice() ?? new Float64Array(size);
  for (let step = 0; step < stepsMost; step++) {
    const { slope, matrix } = derivatives(design, weights, at);
    const change = solveFactored(factorSymmetric(matrix, size), size, slope);
    let largest = 0;
    for (const [index, by] of change.entries()) {
      at[index] = (at[index] as number) + by;
      largest = Math.max(largest, Math.abs(by));
    }
    if (largest < close) break;
  }
  return at;
}

const add = (target: Float64Array, place: number, value: number) => {
  target[place] = (target[place] as number) + value;
};

/** Of the log likelihood; of the matrix only the lower half, which is all that is looked at. */
function derivatives({ players, rows }: Design, weights: Float64Array, at: Float64Array) {
  const size = at.length;
  const slope = new Float64Array(size);
  const matrix = new Float64Array(size * size);
  for (let place = 0; place < size; place++) {
    const own = at[place] as number;
    const p = 1 / (1 + Math.exp(-own));
    add(slope, place, place < players ? 0.5 - p : -ridge * own);
    add(matrix, place * size + place, place < players ? p * (1 - p) : ridge);
  }
  for (let row = 0; row < rows.length; row++) {
    const weight = weights[row] as number;
    if (weight === 0) continue;
    const { a, b, score, style } = rows[row] as Design['rows'][number];
    let logit = (at[a] as number) - (at[b] as number);
    for (let k = 0; k < style.length; k++) logit += (at[players + k] as number) * (style[k] as number);
    const p = 1 / (1 + Math.exp(-logit));
    const [pull, known] = [weight * (score - p), weight * p * (1 - p)];
    add(slope, a, pull);
    add(slope, b, -pull);
    add(matrix, a * size + a, known);
    add(matrix, b * size + b, known);
    add(matrix, Math.max(a, b) * size + Math.min(a, b), -known);
    for (let k = 0; k < style.length; k++) {
      const [place, value] = [players + k, style[k] as number];
      add(slope, place, pull * value);
      add(matrix, place * size + a, known * value);
      add(matrix, place * size + b, -known * value);
      for (let l = 0; l <= k; l++) add(matrix, place * size + players + l, known * value * (style[l] as number));
    }
  }
  return { slope, matrix };
}
