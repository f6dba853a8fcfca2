/** What the gateway, and through it the client, hears of a finished run (RP5). */
import type { ChatMessage } from '@labmesh/wire/openai';
import type { ArenaResult } from '@labmesh/wire/verification/arena-run';
import type { shadowArenaSchema, VerificationReport } from '@labmesh/wire/verification/verification-block';
import type { z } from 'zod';
import type { Certified, FinishedCandidate, FinishedRun } from '../../contract/finished-run.ts';

export const textOf = ({ content }: ChatMessage): string =>
  typeof content === 'string'
    ? content
    : (content ?? []).map((part) => (part['text'] as string | undefined) ?? '').join('');

/** The answer that is given out: the winner, else the best of what there is; its status says what it is worth. */
export function givenOf(run: FinishedRun): FinishedCandidate | undefined {
  const whole = run.candidates.filter(({ final, original }) => (final ?? original) !== null);
  const chosen = whole.find(({ index }) => index === run.chosen);
  if (chosen !== undefined) return chosen;
  const alike = whole.filter(({ final }) => final?.aggregate.outcome === run.outcome);
  const score = ({ final }: FinishedCandidate) => final?.aggregate.combinedScoreModifier ?? 0;
  return (alike.length > 0 ? alike : whole).toSorted((a, b) => score(b) - score(a) || a.index - b.index)[0];
}

function summaryOf(run: FinishedRun, valid: number): string {
  const of = `${valid} of ${run.candidates.length} ${run.candidates.length === 1 ? 'answer' : 'answers'} valid`;
  const chosen = run.chosen === null ? '' : `; answer ${run.chosen} chosen`;
  return `${of}${chosen}${run.warnings.map((warning) => `; ${warning}`).join('')}`;
}

const isValid = ({ final }: FinishedCandidate) => final?.aggregate.outcome === 'valid';

export function reportOf(run: FinishedRun, certified: Certified | null): VerificationReport {
  const results = givenOf(run)?.final?.aggregate.results ?? [];
  const open = results.filter(({ status }) => status === 'failed' || status === 'error');
  return {
    status: run.outcome,
    run_id: run.id,
    certificate_id: certified?.certificateId ?? null,
    summary: summaryOf(run, run.candidates.filter(isValid).length),
    properties: [...(certified?.properties ?? [])],
    isolation: certified?.isolation ?? null,
    failures: open.map(({ pluginName: verifier, message, code }) => ({ verifier, message, code })),
    cached: false,
    ...(run.block.return_all && {
      candidates: run.candidates.flatMap(({ index, final, score, reward }) =>
        final === null
          ? []
          : [{ index, content: textOf(final.answer), outcome: final.aggregate.outcome, score, reward }],
      ),
    }),
  };
}

/** The report without words of answers (P7): statuses, codes and figures stay. */
export function wordlessReport({ candidates, failures, ...report }: VerificationReport): VerificationReport {
  return {
    ...report,
    failures: failures.map((failure) => ({ ...failure, message: '' })),
    ...(candidates !== undefined && { candidates: candidates.map((one) => ({ ...one, content: '' })) }),
  };
}

/** The original's block. */
function shadowArenaOf(run: FinishedRun, minValid: number): z.infer<typeof shadowArenaSchema> {
  const valid = run.candidates.filter(isValid);
  const best = run.candidates.find(({ index }) => index === run.chosen);
  return {
    success: valid.length >= minValid,
    best_response: best?.final ? textOf(best.final.answer) : null,
    best_score: best?.score ?? 0,
    valid_count: valid.length,
    total_variations: run.candidates.length,
    metadata: {
      method: run.tournament?.method ?? null,
      judge: run.tournament?.judge ?? null,
      temperatures: run.candidates.map(({ sampling }) => sampling.temperature),
      seeds: run.candidates.map(({ sampling }) => sampling.seed),
      replayable: run.candidates.map(({ sampling }) => sampling.replayable ?? null),
      warnings: run.warnings,
    },
  };
}

export function resultOf(
  run: FinishedRun,
  report: VerificationReport,
  minValid: number,
  isGiven: boolean,
): ArenaResult {
  const given = givenOf(run);
  const sum = (of: (candidate: FinishedCandidate) => number) => run.candidates.reduce((all, one) => all + of(one), 0);
  const [prompt_tokens, completion_tokens] = [sum(({ tokensIn }) => tokensIn), sum(({ tokensOut }) => tokensOut)];
  return {
    event: 'result',
    runId: run.id,
    answer: (given?.final ?? given?.original)?.answer ?? null,
    model: given?.model ?? run.request.model,
    finishReason: given?.finishReason ?? null,
    usage: { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
    report,
    shadowArena: isGiven ? null : shadowArenaOf(run, minValid),
  };
}
