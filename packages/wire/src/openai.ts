/**
 * The OpenAI API as far as labmesh reads it. Every object is loose: fields that we do not know are kept, because
 * engines and clients are always ahead of any list. What labmesh adds stands at the end of each object.
 */
import { z } from 'zod';

const count = z.number().int().min(0);
/** Token ids or text, one or many: what `prompt` and `input` may be. */
const textOrTokens = z.union([
  z.string(),
  z.array(z.string()),
  z.array(z.number().int()),
  z.array(z.array(z.number().int())),
]);
const streamOptions = z.looseObject({ include_usage: z.boolean().optional() }).nullish();

export const usageSchema = z.looseObject({
  prompt_tokens: count,
  /** Absent in embeddings. */
  completion_tokens: count.optional(),
  total_tokens: count,
  prompt_tokens_details: z.looseObject({ cached_tokens: count.nullish() }).nullish(),
  completion_tokens_details: z.looseObject({ reasoning_tokens: count.nullish() }).nullish(),
});
export type Usage = z.infer<typeof usageSchema>;

export const toolCallSchema = z.looseObject({
  id: z.string().nullish(),
  /** Place in the list, in streamed deltas. */
  index: count.optional(),
  type: z.string().nullish(),
  function: z.looseObject({ name: z.string().nullish(), arguments: z.string().nullish() }).optional(),
});
export type ToolCall = z.infer<typeof toolCallSchema>;

export const chatMessageSchema = z.looseObject({
  role: z.string(),
  /** Text, parts (text, images, audio), or null beside tool calls. */
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]).nullish(),
  name: z.string().nullish(),
  tool_calls: z.array(toolCallSchema).nullish(),
  tool_call_id: z.string().nullish(),
});
export type ChatMessage = z.infer<typeof chatMessageSchema>;

const sampling = {
  model: z.string().min(1).max(256),
  stream: z.boolean().nullish(),
  stream_options: streamOptions,
  max_tokens: count.nullish(),
  temperature: z.number().nullish(),
  top_p: z.number().nullish(),
  n: z.number().int().min(1).nullish(),
  stop: z.union([z.string(), z.array(z.string())]).nullish(),
  seed: z.number().int().nullish(),
  user: z.string().nullish(),
};

export const chatCompletionRequestSchema = z.looseObject({
  ...sampling,
  messages: z.array(chatMessageSchema).min(1),
  max_completion_tokens: count.nullish(),
  tools: z.array(z.looseObject({ type: z.string() })).nullish(),
  tool_choice: z.union([z.string(), z.looseObject({})]).nullish(),
  response_format: z.looseObject({ type: z.string() }).nullish(),
});
export type ChatCompletionRequest = z.infer<typeof chatCompletionRequestSchema>;

const answer = { id: z.string(), created: count, model: z.string(), system_fingerprint: z.string().nullish() };

export const chatCompletionSchema = z.looseObject({
  ...answer,
  object: z.literal('chat.completion'),
  choices: z.array(
    z.looseObject({
      index: count,
      message: z.looseObject({
        ...chatMessageSchema.shape,
        reasoning_content: z.string().nullish(),
        reasoning: z.string().nullish(),
      }),
      finish_reason: z.string().nullish(),
    }),
  ),
  usage: usageSchema.nullish(),
});
export type ChatCompletion = z.infer<typeof chatCompletionSchema>;

/** One `data:` event of a streamed chat. The usage chunk has no choices. */
export const chatCompletionChunkSchema = z.looseObject({
  ...answer,
  object: z.literal('chat.completion.chunk'),
  choices: z.array(
    z.looseObject({
      index: count,
      delta: z.looseObject({
        role: z.string().nullish(),
        content: z.string().nullish(),
        /** Thinking as most engines name it; vLLM says `reasoning`. */
        reasoning_content: z.string().nullish(),
        reasoning: z.string().nullish(),
        tool_calls: z.array(toolCallSchema).nullish(),
      }),
      finish_reason: z.string().nullish(),
    }),
  ),
  usage: usageSchema.nullish(),
});
export type ChatCompletionChunk = z.infer<typeof chatCompletionChunkSchema>;

export const completionRequestSchema = z.looseObject({
  ...sampling,
  prompt: textOrTokens,
  echo: z.boolean().nullish(),
  suffix: z.string().nullish(),
});
export type CompletionRequest = z.infer<typeof completionRequestSchema>;

/** A whole completion and a streamed part of one have the same form. */
export const completionSchema = z.looseObject({
  ...answer,
  object: z.literal('text_completion'),
  choices: z.array(z.looseObject({ index: count, text: z.string(), finish_reason: z.string().nullish() })),
  usage: usageSchema.nullish(),
});
export type Completion = z.infer<typeof completionSchema>;

export const embeddingRequestSchema = z.looseObject({
  model: sampling.model,
  input: textOrTokens,
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.number().int().min(1).nullish(),
  user: z.string().nullish(),
});
export type EmbeddingRequest = z.infer<typeof embeddingRequestSchema>;

export const embeddingListSchema = z.looseObject({
  object: z.literal('list'),
  model: z.string(),
  data: z.array(
    z.looseObject({
      object: z.literal('embedding'),
      index: count,
      /** Numbers, or base64 of little-endian floats when the request asked for it. */
      embedding: z.union([z.array(z.number()), z.string()]),
    }),
  ),
  usage: usageSchema.optional(),
});
export type EmbeddingList = z.infer<typeof embeddingListSchema>;

export const modelSchema = z.looseObject({
  id: z.string(),
  object: z.literal('model'),
  created: count,
  owned_by: z.string(),
  /** Tokens, prompt and answer together. */
  context_length: count.optional(),
  capabilities: z.array(z.string()).optional(),
  /** In memory now; absent when no endpoint says. */
  loaded: z.boolean().optional(),
});
export type OpenaiModel = z.infer<typeof modelSchema>;

export const modelListSchema = z.looseObject({
  object: z.literal('list'),
  data: z.array(modelSchema),
  labmesh: z.looseObject({ unavailable_models: z.array(z.string()).optional() }).optional(),
});
export type ModelList = z.infer<typeof modelListSchema>;

/** An error answer, and the `data:` of an error inside a stream. */
export const errorBodySchema = z.looseObject({
  error: z.looseObject({
    message: z.string(),
    type: z.string().nullish(),
    param: z.string().nullish(),
    /** OpenAI gives text; vLLM and llama.cpp give the HTTP status as a number. */
    code: z.union([z.string(), z.number()]).nullish(),
  }),
  request_id: z.string().optional(),
});
export type ErrorBody = z.infer<typeof errorBodySchema>;
