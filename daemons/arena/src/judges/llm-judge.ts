import { systemClock } from '@labmesh/kit/clock';
import type { Clock } from '@labmesh/kit/clock';
import { backoff } from '@labmesh/kit/retry';
import { ApiError } from '@labmesh/wire/errors';
import type { Priority } from '@labmesh/wire/verification/priority';
import type { Generate, Generation } from '../contract/generate.ts';
import type { Comparison, Judge, Judged, JudgeSpent } from '../contract/judge.ts';
import { type JudgeAnswer, parseJudgeAnswer } from './judge-answer.ts';
import { instructionsSha256, judgeMessages, messageText, nonceOf, usualInstructions } from './judge-prompt.ts';

const callsMost = 3;
/** Thoughts count too. */
const answerTokensMost = 2048;
const callMs = 60_000;
/** Whoever charges for it says so: a made-up price would spend a budget that nobody pays from. */
const free: TokenPrice = { inputUsd: 0, outputUsd: 0 };

/** Of one token. */
export type TokenPrice = { inputUsd: number; outputUsd: number };

export type LlmJudgeOptions = {
  /** Through the gateway, or any other OpenAI URL: the payer below is charged either way. */
  generate: Generate;
  tenant: string;
  /** Id of the gateway key. */
  key: string;
  /** Of its calls; absent = low. */
  priority?: Priority;
  /** A model or alias that `generate` knows. */
  model: string;
  instructions?: string;
  /** Default: it costs nothing. */
  price?: TokenPrice;
  /** Of the nonces; 32 random bytes unless given. The same one shows the same comparison again, to the letter. */
  secret?: Uint8Array;
  clock?: Clock;
  /** Before the first retry. Default 250. */
  pauseMs?: number;
};

/**
 * A model as judge (AR13): temperature 0, three tries at an answer of the right form, then the comparison is void. What
 * the tenant's budget refuses, and an abort, is thrown: neither says anything of the judge.
 */
export function llmJudge(options: LlmJudgeOptions): Judge {
  const { model, instructions = usualInstructions, secret = crypto.getRandomValues(new Uint8Array(32)) } = options;
  const kept = { ...options, instructions, secret };
  return {
    name: `llm:${model}`,
    kind: 'llm',
    promptSha256: instructionsSha256(instructions),
    models: [model],
    compare: (a, b, signal, onSpent) => compare(kept, a, b, signal, onSpent),
  };
}

type Kept = LlmJudgeOptions & { instructions: string; secret: Uint8Array };
type OnSpent = ((spent: JudgeSpent) => void) | undefined;

async function compare(
  options: Kept,
  a: Judged,
  b: Judged,
  signal: AbortSignal,
  onSpent: OnSpent,
): Promise<Comparison> {
  const nonce = nonceOf(options.secret, a, b);
  const messages = judgeMessages(options.instructions, nonce, a, b);
  const pauses = backoff({ firstMs: options.pauseMs ?? 250, capMs: 5000 });
  let usd = 0;
  for (let call = 1; call <= callsMost; call++) {
    if (call > 1) await (options.clock ?? systemClock).sleep(pauses.next().value ?? 0, signal);
    signal.throwIfAborted();
    // Engines that refuse JSON mode answer without; and at temperature 0 the same request would fail the same way.
    const generation = await ask(options, messages, call === 1, signal);
    if (generation === null) continue;
    const spent = spentOf(options, generation);
    usd += spent.usd;
    onSpent?.(spent);
    const answer = read(generation);
    if (answer !== null) return { ...answer, usd, details: { model: generation.model, calls: call } };
  }
  return null;
}

/** null when the engine failed: worth another try. */
async function ask(
  options: Kept,
  messages: ReturnType<typeof judgeMessages>,
  jsonMode: boolean,
  signal: AbortSignal,
): Promise<Generation | null> {
  const { generate, tenant, key, priority, model } = options;
  const form = jsonMode ? { response_format: { type: 'json_object' } } : {};
  const request = { model, messages, temperature: 0, max_tokens: answerTokensMost, ...form };
  try {
    const ends = AbortSignal.any([signal, AbortSignal.timeout(callMs)]);
    return await generate({ tenant, key, ...(priority && { priority }), request, signal: ends });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ApiError && error.code === 'budget_exceeded') throw error;
    return null;
  }
}

function read({ answer, finishReason }: Generation): JudgeAnswer | null {
  // An answer that was cut can be whole JSON by chance only.
  return finishReason === 'length' ? null : parseJudgeAnswer(messageText(answer));
}

function spentOf({ price = free }: Kept, { usage }: Generation): JudgeSpent {
  const [promptTokens, completionTokens] = [usage.prompt_tokens, usage.completion_tokens ?? 0];
  return {
    promptTokens,
    completionTokens,
    usd: promptTokens * price.inputUsd + completionTokens * price.outputUsd,
  };
}
