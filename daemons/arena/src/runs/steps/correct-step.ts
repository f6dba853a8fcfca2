/** Correction of invalid answers (AR7, AR8): the model is told what failed, and what it gives then is verified from zero. */
import { seedOf } from '../../generate/sampling-plan.ts';
import type { StoredCandidate } from '../../rows/candidate-rows.ts';
import type { LiveRun } from '../live-run.ts';
import { cachedTokens, callModel } from './call-model.ts';
import { answerTurn, failuresOf, feedbackMessage } from './feedback.ts';
import { withTurns } from './roll-out.ts';
import { aggregateOf, checkAnswers } from './verify-step.ts';
import type { ChatCompletionRequest } from '@labmesh/wire/openai';

type Status = 'pending' | 'in_progress' | 'success' | 'partial' | 'failed' | 'max_attempts';

/** Errors never trigger a correction (V4): nothing was learned of the answer. */
function isWorthIt(live: LiveRun, candidate: StoredCandidate): boolean {
  const { triggers } = live.parts.settings.correction;
  const results = candidate.outcome === 'invalid' ? (candidate.aggregate?.results ?? []) : [];
  return results.some(({ status, hard, pluginName }) => status === 'failed' && hard && triggers.includes(pluginName));
}

/** The last answer that there is to mend: a failed attempt leaves the one before it. */
function current(live: LiveRun, idx: number): StoredCandidate | undefined {
  return [live.originals[idx], ...live.corrections(idx)].findLast((one) => one !== undefined && one.answer !== null);
}

function correctionRequest(live: LiveRun, wrong: StoredCandidate): ChatCompletionRequest | undefined {
  if (wrong.answer === null || wrong.aggregate === null) return undefined;
  // What its tools said is part of the question; it has all that it asked for.
  const request = withTurns(live, live.originals[wrong.idx] ?? wrong, 'none');
  const feedback = feedbackMessage(failuresOf(wrong.aggregate), live.parts.settings.correction.format);
  return { ...request, messages: [...request.messages, answerTurn(wrong.answer), feedback] };
}

const failedCount = ({ aggregate }: StoredCandidate) =>
  aggregate?.results.filter(({ status }) => status === 'failed').length ?? Infinity;

/** @returns the row of the attempt, verified; undefined when there is nothing to say to the model. */
async function attemptOnce(
  live: LiveRun,
  wrong: StoredCandidate,
  attempt: number,
): Promise<StoredCandidate | undefined> {
  const request = correctionRequest(live, wrong);
  if (request === undefined) return undefined;
  const { temperature, timeoutMs } = live.parts.settings.correction;
  const { idx } = wrong;
  const seed = seedOf(live.row.id, `${idx}.${attempt}`);
  const sampling = { ...wrong.sampling, temperature, seed, suffix: null };
  const signal = AbortSignal.any([live.signal, AbortSignal.timeout(timeoutMs)]);
  const result = await callModel(live, { request, sampling, signal, sharers: 1 });
  const { tokensIn, tokensOut, costNano } = result;
  const cost = { tokensIn, tokensOut, costNano };
  const empty = { digest: null, answer: null, model: null, finishReason: null, latencyMs: null };
  const row = { idx, attempt, sameAs: null, sampling, aggregate: null, outcome: null, ...empty, ...cost };
  if (result.state !== 'generated') {
    const lost = { ...row, state: result.state, reason: result.reason };
    await live.put(lost);
    return lost;
  }
  const { answer, digest } = live.candidate(result.generation.answer);
  const { model, finishReason, latencyMs } = result.generation;
  const tokensCached = cachedTokens(result.generation);
  const found = { answer, digest, model, finishReason, latencyMs, tokensCached };
  const made = { ...row, ...found, state: 'generated' as const, reason: null };
  await live.put(made);
  return verified(live, made);
}

/** The row with its verdicts; those of an equal answer count for it too. */
async function verified(live: LiveRun, made: StoredCandidate): Promise<StoredCandidate> {
  const known = aggregateOf(live, made.digest);
  if (known === null) await checkAnswers(live, [made]);
  else await live.put({ ...made, aggregate: known, outcome: known.outcome });
  return live.corrections(made.idx).find(({ attempt }) => attempt === made.attempt) ?? made;
}

function statusOf(before: StoredCandidate, now: StoredCandidate): Status {
  if (now.outcome === 'valid') return 'success';
  return now.answer !== null && failedCount(now) < failedCount(before) ? 'partial' : 'failed';
}

async function correct(live: LiveRun, original: StoredCandidate): Promise<void> {
  const { idx: index } = original;
  const tell = (attempt: number, status: Status) => live.tell({ event: 'correction', index, attempt, status });
  const most = live.plan.corrections;
  const last = live.corrections(index).at(-1);
  // The process may have ended between an attempt's answer and its verdicts.
  if (last?.state === 'generated' && last.aggregate === null) await verified(live, last);
  let attempt = live.corrections(index).length;
  if (attempt < most) tell(attempt + 1, 'pending');
  while (attempt < most && live.halted === undefined) {
    const wrong = current(live, index);
    if (wrong === undefined || !isWorthIt(live, wrong)) return;
    attempt += 1;
    tell(attempt, 'in_progress');
    const made = await attemptOnce(live, wrong, attempt);
    if (made === undefined) return;
    const status = statusOf(wrong, made);
    tell(attempt, status);
    if (status === 'success' || made.reason === 'budget_exceeded') return;
  }
  if (attempt >= most && live.final(original) === original) tell(attempt, 'max_attempts');
}

/** Each invalid answer has had its attempts afterwards, unless a valid one makes them needless. */
export async function correctStep(live: LiveRun): Promise<void> {
  const { corrections, correctsAlways } = live.plan;
  const begun = live.all.some(({ attempt }) => attempt > 0);
  const isNeeded = correctsAlways || begun || !live.distinct.some(({ outcome }) => outcome === 'valid');
  const wrong = live.distinct.filter((candidate) => isWorthIt(live, candidate));
  if (corrections === 0 || !isNeeded || wrong.length === 0 || live.halted !== undefined) return;
  await live.enter('correcting');
  const results = await Promise.allSettled(wrong.map((candidate) => correct(live, candidate)));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
