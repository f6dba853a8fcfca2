import type { EngineFaults } from './engine-faults.ts';
import type { SimReply, SimRequest } from './http-listener.ts';
import type { Slots } from './slots.ts';

/** What answering needs of a simulated engine. */
export type GeneratingEngine = {
  readonly kind: string;
  readonly models: readonly string[];
  readonly loaded: Set<string>;
  readonly slots: Slots;
  readonly faults: EngineFaults;
  readonly options: { tokens: number; tokenDelayMs: number; prefillMs: number };
  readonly shape: { unknownModel: (reply: SimReply, model: string) => void };
  generated: number;
  aborted: number;
};

/**
 * Extra fields that a test wants to see in an answer, taken from the request's `x_sim`. Streams send each of `deltas`
 * as a chunk of its own before the text and `raw` as it stands; whole answers get `message` (else the deltas merged).
 */
type SimExtras = {
  deltas?: readonly Record<string, unknown>[];
  message?: Record<string, unknown>;
  /** Merged into every chunk and every whole answer. */
  chunk?: Record<string, unknown>;
  finish_reason?: string;
  raw?: readonly string[];
};

type OpenaiBody = {
  model?: string;
  stream?: boolean;
  stream_options?: { include_usage?: boolean };
  max_tokens?: number;
  max_completion_tokens?: number;
  messages?: unknown;
  prompt?: unknown;
  input?: unknown;
  x_sim?: SimExtras;
};

const created = 1_700_000_000;
const embedding = [0.125, -0.25, 0.5, 1];

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const token = (index: number) => `${index === 0 ? '' : ' '}tok${index}`;

/** About four characters a token, as everybody estimates. */
const countTokens = (value: unknown) => Math.max(1, Math.ceil(JSON.stringify(value ?? '').length / 4));

function parseBody(text: string): OpenaiBody | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** One generating request on its way, with what both forms of answer need. */
type Generation = {
  engine: GeneratingEngine;
  reply: SimReply;
  body: OpenaiBody;
  chat: boolean;
  id: string;
  tokens: number;
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
};

/** Answers /v1/chat/completions, /v1/completions and /v1/embeddings, with the engine's queue, prefill and faults. */
export async function answerOpenai(engine: GeneratingEngine, request: SimRequest, reply: SimReply): Promise<void> {
  const body = parseBody(request.body);
  if (body === undefined) return reply.json(400, { error: { message: 'invalid JSON', type: 'invalid_request_error' } });
  const model = body.model ?? '';
  if (!engine.models.includes(model)) return engine.shape.unknownModel(reply, model);
  let leave = () => {};
  let ended = false;
  const gone = Promise.withResolvers<void>();
  reply.onClose(() => {
    if (ended) return;
    engine.aborted += 1;
    leave();
    gone.resolve();
  });
  if (!(await engine.slots.take((left) => (leave = left)))) return;
  engine.loaded.add(model);
  try {
    // A client that leaves frees the place at once, as an engine with abort detection does.
    if (engine.options.prefillMs > 0) await Promise.race([sleep(engine.options.prefillMs), gone.promise]);
    if (reply.closed) return;
    if (request.path === '/v1/embeddings') answerEmbeddings(body, reply);
    else await generate(engine, body, reply, request.path === '/v1/chat/completions');
    if (!reply.closed) engine.generated += 1;
  } finally {
    ended = true;
    engine.slots.free();
  }
}

function answerEmbeddings(body: OpenaiBody, reply: SimReply): void {
  const inputs = Array.isArray(body.input) ? body.input : [body.input];
  const data = inputs.map((_, index) => ({ object: 'embedding', index, embedding }));
  const prompt_tokens = countTokens(body.input);
  reply.json(200, { object: 'list', data, model: body.model, usage: { prompt_tokens, total_tokens: prompt_tokens } });
}

async function generate(engine: GeneratingEngine, body: OpenaiBody, reply: SimReply, chat: boolean): Promise<void> {
  const tokens = Math.min(engine.options.tokens, body.max_completion_tokens ?? body.max_tokens ?? Infinity);
  const prompt_tokens = countTokens(chat ? body.messages : body.prompt);
  const usage = { prompt_tokens, completion_tokens: tokens, total_tokens: prompt_tokens + tokens };
  const id = `${chat ? 'chatcmpl' : 'cmpl'}-${engine.kind}-${engine.generated}`;
  const generation: Generation = { engine, reply, body, chat, id, tokens, usage };
  if (body.stream === true) await streamAnswer(generation);
  else await wholeAnswer(generation);
}

async function wholeAnswer({ engine, reply, body, chat, id, tokens, usage }: Generation): Promise<void> {
  if (engine.options.tokenDelayMs > 0) await sleep(engine.options.tokenDelayMs * tokens);
  const content = Array.from({ length: tokens }, (_, index) => token(index)).join('');
  const extras = body.x_sim ?? {};
  const message = { role: 'assistant', content, ...(extras.message ?? Object.assign({}, ...(extras.deltas ?? []))) };
  const finish_reason = extras.finish_reason ?? 'stop';
  const choice = chat
    ? { index: 0, message, finish_reason }
    : { index: 0, text: content, logprobs: null, finish_reason };
  const object = chat ? 'chat.completion' : 'text_completion';
  reply.json(200, { id, object, created, model: body.model, choices: [choice], usage, ...extras.chunk });
}

async function streamAnswer(generation: Generation): Promise<void> {
  const { engine, reply, body, chat, id, tokens, usage } = generation;
  const extras = body.x_sim ?? {};
  let events = 0;
  let stopped = false;
  const send = (line: string) => {
    const { breakAfterEvents, stallAfterEvents } = engine.faults;
    if (stopped || reply.closed) return;
    if (breakAfterEvents !== undefined && events >= breakAfterEvents) {
      stopped = true;
      return reply.cut();
    }
    if (stallAfterEvents !== undefined && events >= stallAfterEvents) {
      stopped = true;
      return;
    }
    events += 1;
    reply.chunk(line);
  };
  const object = chat ? 'chat.completion.chunk' : 'text_completion';
  const event = (choices: unknown[], rest: Record<string, unknown> = {}) =>
    send(`data: ${JSON.stringify({ id, object, created, model: body.model, choices, ...rest, ...extras.chunk })}\n\n`);
  const delta = (fields: Record<string, unknown>, text: string, finish_reason: string | null) =>
    event([chat ? { index: 0, delta: fields, finish_reason } : { index: 0, text, finish_reason }]);

  reply.start(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  if (chat) delta({ role: 'assistant', content: '' }, '', null);
  for (const raw of extras.raw ?? []) send(raw);
  for (const extra of extras.deltas ?? []) delta(extra, '', null);
  for (let index = 0; index < tokens && !reply.closed && !stopped; index += 1) {
    if (engine.options.tokenDelayMs > 0) await sleep(engine.options.tokenDelayMs);
    delta({ content: token(index) }, token(index), null);
  }
  delta({}, '', extras.finish_reason ?? 'stop');
  if (body.stream_options?.include_usage === true) event([], { usage });
  send('data: [DONE]\n\n');
  if (engine.faults.stallAfterEvents !== undefined && stopped) return clientLeaves(reply);
  if (!reply.closed) reply.endChunks();
}

/** A stalled stream ends when its client gives up. */
async function clientLeaves(reply: SimReply): Promise<void> {
  while (!reply.closed) await sleep(10);
}
