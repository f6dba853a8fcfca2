/** Request bodies of the OpenAI routes, parsed at the edge into what the engine can do. */
import { z } from 'zod';
import { ApiError } from '@labmesh/wire/errors';
import { engineLimits } from '../engine-messages.ts';

const stopSchema = z.union([
  z.string().max(engineLimits.stopCharsMax),
  z.array(z.string().max(engineLimits.stopCharsMax)).max(engineLimits.stopStringsMax),
]);

// Null means "not given" in OpenAI's clients.
const optional = <T extends z.ZodType>(schema: T) => schema.nullish();

const samplingFields = {
  model: z.string().min(1),
  stream: optional(z.boolean()),
  stream_options: optional(z.object({ include_usage: optional(z.boolean()) })),
  max_tokens: optional(z.number().int().min(1)),
  temperature: optional(z.number().min(0).max(5)),
  top_p: optional(z.number().min(0).max(1)),
  top_k: optional(z.number().int().min(0)),
  min_p: optional(z.number().min(0).max(1)),
  seed: optional(z.number().int()),
  stop: optional(stopSchema),
  n: optional(z.number().int()),
  logprobs: optional(z.union([z.boolean(), z.number()])),
};

const textPart = z.object({ type: z.literal('text'), text: z.string() });
const messageSchema = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: z.union([z.string(), z.array(textPart)]).nullish(),
});

const chatSchema = z.object({
  ...samplingFields,
  messages: z.array(messageSchema).min(1).max(engineLimits.messagesMax),
  max_completion_tokens: optional(z.number().int().min(1)),
  tools: optional(z.array(z.unknown())),
  tool_choice: z.unknown().optional(),
  functions: optional(z.array(z.unknown())),
  response_format: optional(z.object({ type: z.string() })),
});

const completionSchema = z.object({
  ...samplingFields,
  prompt: z.union([z.string(), z.array(z.string()).length(1)]),
  suffix: optional(z.string()),
  echo: optional(z.boolean()),
  best_of: optional(z.number().int()),
});

const embeddingSchema = z.object({
  model: z.string().min(1),
  input: z.union([z.string(), z.array(z.string()).min(1).max(engineLimits.embeddingInputsMax)]),
  encoding_format: optional(z.enum(['float', 'base64'])),
  dimensions: optional(z.number().int().min(1)),
});

export type ChatMessage = { role: 'system' | 'user' | 'assistant'; text: string };

/** How the next token is picked; temperature 0 = always the likeliest. */
export type Sampling = { temperature: number; topP: number; topK: number; minP: number; seed: number };

export type GenerationRequest = {
  model: string;
  stream: boolean;
  includeUsage: boolean;
  /** Undefined = what the context leaves. */
  maxTokens: number | undefined;
  sampling: Sampling;
  stop: string[];
};
export type ChatRequest = GenerationRequest & { messages: ChatMessage[] };
export type CompletionRequest = GenerationRequest & { prompt: string };
export type EmbeddingRequest = { model: string; inputs: string[]; base64: boolean; dimensions: number | undefined };

/** llama.cpp's own defaults. */
const defaultSampling = { temperature: 0.8, topP: 0.95, topK: 40, minP: 0.05 };

function fieldPath(path: readonly PropertyKey[]): string {
  return path
    .map((part, at) => (typeof part === 'number' ? `[${part}]` : `${at > 0 ? '.' : ''}${String(part)}`))
    .join('');
}

/** Parses JSON bytes with `schema`; the first fault becomes an ApiError with its field. */
function parseBody<S extends z.ZodType>(schema: S, text: string): z.output<S> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new ApiError('invalid_json');
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const param = fieldPath(issue?.path ?? []);
  if (param === '') throw new ApiError('invalid_json');
  const code = issue?.code === 'invalid_type' || issue?.code === 'invalid_union' ? 'invalid_type' : 'invalid_value';
  throw new ApiError(code, { message: `${param}: ${issue?.message ?? 'not valid'}`, param });
}

function refuse(when: boolean, param: string, message: string): void {
  if (when) throw new ApiError('unsupported_parameter', { message: `the built-in engine ${message}`, param });
}

type SamplingFields = z.output<z.ZodObject<typeof samplingFields>>;

function generationOf(body: SamplingFields, maxTokens: number | undefined): GenerationRequest {
  refuse((body.n ?? 1) !== 1, 'n', 'gives one choice: n must be 1');
  refuse(
    body.logprobs !== undefined && body.logprobs !== null && body.logprobs !== false,
    'logprobs',
    'gives no logprobs',
  );
  const stop = body.stop ?? [];
  return {
    model: body.model,
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    maxTokens,
    sampling: {
      temperature: body.temperature ?? defaultSampling.temperature,
      topP: body.top_p ?? defaultSampling.topP,
      topK: body.top_k ?? defaultSampling.topK,
      minP: body.min_p ?? defaultSampling.minP,
      // The library's own default is the clock in seconds: two requests of one second would be twins.
      seed: (body.seed ?? Math.floor(Math.random() * 0xffff_ffff)) >>> 0,
    },
    stop: typeof stop === 'string' ? [stop] : stop,
  };
}

/** @throws ApiError invalid_json, invalid_type, invalid_value, unsupported_parameter */
export function parseChatRequest(text: string): ChatRequest {
  const body = parseBody(chatSchema, text);
  refuse((body.tools?.length ?? 0) > 0 && body.tool_choice !== 'none', 'tools', 'does not call tools');
  refuse((body.functions?.length ?? 0) > 0, 'functions', 'does not call functions');
  refuse((body.response_format?.type ?? 'text') !== 'text', 'response_format', 'answers in plain text only');
  return {
    ...generationOf(body, body.max_completion_tokens ?? body.max_tokens ?? undefined),
    messages: body.messages.map(({ role, content }) => ({
      role: role === 'developer' ? 'system' : role,
      text: typeof content === 'string' ? content : (content ?? []).map((part) => part.text).join(''),
    })),
  };
}

/** @throws ApiError as parseChatRequest */
export function parseCompletionRequest(text: string): CompletionRequest {
  const body = parseBody(completionSchema, text);
  refuse(Boolean(body.suffix), 'suffix', 'takes no suffix');
  refuse(body.echo === true, 'echo', 'does not echo the prompt');
  refuse((body.best_of ?? 1) !== 1, 'best_of', 'gives one choice: best_of must be 1');
  const prompt = typeof body.prompt === 'string' ? body.prompt : (body.prompt[0] ?? '');
  return { ...generationOf(body, body.max_tokens ?? undefined), prompt };
}

/** @throws ApiError as parseChatRequest */
export function parseEmbeddingRequest(text: string): EmbeddingRequest {
  const body = parseBody(embeddingSchema, text);
  return {
    model: body.model,
    inputs: typeof body.input === 'string' ? [body.input] : body.input,
    base64: body.encoding_format === 'base64',
    dimensions: body.dimensions ?? undefined,
  };
}
