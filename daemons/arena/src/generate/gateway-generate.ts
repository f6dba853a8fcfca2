/** A client of the gateway's own API (RP2): streams, so that an abort really ends the work at the engine. */
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import { systemClock } from '@labmesh/kit/clock';
import { type ClientFailure, type HttpCall, HttpPool, type Origin, type ResponseSink } from '@labmesh/kit/http/client';
import { hostHeader } from '@labmesh/kit/http/fetch-whole';
import { cleanHeaderValue, headerValue, type ResponseHead } from '@labmesh/kit/http/head';
import { parseJson } from '@labmesh/kit/parse-json';
import { ApiError, type ErrorCode, errorTable } from '@labmesh/wire/errors';
import { errorBodySchema } from '@labmesh/wire/openai';
import { type RoutingName, routingHeader } from '@labmesh/wire/routing';
import {
  engineHeader,
  keyHeader,
  readEngineMark,
  tenantHeader,
  verifyHeader,
} from '@labmesh/wire/verification/arena-run';
import { priorityHeader } from '@labmesh/wire/verification/priority';
import type { Generate, GenerateAsk, Generation } from '../contract/generate.ts';
import { ChatAnswer, EventLines } from './chat-stream.ts';
import { promptChars, tokensOfChars } from './variation-request.ts';

export type GatewayAccess = {
  /** Without `/v1`, such as `http://127.0.0.1:8080`. */
  baseUrl: string;
  /** The arena's own key at the gateway, which lets it name the payer. */
  token: string;
  /** PEM of the authority of the gateway's certificate; absent = those of the system. */
  tlsCa?: string | undefined;
  /** How an endpoint is chosen for its calls; absent = as the gateway does for everybody. */
  routing?: RoutingName | undefined;
};

const refusalBytesMost = 64 * 1024;
const lingerMs = 1_000;

const isCode = (code: unknown): code is ErrorCode => typeof code === 'string' && Object.hasOwn(errorTable, code);

/** The gateway's refusal as an error of ours; its own text stays in the log. */
function refusalOf(head: ResponseHead, body: string): ApiError {
  const read = errorBodySchema.safeParse(parseJson(body));
  const code = read.success && isCode(read.data.error.code) ? read.data.error.code : 'upstream_error';
  const wait = headerValue(head.headers, 'retry-after') ?? '';
  const retry = /^\d{1,4}$/.test(wait) ? { retryAfterS: Number(wait) } : {};
  const said = read.success ? read.data.error.message.slice(0, 300) : 'no error body';
  return new ApiError(code, { ...retry, log: `status ${head.status}: ${said}` });
}

type Answered = { answer: ChatAnswer; engine: string | undefined };
type Settle = (end: Answered | Error) => void;

/** Reads one answer off its connection; says once how it ended. */
class AnswerSink implements ResponseSink {
  readonly #lines = new EventLines((text) => this.#takeComment(text));
  readonly #answer = new ChatAnswer();
  readonly #decoder = new TextDecoder();
  readonly #onProgress: ((chars: number) => void) | undefined;
  readonly #settle: Settle;
  #head: ResponseHead | undefined;
  #engine: string | undefined;
  #refusal: Buffer[] = [];
  #refusalBytes = 0;

  constructor(onProgress: ((chars: number) => void) | undefined, settle: Settle) {
    this.#onProgress = onProgress;
    this.#settle = settle;
  }

  onHead(head: ResponseHead): void {
    this.#head = head;
    this.#engine = readEngineMark(headerValue(head.headers, engineHeader));
  }

  onData(bytes: Buffer): void {
    if (this.#head?.status !== 200) return this.#refuse(bytes);
    try {
      const text = this.#decoder.decode(bytes, { stream: true });
      for (const data of this.#lines.push(text)) this.#answer.take(data);
      this.#onProgress?.(this.#answer.chars);
      if (this.#answer.done) this.#settle(this.#answered());
    } catch (error) {
      this.#settle(error as Error);
    }
  }

  onEnd(): void {
    if (this.#head?.status !== 200) return this.#settle(this.#refused());
    try {
      const rest = this.#lines.rest();
      if (rest !== undefined) this.#answer.take(rest);
      // Half an answer is none: it would be judged, and paid, as if the model had meant it.
      const isWhole = this.#answer.done || this.#answer.finishReason !== null;
      this.#settle(isWhole ? this.#answered() : new ApiError('upstream_broken'));
    } catch (error) {
      this.#settle(error as Error);
    }
  }

  onFailure({ reason, detail }: ClientFailure): void {
    const code = this.#head === undefined ? 'upstream_error' : 'upstream_broken';
    this.#settle(new ApiError(code, { log: `the gateway: ${reason}: ${detail}` }));
  }

  #answered(): Answered {
    return { answer: this.#answer, engine: this.#engine };
  }

  /** An answer that was long in coming tells its engine after its head; the first to say so is the gateway. */
  #takeComment(text: string): void {
    const [name, mark] = text.split(' ');
    if (name === engineHeader) this.#engine ??= readEngineMark(mark);
  }

  #refuse(bytes: Buffer): void {
    this.#refusalBytes += bytes.length;
    if (this.#refusalBytes > refusalBytesMost) return this.#settle(this.#refused());
    // The bytes are the connection's, which reads into them again.
    this.#refusal.push(Buffer.from(bytes));
  }

  #refused(): ApiError {
    if (this.#head === undefined) return new ApiError('upstream_error');
    return refusalOf(this.#head, Buffer.concat(this.#refusal).toString('utf8'));
  }
}

/** Engines that tell no usage are charged by characters. */
function usageOf(answer: ChatAnswer, ask: GenerateAsk) {
  const prompt_tokens = tokensOfChars(promptChars(ask.request));
  const completion_tokens = tokensOfChars(answer.chars);
  return answer.usage ?? { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

type Door = { pool: HttpPool; origin: Origin; prefix: string; token: string; routing: RoutingName | undefined };

function send({ pool, origin, prefix, token, routing }: Door, ask: GenerateAsk, sink: ResponseSink): HttpCall {
  const body = Buffer.from(JSON.stringify({ ...ask.request, stream: true, stream_options: { include_usage: true } }));
  const headers = [
    ['host', hostHeader(origin)],
    ['authorization', `Bearer ${token}`],
    ['content-type', 'application/json'],
    ['content-length', String(body.length)],
    ['accept', 'text/event-stream'],
    // Calls are few and long: none is worth an idle connection afterwards.
    ['connection', 'close'],
    ['accept-encoding', 'identity'],
    [verifyHeader, 'off'],
    [tenantHeader, ask.tenant],
    [keyHeader, ask.key],
    // Users come first, unless one of them waits for this.
    [priorityHeader, ask.priority ?? 'low'],
    ...(routing === undefined ? [] : [[routingHeader, routing] as const]),
    ...(ask.engine === undefined ? [] : [[engineHeader, ask.engine] as const]),
  ] as const;
  const lines = headers.map(([name, value]) => `${name}: ${cleanHeaderValue(value)}\r\n`);
  const head = `POST ${prefix}/v1/chat/completions HTTP/1.1\r\n${lines.join('')}\r\n`;
  return pool.send(origin, { method: 'POST', head, body: [body] }, sink);
}

/** The answer, and no connection left behind however it ends. */
function answerOf(door: Door, ask: GenerateAsk): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const settle: Settle = (end) => {
      ask.signal.removeEventListener('abort', onAbort);
      if (!(end instanceof Error)) {
        // The gateway books the request by how its connection ends: it gets a moment to end it in order.
        setTimeout(() => call.abort(), lingerMs).unref();
        resolve(end);
      } else {
        call.abort();
        reject(end);
      }
    };
    const onAbort = () => settle(ask.signal.reason as Error);
    ask.signal.addEventListener('abort', onAbort, { once: true });
    const call = send(door, ask, new AnswerSink(ask.onProgress, settle));
  });
}

/**
 * @returns what a run generates with. Aborting ask.signal closes the connection, which ends the request upstream.
 * The promise rejects with ApiError (the gateway's code, `upstream_error`, `upstream_broken`), BoundPassed for an answer
 * above the bounds of ChatAnswer, or the signal's reason. No proxy variable of the environment is obeyed.
 * @throws TypeError for a base URL that is none
 */
export function gatewayGenerate({ baseUrl, token, tlsCa, routing }: GatewayAccess): Generate {
  const url = new URL(baseUrl);
  const tls = url.protocol === 'https:';
  const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port);
  const origin = { host: url.hostname.replace(/^\[|\]$/g, ''), port, tls, ...(tlsCa !== undefined && { tlsCa }) };
  const door = { pool: new HttpPool(), origin, prefix: url.pathname.replace(/\/+$/, ''), token, routing };
  return async (ask): Promise<Generation> => {
    ask.signal.throwIfAborted();
    const startedAt = systemClock.now();
    const { answer, engine } = await answerOf(door, ask).catch((error: unknown) => {
      if (ask.signal.aborted) throw ask.signal.reason;
      if (error instanceof ApiError || error instanceof BoundPassed) throw error;
      throw new ApiError('upstream_error', { cause: error });
    });
    return {
      answer: answer.message(),
      model: answer.model ?? ask.request.model,
      finishReason: answer.finishReason,
      usage: usageOf(answer, ask),
      latencyMs: Math.round(systemClock.now() - startedAt),
      opening: answer.opening,
      engine,
    };
  };
}
