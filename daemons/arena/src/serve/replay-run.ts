/**
 * A run worked out a second time from its rows (verification P5): sampling seeds from its id, outcomes from verdicts, the
 * bracket from the judges' calls. Nothing is asked of a model or run again.
 */
import type { Replay } from '@labmesh/wire/verification/arena-views';
import type { TournamentInput } from '../contract/tournament.ts';
import { seedOf } from '../generate/sampling-plan.ts';
import type { StoredCandidate } from '../rows/candidate-rows.ts';
import { outcomeOf } from '../runs/steps/finished.ts';
import { rankByVerifiers } from '../runs/steps/judge-step.ts';
import { costUsdOf, distinctOf, finalOf, playedOf, type Player, playersOf } from '../tournament/bracket-of-rows.ts';
import { entrantOf } from '../tournament/entrant-of.ts';
import { resolveMethod } from '../tournament/methods.ts';
import { tournamentStep } from '../tournament/tournament-step.ts';
import { aggregate } from '../verify/aggregate.ts';
import type { RunDetail } from './run-views.ts';

const at = ({ idx, attempt }: StoredCandidate) => (attempt === 0 ? `answer ${idx}` : `correction ${attempt} of ${idx}`);

/** An answer that was there already was not sampled by us: its seed is its client's. */
function wrongSeeds({ run, candidates }: RunDetail): string[] {
  const sampled = candidates.filter(({ attempt }) => attempt === 0);
  if (sampled.length === 1 && run.mode !== 'intercept') return [];
  return sampled
    .filter(({ idx, sampling }) => sampling.seed !== null && sampling.seed !== seedOf(run.id, idx))
    .filter(({ idx }) => !(idx === 0 && run.mode === 'shadow'))
    .map((one) => `${at(one)}: its seed does not follow from the run's id`);
}

function wrongOutcomes({ candidates }: RunDetail): string[] {
  return candidates.flatMap((one) => {
    if (one.aggregate === null) return [];
    const { outcome } = aggregate(one.aggregate.results);
    return outcome === one.outcome ? [] : [`${at(one)}: its verdicts make it ${outcome}, recorded is ${one.outcome}`];
  });
}

/** First of the bracket; undefined when its matches do not lead to an end. */
function winnerOf(input: TournamentInput): number | undefined {
  const step = tournamentStep(input);
  return step.state === 'done' ? step.ranking.order[0] : undefined;
}

/**
 * Places that may have won: by the matches, under whichever method was meant (whether only the winner counted was a
 * setting of that time); by what verifiers said where judges did not decide.
 */
function winnersOf({ run, candidates, legs }: RunDetail, players: readonly Player[]): (number | undefined)[] {
  const entrants = players.flatMap((player) => {
    const { aggregate: found } = player.final;
    return found === null ? [] : [entrantOf(found, found.combinedScoreModifier, costUsdOf(candidates, player))];
  });
  if (run.plan === null || entrants.length === 0) return [];
  const { method: asked, judge } = run.plan;
  const valid = entrants.filter((one) => one.valid).length;
  const base = { entrants, seed: run.seed, ...(judge.kind === 'composite' && { floor: -10 }) };
  const methods = [true, false].map((winnerOnly) => resolveMethod(asked, valid, winnerOnly).method);
  const played = legs.length === 0 ? [] : playedOf(legs, players);
  const judged = valid < 2 ? [] : methods.map((method) => winnerOf({ ...base, method, played }));
  const found = judged.filter((winner) => winner !== undefined);
  return found.length > 0 ? found : [rankByVerifiers({ ...base, method: 'round_robin' }).order[0]];
}

function wrongWinner(detail: RunDetail, players: readonly Player[]): string[] {
  const { run, candidates } = detail;
  if (run.state !== 'done') return [];
  const finals = distinctOf(candidates).map((one) => finalOf(candidates, one).outcome ?? 'inconclusive');
  const outcome = outcomeOf(finals);
  if (outcome !== run.outcome) return [`its answers make the run ${outcome}, recorded is ${run.outcome}`];
  const winners = outcome === 'valid' ? winnersOf(detail, players).map((at) => players[at ?? -1]?.idx ?? null) : [null];
  if (winners.includes(run.chosen)) return [];
  return [`its matches make answer ${winners[0] ?? 'none'} the first, recorded is ${run.chosen ?? 'none'}`];
}

export function replayRun(detail: RunDetail): Replay {
  const { run, candidates, legs } = detail;
  const players = playersOf(detail.candidates);
  const differences = [...wrongSeeds(detail), ...wrongOutcomes(detail), ...wrongWinner(detail, players)];
  const checked = candidates.filter((one) => one.aggregate !== null);
  return {
    runId: run.id,
    same: differences.length === 0,
    checked: {
      verdicts: checked.reduce((sum, one) => sum + (one.aggregate?.results.length ?? 0), 0),
      outcomes: checked.length,
      seeds: candidates.filter(({ attempt, sampling }) => attempt === 0 && sampling.seed !== null).length,
      matches: playedOf(legs, players).length,
    },
    differences,
  };
}
