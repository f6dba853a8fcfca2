/** A client of the gateway's own API (RP2): streams, so that an abort really ends the work at the engine. */
import { systemClock } from '@labmesh/kit/clock';
import { parseJson } from '@labmesh/kit/parse-json';
import { ApiError, type ErrorCode, errorTable } from '@labmesh/wire/errors';
import { errorBodySchema } from '@labmesh/wire/openai';
import { keyHeader, tenantHeader, verifyHeader } from '@labmesh/wire/verification/arena-run';
import type { Generate, GenerateAsk, Generation } from '../contract/generate.ts';
import { ChatAnswer, EventLines } from './chat-stream.ts';
import { promptChars, tokensOfChars } from './variation-request.ts';

export type GatewayAccess = {
  /** Without `/v1`, such as `http://127.0.0.1:8080`. */
  baseUrl: string;
  /** The arena's own key at the gateway, which lets it name the payer. */
  token: string;
  /** Replaced in tests. */
  fetch?: typeof fetch;
};

const errorBytesMost = 64 * 1024;

const isCode = (code: unknown): code is ErrorCode => typeof code === 'string' && Object.hasOwn(errorTable, code);

/** The gateway's refusal as an error of ours; its own text stays in the log. */
async function refusal(answer: Response): Promise<ApiError> {
  const text = await boundedText(answer);
  const read = errorBodySchema.safeParse(parseJson(text));
  const code = read.success && isCode(read.data.error.code) ? read.data.error.code : 'upstream_error';
  const wait = Number(answer.headers.get('retry-after') ?? NaN);
  const retry = Number.isInteger(wait) && wait >= 0 && wait <= 3600 ? { retryAfterS: wait } : {};
  const said = read.success ? read.data.error.message.slice(0, 300) : 'no error body';
  return new ApiError(code, { ...retry, log: `status ${answer.status}: ${said}` });
}

async function boundedText(answer: Response): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const bytes of answer.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    if (text.length > errorBytesMost) break;
  }
  return text;
}

async function readAnswer(answer: Response, ask: GenerateAsk): Promise<ChatAnswer> {
  const lines = new EventLines();
  const so = new ChatAnswer();
  const decoder = new TextDecoder();
  for await (const bytes of answer.body ?? []) {
    for (const data of lines.push(decoder.decode(bytes, { stream: true }))) so.take(data);
    ask.onProgress?.(so.chars);
    if (so.done) break;
  }
  const rest = lines.rest();
  if (!so.done && rest !== undefined) so.take(rest);
  // Half an answer is none: it would be judged, and paid, as if the model had meant it.
  if (!so.done && so.finishReason === null) throw new ApiError('upstream_broken');
  return so;
}

/** Engines that tell no usage are charged by characters. */
function usageOf(so: ChatAnswer, ask: GenerateAsk) {
  const prompt_tokens = tokensOfChars(promptChars(ask.request));
  const completion_tokens = tokensOfChars(so.chars);
  return so.usage ?? { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

/**
 * @returns what a run generates with. Aborting ask.signal closes the connection, which ends the request upstream.
 * The promise rejects with ApiError (the gateway's code, `upstream_error`, `upstream_broken`), BoundPassed for an answer
 * above the bounds of ChatAnswer, or the signal's reason.
 */
export function gatewayGenerate(access: GatewayAccess): Generate {
  const { baseUrl, token, fetch: ask = fetch } = access;
  const url = `${baseUrl.replace(/\/+$/, '')}/v1/chat/completions`;
  return async (call): Promise<Generation> => {
    const startedAt = systemClock.now();
    // Its own controller: whatever ends the reading closes the connection too.
    const ending = new AbortController();
    const signal = AbortSignal.any([call.signal, ending.signal]);
    try {
      const answer = await ask(url, {
        method: 'POST',
        redirect: 'error',
        signal,
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${token}`,
          [verifyHeader]: 'off',
          [tenantHeader]: call.tenant,
          [keyHeader]: call.key,
        },
        body: JSON.stringify({ ...call.request, stream: true, stream_options: { include_usage: true } }),
      });
      if (!answer.ok) throw await refusal(answer);
      const so = await readAnswer(answer, call);
      return {
        answer: so.message(),
        model: so.model ?? call.request.model,
        finishReason: so.finishReason,
        usage: usageOf(so, call),
        latencyMs: Math.round(systemClock.now() - startedAt),
      };
    } catch (error) {
      call.signal.throwIfAborted();
      if (error instanceof ApiError || (error instanceof Error && error.name === 'BoundPassed')) throw error;
      throw new ApiError('upstream_error', { cause: error, log: 'the gateway is away or broke off' });
    } finally {
      ending.abort();
    }
  };
}
