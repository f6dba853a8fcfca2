import type { methodChoices, TournamentMethod } from '@labmesh/wire/verification/verification-block';
import { anchor, verificationWeighted } from './anchor.ts';
import { doubleElimination } from './double-elimination.ts';
import type { Method } from './field.ts';
import { roundRobin } from './round-robin.ts';
import { singleElimination } from './single-elimination.ts';
import { swiss, swissBt, swissRounds } from './swiss.ts';

export const methods: Readonly<Record<TournamentMethod, Method>> = {
  anchor,
  round_robin: roundRobin,
  swiss,
  swiss_bt: swissBt,
  single_elimination: singleElimination,
  double_elimination: doubleElimination,
  verified_anchor: anchor,
  verification_weighted: verificationWeighted,
};

/** Matches of a whole tournament among `size` valid entrants; each is two calls of the judge, one an order. */
export function matchesOf(method: TournamentMethod, size: number, roundsMost?: number): number {
  if (size < 2) return 0;
  if (method === 'round_robin') return (size * (size - 1)) / 2;
  if (method === 'swiss' || method === 'swiss_bt') {
    return Math.floor(size / 2) * swissRounds(size, roundsMost, method === 'swiss' ? 0 : 1);
  }
  if (method === 'single_elimination' || method === 'double_elimination') return 2 * (size - 1);
  return size - 1;
}

/** Entrants up to which every pair is played, and from which a bracket is worth its luck. */
const everyPairMost = 6;
const bracketLeast = 8;

/**
 * The method behind a choice (AR10). `winnerOnly`: nobody will look at the places below the first.
 */
export function resolveMethod(
  choice: (typeof methodChoices)[number],
  entrants: number,
  winnerOnly: boolean,
): { method: TournamentMethod; warning: string | null } {
  if (choice === 'lightning') {
    return { method: 'anchor', warning: 'lightning compares everyone with one answer only: it seldom finds the best' };
  }
  if (choice !== 'auto') return { method: choice, warning: null };
  if (entrants <= everyPairMost) return { method: 'round_robin', warning: null };
  const bracket = winnerOnly && entrants >= bracketLeast;
  return { method: bracket ? 'double_elimination' : 'swiss_bt', warning: null };
}
