/**
 * How few battles hold the first place (AR15; Huang et al. 2025 found 2 of 57,477 to be enough). Battles are ordered by
 * their influence on the lead, from one Newton step, and the shortest run of them whose removal really gives the place to
 * another is found by fitting again. An upper bound of the fewest: other sets could be smaller still.
 */
import { type Battle, bradleyTerry } from './bradley-terry.ts';
import { factorSymmetric, solveFactored } from './solve-symmetric.ts';

export type Leverage = {
  /** Battles to take away; null when no such set turns the order. */
  battles: number | null;
  of: number;
  leader: number;
  /** Who leads then. */
  overtaker: number | null;
};

/** Who is far behind needs more battles than those right after the leader. */
const challengersMost = 3;

/** Logits by which another has to lead: an equal place is no other order. */
const ahead = 1e-6;

const sigma = (logit: number) => 1 / (1 + Math.exp(-logit));
const total = (battles: readonly Battle[]) =>
  battles.reduce((sum, { winsA, winsB, ties }) => sum + winsA + winsB + ties, 0);

/** Of the fit over `battles`; null for fewer than two players. */
export function leverage(players: number, battles: readonly Battle[]): Leverage | null {
  if (players < 2) return null;
  const { logits } = bradleyTerry(players, battles);
  const order = logits.map((_, player) => player).toSorted((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0));
  const [leader = 0, ...others] = order;
  const factor = factorSymmetric(information(players, battles, logits), players);
  let fewest: Leverage = { battles: null, of: total(battles), leader, overtaker: null };
  for (const challenger of others.slice(0, challengersMost)) {
    const lead = new Float64Array(players);
    lead[leader] = 1;
    lead[challenger] = -1;
    const removals = byInfluence(battles, logits, solveFactored(factor, players, lead));
    const found = shortest(players, battles, removals, leader, logits, fewest.battles ?? Infinity);
    if (found !== null) fewest = { ...fewest, ...found };
  }
  return fewest;
}

/** Second derivatives of the fit: games times p (1 - p) per pair, and of the virtual draw. */
function information(players: number, battles: readonly Battle[], logits: readonly number[]): Float64Array {
  const matrix = new Float64Array(players * players);
  const add = (row: number, column: number, value: number) => {
    matrix[row * players + column] = (matrix[row * players + column] as number) + value;
  };
  for (const [player, logit] of logits.entries()) add(player, player, sigma(logit) * sigma(-logit));
  for (const { a, b, winsA, winsB, ties, weight = 1 } of battles) {
    const p = sigma((logits[a] ?? 0) - (logits[b] ?? 0));
    const known = weight * (winsA + winsB + ties) * p * (1 - p);
    add(a, a, known);
    add(b, b, known);
    add(a, b, -known);
    add(b, a, -known);
  }
  return matrix;
}

type Kind = 'winsA' | 'winsB' | 'ties';
/** Battles of one pair and outcome; each takes `effect` from the lead when it goes. */
type Removal = { at: number; kind: Kind; count: number; effect: number };
const outcomes: Readonly<Record<Kind, number>> = { winsA: 1, ties: 0.5, winsB: 0 };

function byInfluence(battles: readonly Battle[], logits: readonly number[], slope: Float64Array): Removal[] {
  return battles
    .flatMap((battle, at) => {
      const p = sigma((logits[battle.a] ?? 0) - (logits[battle.b] ?? 0));
      const along = (slope[battle.a] ?? 0) - (slope[battle.b] ?? 0);
      return (['winsA', 'ties', 'winsB'] as const).map((kind) => ({
        at,
        kind,
        count: Math.floor(battle[kind]),
        effect: (battle.weight ?? 1) * (outcomes[kind] - p) * along,
      }));
    })
    .filter(({ count, effect }) => count > 0 && effect > 0)
    .toSorted((one, other) => other.effect - one.effect);
}

function without(battles: readonly Battle[], removals: readonly Removal[], many: number): Battle[] {
  const left = battles.map((battle) => ({ ...battle }));
  for (const { at, kind, count } of removals) {
    const taken = Math.min(count, many);
    many -= taken;
    const battle = left[at];
    if (battle !== undefined) battle[kind] -= taken;
    if (many === 0) break;
  }
  return left;
}

/** Doubling finds a number that turns the order, halving the smallest; fewer than `below` or null. */
function shortest(
  players: number,
  battles: readonly Battle[],
  removals: readonly Removal[],
  leader: number,
  logits: readonly number[],
  below: number,
): { battles: number; overtaker: number } | null {
  const all = removals.reduce((sum, { count }) => sum + count, 0);
  const most = Math.min(all, below - 1);
  const overtaker = (many: number) => {
    const fit = bradleyTerry(players, without(battles, removals, many), logits).logits;
    const first = fit.indexOf(Math.max(...fit));
    return (fit[first] ?? 0) > (fit[leader] ?? 0) + ahead ? first : null;
  };
  let high = Math.min(1, most);
  while (high < most && overtaker(high) === null) high = Math.min(most, high * 2);
  let found = high < 1 ? null : overtaker(high);
  if (found === null) return null;
  let low = 0;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const first = overtaker(middle);
    if (first === null) low = middle;
    else [high, found] = [middle, first];
  }
  return { battles: high, overtaker: found };
}
