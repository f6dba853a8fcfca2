/**
 * Strengths at equal style (AR15): judges like long and decorated answers, so differences of length and markdown go into
 * the fit as covariates, and what they explain is taken from nobody's strength.
 */
import { factorSymmetric, solveFactored } from './solve-symmetric.ts';

export const styleNames = ['length', 'headings', 'lists', 'bold'] as const;
/** By `styleNames`. */
export type Style = readonly [number, number, number, number];

/** One match: `score` 1 when `a` won, 0.5, 0. */
export type StyledBattle = { a: number; b: number; score: number; styleA: Style; styleB: Style };

export type StyledFit = {
  /** As of bradleyTerry, at equal style. */
  logits: number[];
  /** Logits per standard deviation of the difference: what style alone is worth. */
  coefficients: Readonly<Record<(typeof styleNames)[number], number>>;
};

export const styledBattlesMost = 100_000;
const stepsMost = 50;
const closeEnough = 1e-8;
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

/**
 * Logistic fit by Newton's method, with the virtual draw of bradleyTerry.
 * @throws RangeError past 100,000 battles
 */
export function styleControlled(players: number, battles: readonly StyledBattle[]): StyledFit {
  if (battles.length > styledBattlesMost) throw new RangeError(`over ${styledBattlesMost} battles with style`);
  const rows = scaled(battles.map(difference)).map((style, at) => rowOf(battles[at] as StyledBattle, players, style));
  const size = players + styleNames.length;
  const at = new Float64Array(size);
  for (let step = 0; step < stepsMost; step++) {
    const { slope, matrix } = derivatives(rows, at, players);
    const change = solveFactored(factorSymmetric(matrix, size), size, slope);
    let largest = 0;
    for (const [index, by] of change.entries()) {
      at[index] = (at[index] as number) + by;
      largest = Math.max(largest, Math.abs(by));
    }
    if (largest < closeEnough) break;
  }
  const logits = Array.from(at.subarray(0, players));
  const middle = logits.reduce((sum, logit) => sum + logit, 0) / Math.max(1, players);
  const coefficients = Object.fromEntries(styleNames.map((name, index) => [name, at[players + index] ?? 0]));
  return { logits: logits.map((logit) => logit - middle), coefficients: coefficients as StyledFit['coefficients'] };
}

/** Places of the row that are not 0, and what stands there. */
type FitRow = { places: number[]; values: number[]; score: number };

const rowOf = ({ a, b, score }: StyledBattle, players: number, style: number[]): FitRow => ({
  places: [a, b, ...styleNames.map((_, index) => players + index)],
  values: [1, -1, ...style],
  score,
});

function derivatives(rows: readonly FitRow[], at: Float64Array, players: number) {
  const size = at.length;
  const slope = new Float64Array(size);
  const matrix = new Float64Array(size * size);
  const add = (target: Float64Array, place: number, value: number) => {
    target[place] = (target[place] as number) + value;
  };
  for (let place = 0; place < size; place++) {
    const own = at[place] as number;
    const p = 1 / (1 + Math.exp(-own));
    add(slope, place, place < players ? 0.5 - p : -ridge * own);
    add(matrix, place * size + place, place < players ? p * (1 - p) : ridge);
  }
  for (const { places, values, score } of rows) {
    const logit = places.reduce((sum, place, index) => sum + (at[place] as number) * (values[index] as number), 0);
    const p = 1 / (1 + Math.exp(-logit));
    for (const [i, row] of places.entries()) {
      const value = values[i] as number;
      add(slope, row, (score - p) * value);
      for (const [j, column] of places.entries())
        add(matrix, row * size + column, p * (1 - p) * value * (values[j] as number));
    }
  }
  return { slope, matrix };
}
