/** A run's rows and its tournament as the FinishedRun that certificates and pairs are made of. */
import type { Outcome } from '@labmesh/wire/verification/verdict';
import type {
  FinishedAnswer,
  FinishedCandidate,
  FinishedCorrection,
  FinishedRun,
} from '../../contract/finished-run.ts';
import { asGenerated, type StoredCandidate } from '../../rows/candidate-rows.ts';
import type { LiveRun } from '../live-run.ts';
import { keepsTexts } from '../run-settings.ts';
import { failuresOf, feedbackMessage } from './feedback.ts';
import type { Judgement } from './judge-step.ts';

type Standing = { score: number; reward: number; rank: number };

const finishedAnswer = ({ answer, digest, aggregate }: StoredCandidate): FinishedAnswer | null => {
  if (answer === null || digest === null || aggregate === null) return null;
  const passed = aggregate.results.filter(({ status }) => status === 'passed');
  return { answer, digest, aggregate, grants: [...new Set(passed.flatMap(({ grants }) => grants ?? []))] };
};

function correctionsOf(live: LiveRun, original: StoredCandidate): FinishedCorrection[] {
  let wrong = original;
  return live.corrections(original.idx).flatMap((made) => {
    if (wrong.aggregate === null) return [];
    const failures = failuresOf(wrong.aggregate);
    const attempt: FinishedCorrection = {
      attempt: made.attempt,
      failures: failures.map(({ verifier }) => verifier),
      prompt: feedbackMessage(failures, live.parts.settings.correction.format),
      result: finishedAnswer(made),
      success: made.outcome === 'valid',
      latencyMs: made.latencyMs ?? 0,
    };
    if (made.answer !== null) wrong = made;
    return [attempt];
  });
}

/** The standing of each answer by digest: equal ones share it. */
function standings(judgement: Judgement | undefined): Map<string, Standing> {
  const { players = [], ranking } = judgement ?? {};
  return new Map(
    players.map(({ final }, place) => [
      final.digest ?? '',
      {
        score: ranking?.scores[place] ?? 0,
        reward: ranking?.rewards[place] ?? 0,
        rank: ranking?.ranks[place] ?? players.length,
      },
    ]),
  );
}

function finishedCandidate(
  live: LiveRun,
  row: StoredCandidate,
  places: ReadonlyMap<string, Standing>,
): FinishedCandidate {
  // Of equal answers one was looked at and mended; all have what came of it.
  const leader = live.originals.find(({ idx }) => idx === (row.sameAs ?? row.idx)) ?? row;
  const final = live.final(leader);
  const standing = places.get(final.digest ?? '');
  const calls = [row, ...live.corrections(row.idx)];
  const sum = (of: (call: StoredCandidate) => number) => calls.reduce((total, call) => total + of(call), 0);
  return {
    ...asGenerated(row),
    finishReason: final.finishReason,
    original: finishedAnswer(leader),
    corrections: correctionsOf(live, leader),
    final: finishedAnswer(final),
    score: standing?.score ?? 0,
    reward: standing?.reward ?? 0,
    rank: standing?.rank ?? null,
    tokensIn: sum(({ tokensIn }) => tokensIn),
    tokensOut: sum(({ tokensOut }) => tokensOut),
    costNano: sum(({ costNano }) => costNano),
    latencyMs: sum(({ latencyMs }) => latencyMs ?? 0),
  };
}

/** Valid if any answer is; else whatever keeps most open: inconclusive, unchecked, invalid. */
export function outcomeOf(found: readonly Outcome[]): Outcome {
  const order = ['valid', 'inconclusive', 'unchecked', 'invalid'] as const;
  return order.find((outcome) => found.includes(outcome)) ?? 'inconclusive';
}

function tournamentOf(live: LiveRun, judgement: Judgement | undefined): FinishedRun['tournament'] {
  if (judgement === undefined || !judgement.judged) return null;
  const { method, matches, ranking, players } = judgement;
  const { name, kind, promptSha256 } = live.plan.judge;
  return {
    method,
    judge: name,
    judgeKind: kind,
    promptSha256,
    order: ranking.order.flatMap((place) => players[place]?.original.idx ?? []),
    matches,
    legs: live.legs.map(({ tokensIn: _in, tokensOut: _out, costNano: _cost, ...leg }) => leg),
  };
}

export function finishedRun(live: LiveRun, judgement: Judgement | undefined, finishedAt: number): FinishedRun {
  const { row, offer, plan } = live;
  const outcome = outcomeOf(live.distinct.map((original) => live.final(original).outcome ?? 'inconclusive'));
  const first = judgement?.ranking.order[0];
  const winner = first === undefined ? undefined : judgement?.players[first];
  const places = standings(judgement);
  return {
    id: row.id,
    tenant: row.tenant,
    key: row.key,
    requestId: row.requestId,
    mode: row.mode,
    request: offer.request,
    block: offer.block,
    outcome,
    chosen: outcome === 'valid' ? (winner?.original.idx ?? null) : null,
    candidates: live.originals.map((candidate) => finishedCandidate(live, candidate, places)),
    tournament: tournamentOf(live, judgement),
    seed: row.seed,
    suiteSha256: plan.suiteSha256,
    warnings: [...new Set([...plan.warnings, ...live.warnings])],
    createdAt: row.createdAt,
    finishedAt,
    keepsTexts: keepsTexts(live.parts.settings, row.tenant),
  };
}
