/** One paid call of a model: budget first, then the call, then what it cost (AR16). */
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import { ApiError } from '@labmesh/wire/errors';
import type { ChatCompletionRequest } from '@labmesh/wire/openai';
import type { Generation } from '../../contract/generate.ts';
import { Stopped, type StopReason } from '../../generate/early-stop.ts';
import { promptChars, tokensOfChars, variationRequest } from '../../generate/variation-request.ts';
import type { Sampling } from '../../contract/finished-run.ts';
import { costNano } from '../budget.ts';
import { callClass } from '../call-class.ts';
import type { LiveRun } from '../live-run.ts';

export type CallAsk = {
  request: ChatCompletionRequest;
  sampling: Sampling;
  signal: AbortSignal;
  /** Calls about to be made beside this one, itself counted. */
  sharers: number;
  onProgress?: (chars: number) => void;
};

type Cost = { tokensIn: number; tokensOut: number; costNano: number };
/** `reason` of a candidate's row: a stop's name, an error's code, or `answer_too_long`. */
export type CallResult =
  | ({ state: 'generated'; generation: Generation } & Cost)
  | ({ state: 'stopped'; reason: StopReason } & Cost & { savedTokens: number })
  | ({ state: 'failed'; reason: string } & Cost & { savedTokens: number });

/** Why a call brought no answer; undefined when the run itself is over and the error is not the call's. */
function failureOf(error: unknown, live: LiveRun): { state: 'stopped' | 'failed'; reason: string } | undefined {
  if (live.ended.aborted) return undefined;
  if (error instanceof Stopped) return { state: 'stopped', reason: error.reason };
  if (error instanceof BoundPassed) return { state: 'failed', reason: 'answer_too_long' };
  if (error instanceof ApiError) return { state: 'failed', reason: error.code };
  // AbortSignal.timeout: the attempt's own time.
  if (error instanceof DOMException && error.name === 'TimeoutError') return { state: 'failed', reason: 'timeout' };
  return undefined;
}

/** Never rejects for what the model or the gateway do. @throws the signal's reason when this process lets go. */
export async function callModel(live: LiveRun, ask: CallAsk): Promise<CallResult> {
  const { sampling } = ask;
  const promptTokens = tokensOfChars(promptChars(ask.request));
  const held = live.budget.reserve(sampling.model, promptTokens, live.plan.maxTokens, ask.sharers);
  const free = { tokensIn: 0, tokensOut: 0, costNano: 0 };
  if (held === undefined) return { state: 'stopped', reason: 'budget_exceeded', ...free, savedTokens: 0 };
  const priceOf = (tokensIn: number, tokensOut: number): Cost => {
    const cost = costNano(live.parts.settings.prices, sampling.model, tokensIn, tokensOut);
    held.settle(tokensIn + tokensOut, cost);
    return { tokensIn, tokensOut, costNano: cost };
  };
  let chars = 0;
  try {
    ask.signal.throwIfAborted();
    const generation = await live.parts.generate({
      tenant: live.row.tenant,
      key: live.row.key,
      priority: callClass(live.offer),
      request: variationRequest(ask.request, sampling, held.answerTokens),
      signal: ask.signal,
      onProgress: (count) => {
        chars = count;
        ask.onProgress?.(count);
      },
    });
    if (generation.engine !== undefined) live.engines.set(sampling, generation.engine);
    const { prompt_tokens, completion_tokens = 0 } = generation.usage;
    return { state: 'generated', generation, ...priceOf(prompt_tokens, completion_tokens) };
  } catch (error) {
    const failure = failureOf(error, live);
    // A stream that was cut tells no usage: its characters do.
    const cost = chars === 0 ? priceOf(0, 0) : priceOf(promptTokens, tokensOfChars(chars));
    if (failure === undefined) throw error;
    return { ...failure, ...cost, savedTokens: Math.max(0, held.answerTokens - cost.tokensOut) } as CallResult;
  }
}

/** What of the prompt the engine says that it had from before (AR4): prefix reuse is its word, and never simulated. */
export const cachedTokens = ({ usage }: Generation): number | null =>
  usage.prompt_tokens_details?.cached_tokens ?? null;
