/**
 * A tournament replayed from its rows (AR9, AR16): the method's generator is run from its start with the results that are
 * there, up to the first round that lacks one. Nothing is kept between steps, so a step after a crash is the same step.
 */
import type {
  Entrant,
  PlannedMatch,
  PlayedMatch,
  Ranking,
  TournamentInput,
  TournamentStep,
} from '../contract/tournament.ts';
import { seededRandom } from '../ratings/seeded-random.ts';
import { verificationLimits } from '@labmesh/wire/verification/verification-block';
import type { Field, Result, Standing } from './field.ts';
import { matchesOf, methods } from './methods.ts';
import { rank, rawRewards, zNormalised } from './rank.ts';

const voidShareMost = 0.2;
const groupFloor = -1;
const weightedFloor = -10;

const keyOf = ({ round, a, b }: PlannedMatch) => `${round}/${a}/${b}`;

/** What is to be played next, or who won. @throws RangeError past 16 entrants */
export function tournamentStep(input: TournamentInput): TournamentStep {
  const { entrants, method } = input;
  if (entrants.length > verificationLimits.variationsMost) {
    throw new RangeError(
      `${entrants.length} entrants are over the ${verificationLimits.variationsMost} of a tournament`,
    );
  }
  const valid = entrants.flatMap((entrant, index) => (entrant.valid ? [index] : []));
  if (valid.length < 2) {
    const reward = method === 'verified_anchor' ? 1 : 0;
    return { state: 'done', ranking: ranked(input, valid, { order: [0], ranks: [1], rewards: [reward], scores: [1] }) };
  }
  const played = playedOf(input.played);
  const plan = methods[method](fieldOf(input, valid));
  const of = matchesOf(method, valid.length, input.roundsMost);
  let voided = 0;
  let step = plan.next([]);
  for (let round = 0; step.done !== true; round++) {
    const planned = step.value.map(({ a, b }) => ({ round, a: valid[a] as number, b: valid[b] as number }));
    const results = planned.map((match) => played.get(keyOf(match)));
    voided += results.filter((result) => result?.winner === 'void').length;
    if (voided > voidShareMost * of) return { state: 'inconclusive', voided, of };
    const next = planned.filter((_, at) => results[at] === undefined);
    if (next.length > 0) return { state: 'play', next };
    step = plan.next(step.value.map((pair, at): Result => ({ ...(results[at] as PlayedMatch), ...pair })));
  }
  return { state: 'done', ranking: ranked(input, valid, amongValid(step.value, fieldOf(input, valid))) };
}

/** The first row of a match counts: two replicas can have played one. */
function playedOf(matches: readonly PlayedMatch[]): Map<string, PlayedMatch> {
  return new Map(matches.toReversed().map((match) => [keyOf(match), match]));
}

function fieldOf(input: TournamentInput, valid: readonly number[]): Field {
  const entrants = valid.map((index) => input.entrants[index] as Entrant);
  return {
    size: valid.length,
    preference: (a, b) => (entrants[a]?.costUsd ?? 0) - (entrants[b]?.costUsd ?? 0) || a - b,
    weights: entrants.map(({ weight }) => weight ?? 1),
    roundsMost: input.roundsMost,
    random: seededRandom(input.seed),
  };
}

/** By place among the valid. */
function amongValid({ keys, scores, rewarding }: Standing, field: Field): Ranking {
  const { order, ranks } = rank(keys, field.preference);
  const byRank = ranks.map((own) => 1 - (own - 1) / (field.size - 1));
  const rewards = typeof rewarding === 'object' ? rewarding.rewards : zNormalised(rawRewards(ranks, rewarding));
  return { order, ranks, rewards, scores: scores ?? byRank };
}

/** By index of all: who failed verification stands below all, at a reward that no valid one can have (AR9). */
function ranked(input: TournamentInput, valid: readonly number[], among: Ranking): Ranking {
  const { entrants, method } = input;
  const floor = input.floor ?? (method === 'verification_weighted' ? weightedFloor : groupFloor);
  const failed = Math.min(floor, ...among.rewards.slice(0, valid.length).map((reward) => reward - 1));
  const places = new Map(valid.map((index, place) => [index, place]));
  const per = <T>(values: readonly T[], otherwise: T) =>
    entrants.map((_, index) => values[places.get(index) ?? -1] ?? otherwise);
  const last = entrants
    .flatMap((entrant, index) => (entrant.valid ? [] : [{ ...entrant, index }]))
    .toSorted((a, b) => b.score - a.score || a.costUsd - b.costUsd || a.index - b.index);
  return {
    order: [
      ...among.order.slice(0, valid.length).map((place) => valid[place] as number),
      ...last.map(({ index }) => index),
    ],
    ranks: per(among.ranks, valid.length + 1),
    rewards: per(among.rewards, failed),
    scores: per(among.scores, 0),
  };
}
