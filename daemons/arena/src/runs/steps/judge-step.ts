/**
 * The tournament among valid answers (AR9-AR13, AR16): rows of legs in, the next matches out. Both orders of a match are
 * two calls, each a row before the next. Where judges cannot decide, what verifiers say does, and the run says so.
 */
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import { ApiError } from '@labmesh/wire/errors';
import type { Judge, Judged, JudgeSpent } from '../../contract/judge.ts';
import type { FinishedMatch } from '../../contract/finished-run.ts';
import type { PlannedMatch, PlayedMatch, Ranking, TournamentInput } from '../../contract/tournament.ts';
import { combineLegs, judgeLeg, type Leg, legs } from '../../judges/play-match.ts';
import { addLeg, type StoredLeg } from '../../rows/match-rows.ts';
import type { StoredCandidate } from '../../rows/candidate-rows.ts';
import { entrantOf } from '../../tournament/entrant-of.ts';
import { resolveMethod } from '../../tournament/methods.ts';
import { tournamentStep } from '../../tournament/tournament-step.ts';
import { nanoOfUsd } from '../budget.ts';
import { callClass } from '../call-class.ts';
import type { LiveRun } from '../live-run.ts';
import { keepsTexts } from '../run-settings.ts';

/** More rounds than any method has for 16 entrants. */
const roundsMost = 256;
const compositeFloor = -10;
/** Of one run; each is one call of a judge at a time. */
const matchesAtOnce = 4;

/** One of each distinct answer, as it stands at the end. */
export type Player = { original: StoredCandidate; final: StoredCandidate };

export type Judgement = {
  players: readonly Player[];
  method: TournamentInput['method'];
  ranking: Ranking;
  /** Of candidates' indices; empty when verifiers alone decided. */
  matches: readonly FinishedMatch[];
  /** Judges decided. */
  judged: boolean;
};

/** Distinct answers that verifiers found valid or invalid; equal ones after correction once, under the lowest index. */
function playersOf(live: LiveRun): Player[] {
  const seen = new Set<string>();
  return live.distinct
    .map((original) => ({ original, final: live.final(original) }))
    .filter(({ final }) => {
      if ((final.outcome !== 'valid' && final.outcome !== 'invalid') || seen.has(final.digest ?? '')) return false;
      seen.add(final.digest ?? '');
      return true;
    });
}

const scoreOf = ({ aggregate }: StoredCandidate) => aggregate?.combinedScoreModifier ?? 0;

function inputOf(live: LiveRun, players: readonly Player[], judge: Judge): Omit<TournamentInput, 'played'> {
  const valid = players.filter(({ final }) => final.outcome === 'valid').length;
  const winnerOnly = !keepsTexts(live.parts.settings, live.row.tenant);
  const { method, warning } = resolveMethod(live.plan.method, valid, winnerOnly);
  if (warning !== null && valid > 1) live.warnings.push(warning);
  const entrants = players.flatMap(({ original, final }) => {
    const calls = [original, ...live.corrections(original.idx)];
    const costUsd = calls.reduce((sum, call) => sum + call.costNano, 0) / 1e9;
    return final.aggregate === null ? [] : [entrantOf(final.aggregate, scoreOf(final), costUsd)];
  });
  const floor = judge.kind === 'composite' ? { floor: compositeFloor } : {};
  return { method, entrants, seed: live.row.seed, ...floor };
}

/** What decides where judges do not: the verifiers' scores, then cost, then place. */
export function rankByVerifiers(input: Omit<TournamentInput, 'played'>): Ranking {
  const played: PlayedMatch[] = [];
  for (let round = 0; round < roundsMost; round++) {
    const step = tournamentStep({ ...input, method: 'round_robin', played });
    if (step.state === 'done') return step.ranking;
    if (step.state === 'inconclusive') break;
    for (const match of step.next) {
      const [scoreA = 0, scoreB = 0] = [match.a, match.b].map((at) => input.entrants[at]?.score);
      played.push({ ...match, scoreA, scoreB, winner: scoreA === scoreB ? 'tie' : scoreA > scoreB ? 'a' : 'b' });
    }
  }
  throw new BoundPassed('arena.tournament.rounds', roundsMost);
}

class Tournament {
  readonly #live: LiveRun;
  readonly #players: readonly Player[];
  readonly #judge: Judge;

  constructor(live: LiveRun, players: readonly Player[], judge: Judge) {
    this.#live = live;
    this.#players = players;
    this.#judge = judge;
  }

  /** The match, from its rows; legs that have none are played. @throws as a judge does, and ApiError budget_exceeded */
  async play(match: PlannedMatch): Promise<PlayedMatch> {
    const results: (StoredLeg | undefined)[] = [];
    for (const leg of legs) {
      const played = this.#known(match, leg) ?? (await this.#ask(match, leg));
      results.push(played);
      // The match is void whatever the other order says.
      if (played.scoreA === null) break;
    }
    const [ab, ba] = results.map((one) =>
      one === undefined || one.scoreA === null || one.scoreB === null
        ? null
        : { scoreA: one.scoreA, scoreB: one.scoreB, rationale: one.rationale, usd: 0 },
    );
    return { ...match, ...combineLegs(ab ?? null, ba ?? null) };
  }

  /** Rows name candidates, matches name places among the players. */
  indexOf(place: number): number {
    return this.#players[place]?.original.idx ?? -1;
  }

  #known(match: PlannedMatch, leg: Leg): StoredLeg | undefined {
    const [a, b] = [this.indexOf(match.a), this.indexOf(match.b)];
    return this.#live.legs.find((one) => one.round === match.round && one.a === a && one.b === b && one.leg === leg);
  }

  async #ask(match: PlannedMatch, leg: Leg): Promise<StoredLeg> {
    const live = this.#live;
    live.signal.throwIfAborted();
    if (!live.budget.takeJudgeCall()) throw new ApiError('budget_exceeded');
    const cost = { tokensIn: 0, tokensOut: 0, costNano: 0 };
    const onSpent = ({ promptTokens, completionTokens, usd }: JudgeSpent) => {
      cost.tokensIn += promptTokens;
      cost.tokensOut += completionTokens;
      cost.costNano += nanoOfUsd(usd);
      live.budget.book(promptTokens + completionTokens, nanoOfUsd(usd));
    };
    const [a, b] = [this.#judged(match.a), this.#judged(match.b)];
    const result = await judgeLeg(this.#judge, a, b, leg, live.signal, onSpent);
    const played: StoredLeg = {
      round: match.round,
      a: this.indexOf(match.a),
      b: this.indexOf(match.b),
      leg,
      judge: this.#judge.name,
      scoreA: result?.scoreA ?? null,
      scoreB: result?.scoreB ?? null,
      rationale: result?.rationale ?? null,
      ...cost,
    };
    await live.hold((tx) => addLeg(tx, live.row.id, played));
    live.legs.push(played);
    return played;
  }

  #judged(place: number): Judged {
    const final = this.#players[place]?.final;
    const { answer, aggregate } = final ?? {};
    if (final === undefined || !answer || !aggregate) throw new TypeError('a match of nobody');
    const model = final.model ?? final.sampling.model;
    return { candidate: this.#live.candidate(answer), aggregate, score: scoreOf(final), model };
  }
}

/** So many workers take items in turn; none begins another after the first error, which is thrown when all have ended. */
async function sideBySide<T>(items: readonly T[], most: number, work: (item: T) => Promise<void>): Promise<void> {
  const line = [...items];
  let failed = false;
  const worker = async () => {
    for (let item = line.shift(); item !== undefined && !failed; item = line.shift()) {
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: most }, worker));
  const first = results.find((result) => result.status === 'rejected');
  if (first !== undefined) throw first.reason;
}

type Played = { ranking: Ranking; matches: FinishedMatch[] } | { warning: string };

async function playAll(live: LiveRun, input: Omit<TournamentInput, 'played'>, field: Tournament): Promise<Played> {
  const played: PlayedMatch[] = [];
  for (let round = 0; round < roundsMost; round++) {
    const step = tournamentStep({ ...input, played });
    const matches = () => played.map((one) => ({ ...one, a: field.indexOf(one.a), b: field.indexOf(one.b) }));
    if (step.state === 'done') return { ranking: step.ranking, matches: matches() };
    if (step.state === 'inconclusive') return { warning: `${step.voided} of ${step.of} matches were void` };
    await sideBySide(step.next, matchesAtOnce, async (match) => {
      const result = await field.play(match);
      played.push(result);
      const { scoreA, scoreB, winner } = result;
      live.tell({ event: 'match', a: field.indexOf(match.a), b: field.indexOf(match.b), scoreA, scoreB, winner });
    });
  }
  throw new BoundPassed('arena.tournament.rounds', roundsMost);
}

function tellEnded(live: LiveRun, reason: string): void {
  const timestamp = new Date(live.parts.clock.wall()).toISOString();
  const none = { terminatedCount: 0, savedTokensEstimate: 0 };
  live.tell({ event: 'terminated', reason, ...none, timestamp, details: { stage: 'judging' } });
}

/** Judges as far as budget and time allow; a warning instead when they do not reach. */
async function judged(live: LiveRun, input: Omit<TournamentInput, 'played'>, field: Tournament): Promise<Played> {
  try {
    return await playAll(live, input, field);
  } catch (error) {
    live.ended.throwIfAborted();
    if (live.halted !== undefined) return { warning: `the tournament was ended: ${live.halted}` };
    if (!(error instanceof ApiError && error.code === 'budget_exceeded')) throw error;
    tellEnded(live, 'budget_exceeded');
    return { warning: 'the budget did not reach for the tournament' };
  }
}

/** Who won. @returns undefined when no answer is valid or invalid. */
export async function judgeStep(live: LiveRun): Promise<Judgement | undefined> {
  const players = playersOf(live);
  if (players.length === 0) return undefined;
  const { tenant, key } = live.row;
  // What was approved since the run began is for later runs.
  const judge = await live.parts.judge({
    tenant,
    key,
    priority: callClass(live.offer),
    instructions: live.plan.judge.instructions ?? [],
  });
  const input = inputOf(live, players, judge);
  const { method } = input;
  const valid = input.entrants.filter((entrant) => entrant.valid).length;
  if (valid < 2) return { players, method, ranking: rankByVerifiers(input), matches: [], judged: false };
  await live.enter('judging');
  const played = await judged(live, input, new Tournament(live, players, judge));
  if ('ranking' in played) return { players, method, ...played, judged: true };
  live.warnings.push(played.warning);
  return { players, method, ranking: rankByVerifiers(input), matches: [], judged: false };
}
