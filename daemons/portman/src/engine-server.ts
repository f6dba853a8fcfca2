/**
 * The HTTP side of the built-in engine, inside its own process: an OpenAI endpoint on loopback. It listens at once and
 * answers 503 in llama.cpp's words while the model loads, so a probe sees `warming` instead of a refused connection.
 */
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { systemClock, type Clock } from '@labmesh/kit/clock';
import { silentLogger, type Logger } from '@labmesh/kit/log';
import { ApiError, openaiErrorBody } from '@labmesh/wire/errors';
import { embeddingAnswer, wholeAnswer, type AnswerHead } from './engine/answers.ts';
import { streamAnswer } from './engine/stream-answer.ts';
import { loadLlamaLibrary } from './engine/llama-library.ts';
import { loadLlamaEngine, type LlamaEngine } from './engine/llama-engine.ts';
import type { Prompt } from './engine/prompt.ts';
import {
  parseChatRequest,
  parseCompletionRequest,
  parseEmbeddingRequest,
  type GenerationRequest,
} from './engine/request.ts';
import { engineLimits, engineParametersSchema, type EngineParameters } from './engine-messages.ts';

export type EngineServerOptions = {
  clock?: Clock;
  log?: Logger;
  /** Share of the model file that is loaded, 0–1. */
  onProgress?: (share: number) => void;
};

export interface EngineServer extends AsyncDisposable {
  readonly port: number;
  /** The model is loaded; rejects when it cannot be. Gives the tokens that prompt and answer may have together. */
  readonly ready: Promise<{ contextLength: number }>;
}

/** What the routes need, made once. */
type Serving = {
  parameters: EngineParameters;
  clock: Clock;
  log: Logger;
  created: number;
  /** Aborts when the server closes. */
  closing: AbortSignal;
  engine: LlamaEngine | undefined;
};

const loadingBody = { error: { message: 'Loading model', type: 'unavailable_error', code: 503 } };

const digest = (text: string) => createHash('sha256').update(text).digest();

/**
 * Starts the engine. Resolves when it listens; `ready` tells of the model.
 * @throws when the port is taken
 */
export async function startEngineServer(
  given: Partial<EngineParameters> & Pick<EngineParameters, 'modelPath' | 'modelId' | 'apiKey'>,
  options: EngineServerOptions = {},
): Promise<EngineServer> {
  const parameters = engineParametersSchema.parse(given);
  const { clock = systemClock, log = silentLogger, onProgress } = options;
  const closer = new AbortController();
  const created = Math.floor(clock.wall() / 1000);
  const serving: Serving = { parameters, clock, log, created, closing: closer.signal, engine: undefined };
  const server = Bun.serve({
    hostname: parameters.host,
    port: parameters.port,
    maxRequestBodySize: engineLimits.bodyBytesMax,
    // A long prompt on a slow machine may take minutes to its first token.
    idleTimeout: 0,
    fetch: (request) => answer(serving, request),
  });
  const ready = (async () => {
    const library = await loadLlamaLibrary();
    const engine = await loadLlamaEngine(library, parameters, { log, clock, ...(onProgress && { onProgress }) });
    serving.engine = engine;
    return { contextLength: engine.contextSize };
  })();
  // Whoever waits on `ready` sees the failure; nobody waiting must not end the process.
  ready.catch(() => undefined);
  return {
    port: server.port ?? 0,
    ready,
    [Symbol.asyncDispose]: async () => {
      closer.abort(new ApiError('server_shutting_down'));
      await server.stop(true);
      await ready.catch(() => undefined);
      await serving.engine?.[Symbol.asyncDispose]();
    },
  };
}

/** Routes one request; whatever goes wrong becomes an OpenAI error here and nowhere else. */
async function answer(serving: Serving, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  try {
    if (pathname === '/health') return serving.engine ? Response.json({ status: 'ok' }) : loading();
    assertKey(serving.parameters.apiKey, request);
    return await route(serving, request, pathname);
  } catch (error) {
    return errorResponse(serving.log, error);
  }
}

const loading = () => Response.json(loadingBody, { status: 503, headers: { 'retry-after': '1' } });

async function route(serving: Serving, request: Request, pathname: string): Promise<Response> {
  const expected = pathname === '/v1/models' ? 'GET' : 'POST';
  if (!routes.has(pathname)) throw new ApiError('unknown_route');
  if (request.method !== expected) throw new ApiError('method_not_allowed');
  const { engine } = serving;
  if (!engine) return loading();
  if (pathname === '/v1/models') return Response.json(modelList(serving, engine));
  const body = await request.text();
  if (pathname === '/v1/embeddings') return embeddings(serving, engine, body, request.signal);
  if (pathname === '/v1/completions') {
    const parsed = parseCompletionRequest(body);
    return generate(serving, engine, 'completion', parsed, engine.prompts.forText(parsed.prompt), request.signal);
  }
  const parsed = parseChatRequest(body);
  return generate(serving, engine, 'chat', parsed, engine.prompts.forChat(parsed.messages), request.signal);
}

const routes = new Set(['/v1/models', '/v1/chat/completions', '/v1/completions', '/v1/embeddings']);

async function generate(
  serving: Serving,
  engine: LlamaEngine,
  kind: AnswerHead['kind'],
  request: GenerationRequest,
  prompt: Prompt,
  client: AbortSignal,
): Promise<Response> {
  assertModel(serving.parameters, request.model);
  const head: AnswerHead = {
    kind,
    id: `${kind === 'chat' ? 'chatcmpl' : 'cmpl'}-${randomUUID()}`,
    created: Math.floor(serving.clock.wall() / 1000),
    model: request.model,
    includeUsage: request.includeUsage,
  };
  if (request.stream) {
    const run = (signal: AbortSignal, onText: (text: string) => void) =>
      engine.generate(prompt, request, signal, onText);
    return streamAnswer(head, AbortSignal.any([client, serving.closing]), run, serving.log);
  }
  let text = '';
  const signal = AbortSignal.any([client, serving.closing]);
  const outcome = await engine.generate(prompt, request, signal, (piece) => {
    text += piece;
  });
  return Response.json(wholeAnswer(head, text, outcome));
}

async function embeddings(serving: Serving, engine: LlamaEngine, body: string, client: AbortSignal): Promise<Response> {
  const request = parseEmbeddingRequest(body);
  assertModel(serving.parameters, request.model);
  const signal = AbortSignal.any([client, serving.closing]);
  const { vectors, promptTokens } = await engine.embed(request.inputs, signal);
  const dimensions = vectors[0]?.length;
  if (request.dimensions !== undefined && request.dimensions !== dimensions) {
    const message = `this model gives ${dimensions} dimensions and no other number`;
    throw new ApiError('unsupported_parameter', { message, param: 'dimensions' });
  }
  return Response.json(embeddingAnswer(request.model, vectors, promptTokens, request.base64));
}

function modelList({ parameters, created }: Serving, engine: LlamaEngine) {
  const meta = { n_ctx_train: engine.trainContextSize, n_ctx: engine.contextSize, size: engine.sizeBytes };
  const ids = [parameters.modelId, ...parameters.alias];
  const rest = { object: 'model', created, owned_by: 'labmesh', loaded: true, meta };
  return { object: 'list', data: ids.map((id) => ({ id, ...rest })) };
}

function assertModel({ modelId, alias }: EngineParameters, model: string): void {
  if (model === modelId || alias.includes(model)) return;
  throw new ApiError('model_not_found', { message: `this engine serves ${modelId} only`, param: 'model' });
}

function assertKey(apiKey: string, request: Request): void {
  const given = /^Bearer (.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] ?? '';
  if (!timingSafeEqual(digest(given), digest(apiKey))) {
    throw new ApiError('invalid_api_key', { message: "this engine takes only its parent's API key" });
  }
}

function errorResponse(log: Logger, error: unknown): Response {
  // A client that is gone reads nothing; the status is for completeness.
  if (error instanceof DOMException && error.name === 'AbortError') return new Response(null, { status: 499 });
  const known = error instanceof ApiError ? error : new ApiError('internal_error', { cause: error });
  if (known.blame === 'ours') log.error('request failed', { error });
  const headers: Record<string, string> =
    known.retryAfterS === undefined ? {} : { 'retry-after': `${known.retryAfterS}` };
  return Response.json(openaiErrorBody(known), { status: known.status, headers });
}
