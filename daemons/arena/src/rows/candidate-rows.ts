/** Rows of candidates and of what verifiers said of them. */
import type { Reader, Writer } from '@labmesh/store/store';
import { uuidv7 } from '@labmesh/wire/ids';
import type { ChatMessage } from '@labmesh/wire/openai';
import type { ToolUse } from '@labmesh/wire/verification/tools/tool-use';
import type { Aggregate, Outcome, Verdict } from '@labmesh/wire/verification/verdict';
import type { FinishedCandidate, Sampling } from '../contract/finished-run.ts';

export type StoredCandidate = {
  idx: number;
  attempt: number;
  state: 'pending' | 'generated' | 'stopped' | 'failed';
  sameAs: number | null;
  sampling: Sampling;
  digest: string | null;
  answer: ChatMessage | null;
  model: string | null;
  finishReason: string | null;
  tokensIn: number;
  /** Of these, those that the engine had kept of earlier prompts (AR4); null or absent = it does not say. */
  tokensCached?: number | null;
  tokensOut: number;
  costNano: number;
  latencyMs: number | null;
  aggregate: Aggregate | null;
  outcome: Outcome | null;
  reason: string | null;
  /** Calls of tools that it made on its way (AR18). */
  toolCalls?: readonly ToolUse[] | null;
  /** The turns with those calls and their results, as the model was told them; texts. */
  rollout?: { messages: readonly ChatMessage[] } | null;
};

/** What stands of a candidate once its generation ended, at the end of its run and in what is made of rows later. */
export function asGenerated(
  row: StoredCandidate,
): Pick<FinishedCandidate, 'index' | 'sameAs' | 'state' | 'reason' | 'sampling' | 'model' | 'usesTools'> {
  const { idx: index, sameAs, reason, sampling } = row;
  const state = row.state === 'pending' ? 'stopped' : row.state;
  const usesTools = (row.toolCalls ?? []).length > 0;
  return { index, sameAs, state, reason, sampling, model: row.model ?? sampling.model, usesTools };
}

/** The column: verdicts have rows of their own. */
type Summary = Omit<Aggregate, 'results'>;

function columns(candidate: StoredCandidate) {
  let aggregate: string | null = null;
  if (candidate.aggregate !== null) {
    const { results: _, ...summary } = candidate.aggregate;
    aggregate = JSON.stringify(summary satisfies Summary);
  }
  return {
    state: candidate.state,
    same_as: candidate.sameAs,
    sampling: JSON.stringify(candidate.sampling),
    digest: candidate.digest,
    answer: candidate.answer === null ? null : JSON.stringify(candidate.answer),
    model: candidate.model,
    finish_reason: candidate.finishReason,
    tokens_in: candidate.tokensIn,
    tokens_cached: candidate.tokensCached ?? null,
    tokens_out: candidate.tokensOut,
    cost_nano: candidate.costNano,
    latency_ms: candidate.latencyMs,
    outcome: candidate.outcome,
    aggregate,
    reason: candidate.reason,
    tool_calls: candidate.toolCalls ? JSON.stringify(candidate.toolCalls) : null,
    rollout: candidate.rollout ? JSON.stringify(candidate.rollout) : null,
  };
}

/** Adds the candidate, or overwrites the one at its place. Its verdicts are added once and never changed. */
export async function putCandidate(tx: Writer, runId: string, candidate: StoredCandidate): Promise<void> {
  const fields = columns(candidate);
  const { idx, attempt, aggregate } = candidate;
  const place = { run_id: runId, idx, attempt };
  await tx
    .insertInto('arena_candidates')
    .values({ id: uuidv7(), created_at: Date.now(), ...place, ...fields })
    .onConflict((on) => on.columns(['run_id', 'idx', 'attempt']).doUpdateSet(fields))
    .execute();
  for (const verdict of aggregate?.results ?? []) {
    const row = { plugin: verdict.pluginName, verdict: JSON.stringify(verdict) };
    await tx
      .insertInto('arena_verdicts')
      .values({ id: uuidv7(), created_at: Date.now(), ...place, ...row })
      .onConflict((on) => on.columns(['run_id', 'idx', 'attempt', 'plugin']).doNothing())
      .execute();
  }
}

/** All candidates of a run with their verdicts, by place. */
export async function readCandidates(db: Reader, runId: string): Promise<StoredCandidate[]> {
  const order = ['idx', 'attempt'] as const;
  const rows = await db
    .selectFrom('arena_candidates')
    .selectAll()
    .where('run_id', '=', runId)
    .orderBy(order[0])
    .orderBy(order[1])
    .execute();
  const verdicts = await db
    .selectFrom('arena_verdicts')
    .selectAll()
    .where('run_id', '=', runId)
    .orderBy('id')
    .execute();
  return rows.map((row) => {
    const summary = row.aggregate === null ? null : (JSON.parse(row.aggregate) as Summary);
    const results = verdicts
      .filter(({ idx, attempt }) => idx === row.idx && attempt === row.attempt)
      .map(({ verdict }) => JSON.parse(verdict) as Verdict);
    return {
      idx: row.idx,
      attempt: row.attempt,
      state: row.state as StoredCandidate['state'],
      sameAs: row.same_as,
      sampling: JSON.parse(row.sampling) as Sampling,
      digest: row.digest,
      answer: row.answer === null ? null : (JSON.parse(row.answer) as ChatMessage),
      model: row.model,
      finishReason: row.finish_reason,
      tokensIn: row.tokens_in,
      tokensCached: row.tokens_cached,
      tokensOut: row.tokens_out,
      costNano: row.cost_nano,
      latencyMs: row.latency_ms,
      aggregate: summary === null ? null : { ...summary, results },
      outcome: row.outcome as Outcome | null,
      reason: row.reason,
      toolCalls: row.tool_calls === null ? null : (JSON.parse(row.tool_calls) as ToolUse[]),
      rollout: row.rollout === null ? null : (JSON.parse(row.rollout) as StoredCandidate['rollout']),
    };
  });
}
