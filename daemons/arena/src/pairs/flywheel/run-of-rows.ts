/**
 * A run that ended before, as pairs are made of it: out of its rows alone, so that what the end of a run could not do is done
 * later. Scores come out of the recorded matches again (P5). What rows do not hold is empty: the words that a correction was
 * asked for with, and rewards.
 */
import type {
  FinishedAnswer,
  FinishedCandidate,
  FinishedCorrection,
  FinishedRun,
} from '../../contract/finished-run.ts';
import type { Ranking } from '../../contract/tournament.ts';
import type { Reader } from '@labmesh/store/store';
import { asGenerated, readCandidates, type StoredCandidate } from '../../rows/candidate-rows.ts';
import { readLegs, type StoredLeg } from '../../rows/match-rows.ts';
import { type StoredRun, storedRun } from '../../rows/run-rows.ts';
import { costUsdOf, finalOf, playedOf, playersOf, type Player } from '../../tournament/bracket-of-rows.ts';
import { entrantOf } from '../../tournament/entrant-of.ts';
import { resolveMethod } from '../../tournament/methods.ts';
import { tournamentStep } from '../../tournament/tournament-step.ts';

/** Rows of a run; undefined when there is none with this id, or it is another tenant's. @throws what damaged rows throw */
export async function readRunRows(db: Reader, id: string, tenant: string): Promise<RunRows | undefined> {
  const query = db.selectFrom('arena_runs').selectAll().where('id', '=', id).where('tenant', '=', tenant);
  const row = await query.executeTakeFirst();
  if (row === undefined) return undefined;
  return { run: storedRun(row), candidates: await readCandidates(db, id), legs: await readLegs(db, id) };
}

export type RunRows = { run: StoredRun; candidates: readonly StoredCandidate[]; legs: readonly StoredLeg[] };

const answerOf = ({ answer, digest, aggregate }: StoredCandidate): FinishedAnswer | null =>
  answer === null || digest === null || aggregate === null ? null : { answer, digest, aggregate, grants: [] };

/** What judges made of the run; undefined when they did not decide it. Texts were kept, so every place counted. */
function judged({ run, candidates, legs }: RunRows, players: readonly Player[]) {
  const entrants = players.flatMap((player) => {
    const { aggregate } = player.final;
    return aggregate === null
      ? []
      : [entrantOf(aggregate, aggregate.combinedScoreModifier, costUsdOf(candidates, player))];
  });
  const valid = entrants.filter((one) => one.valid).length;
  if (run.plan === null || legs.length === 0 || valid < 2) return undefined;
  const { method } = resolveMethod(run.plan.method, valid, false);
  const step = tournamentStep({ entrants, method, seed: run.seed, played: playedOf(legs, players) });
  return step.state === 'done' ? { method, ranking: step.ranking } : undefined;
}

function correctionsOf(candidates: readonly StoredCandidate[], original: StoredCandidate): FinishedCorrection[] {
  let wrong = original;
  const made = candidates.filter(({ idx, attempt }) => idx === original.idx && attempt > 0);
  return made.flatMap((one) => {
    if (wrong.aggregate === null) return [];
    const failed = wrong.aggregate.results.filter(({ status }) => status === 'failed');
    if (one.answer !== null) wrong = one;
    return [
      {
        attempt: one.attempt,
        failures: failed.map(({ pluginName }) => pluginName),
        prompt: { role: 'user', content: null },
        result: answerOf(one),
        success: one.outcome === 'valid',
        latencyMs: one.latencyMs ?? 0,
      },
    ];
  });
}

function candidateOf(rows: RunRows, row: StoredCandidate, players: readonly Player[], ranking: Ranking | undefined) {
  const { candidates } = rows;
  const leader = candidates.find(({ idx, attempt }) => attempt === 0 && idx === (row.sameAs ?? row.idx)) ?? row;
  const final = finalOf(candidates, leader);
  const place = players.findIndex((player) => player.final.digest === final.digest);
  const made: FinishedCandidate = {
    ...asGenerated(row),
    finishReason: final.finishReason,
    original: answerOf(leader),
    corrections: correctionsOf(candidates, leader),
    final: answerOf(final),
    score: ranking?.scores[place] ?? 0,
    reward: 0,
    rank: ranking?.ranks[place] ?? null,
    tokensIn: row.tokensIn,
    tokensOut: row.tokensOut,
    costNano: row.costNano,
    latencyMs: row.latencyMs ?? 0,
  };
  return made;
}

/** Undefined when there is nothing to learn of: it failed, or its texts are gone. Who asks has seen to the consent. */
export function runOfRows(rows: RunRows): FinishedRun | undefined {
  const { run, candidates, legs } = rows;
  const { offer, plan, finishedAt, outcome } = run;
  if (run.state !== 'done' || offer === null || plan === null || finishedAt === null || outcome === null)
    return undefined;
  const players = playersOf(candidates);
  const found = judged(rows, players);
  const originals = candidates.filter(({ attempt }) => attempt === 0);
  const { name: judge, kind: judgeKind, promptSha256 } = plan.judge;
  return {
    id: run.id,
    tenant: run.tenant,
    key: run.key,
    requestId: run.requestId,
    mode: run.mode,
    request: offer.request,
    block: offer.block,
    outcome,
    chosen: run.chosen,
    candidates: originals.map((row) => candidateOf(rows, row, players, found?.ranking)),
    tournament:
      found === undefined
        ? null
        : { method: found.method, judge, judgeKind, promptSha256, order: [], matches: [], legs },
    seed: run.seed,
    suiteSha256: plan.suiteSha256,
    warnings: plan.warnings,
    createdAt: run.createdAt,
    finishedAt,
    keepsTexts: true,
  };
}
