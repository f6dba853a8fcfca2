/** Who took part in a run and what was played, read off its rows: the same places and matches that the run had. */
import type { PlayedMatch } from '../contract/tournament.ts';
import { combineLegs, type Leg } from '../judges/play-match.ts';
import type { StoredCandidate } from '../rows/candidate-rows.ts';
import type { StoredLeg } from '../rows/match-rows.ts';

/** A distinct answer and what it was at the end; its place in the list is its place in the tournament. */
export type Player = { idx: number; final: StoredCandidate };

/** What takes part in the end: the valid correction, else the answer itself. */
export const finalOf = (candidates: readonly StoredCandidate[], original: StoredCandidate): StoredCandidate =>
  candidates.findLast(({ idx, attempt, outcome }) => idx === original.idx && attempt > 0 && outcome === 'valid') ??
  original;

/** Whole answers, one of each that were equal. */
export const distinctOf = (candidates: readonly StoredCandidate[]): StoredCandidate[] =>
  candidates.filter(({ attempt, state, sameAs }) => attempt === 0 && state === 'generated' && sameAs === null);

/** Distinct answers that took part, as the run chose them. */
export function playersOf(candidates: readonly StoredCandidate[]): Player[] {
  const seen = new Set<string>();
  return distinctOf(candidates)
    .map((original) => ({ idx: original.idx, final: finalOf(candidates, original) }))
    .filter(({ final: { outcome, digest } }) => {
      if ((outcome !== 'valid' && outcome !== 'invalid') || seen.has(digest ?? '')) return false;
      seen.add(digest ?? '');
      return true;
    });
}

const comparison = (leg: StoredLeg | undefined) =>
  leg === undefined || leg.scoreA === null || leg.scoreB === null
    ? null
    : { scoreA: leg.scoreA, scoreB: leg.scoreB, rationale: leg.rationale, usd: 0 };

/** Matches by their legs; places are those of the players. */
export function playedOf(legs: readonly StoredLeg[], players: readonly Player[]): PlayedMatch[] {
  const placeOf = (idx: number) => players.findIndex((one) => one.idx === idx);
  const keys = new Set(legs.map(({ round, a, b }) => `${round} ${a} ${b}`));
  return [...keys].flatMap((key) => {
    const own = legs.filter(({ round, a, b }) => `${round} ${a} ${b}` === key);
    const [first] = own;
    const legOf = (name: Leg) => comparison(own.find(({ leg }) => leg === name));
    if (first === undefined) return [];
    const match = { round: first.round, a: placeOf(first.a), b: placeOf(first.b) };
    return match.a < 0 || match.b < 0 ? [] : [{ ...match, ...combineLegs(legOf('ab'), legOf('ba')) }];
  });
}

/** What its calls cost, corrections among them. */
export function costUsdOf(candidates: readonly StoredCandidate[], { idx }: Player): number {
  return candidates.filter((one) => one.idx === idx).reduce((sum, { costNano }) => sum + costNano, 0) / 1e9;
}
