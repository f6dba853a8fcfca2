/** The OpenAI answer forms, as plain data. */
import type { Outcome } from './llama-engine.ts';

export type AnswerKind = 'chat' | 'completion';
/** What all pieces of one answer share. `created` is Unix seconds. */
export type AnswerHead = { kind: AnswerKind; id: string; created: number; model: string; includeUsage: boolean };

export function usageOf(outcome: Outcome) {
  return {
    prompt_tokens: outcome.promptTokens,
    completion_tokens: outcome.completionTokens,
    total_tokens: outcome.promptTokens + outcome.completionTokens,
    prompt_tokens_details: { cached_tokens: outcome.cachedTokens },
  };
}

const common = (head: AnswerHead, object: string) => ({
  id: head.id,
  object,
  created: head.created,
  model: head.model,
});

/** A whole answer. */
export function wholeAnswer(head: AnswerHead, text: string, outcome: Outcome) {
  const end = { logprobs: null, finish_reason: outcome.finishReason };
  const choice =
    head.kind === 'chat'
      ? { index: 0, message: { role: 'assistant', content: text, refusal: null }, ...end }
      : { index: 0, text, ...end };
  const object = head.kind === 'chat' ? 'chat.completion' : 'text_completion';
  return { ...common(head, object), choices: [choice], usage: usageOf(outcome) };
}

function chunk(head: AnswerHead, choices: unknown[], usage: ReturnType<typeof usageOf> | null) {
  const object = head.kind === 'chat' ? 'chat.completion.chunk' : 'text_completion';
  return { ...common(head, object), choices, ...(head.includeUsage && { usage }) };
}

/** The first piece of a chat stream; completions have none. */
export function firstChunk(head: AnswerHead): unknown {
  const delta = { role: 'assistant', content: '' };
  return head.kind === 'chat'
    ? chunk(head, [{ index: 0, delta, logprobs: null, finish_reason: null }], null)
    : undefined;
}

export function textChunk(head: AnswerHead, text: string): unknown {
  const open = { logprobs: null, finish_reason: null };
  return chunk(
    head,
    [{ index: 0, ...(head.kind === 'chat' ? { delta: { content: text } } : { text }), ...open }],
    null,
  );
}

/** The pieces that end a stream: the reason, then the usage when asked for. */
export function lastChunks(head: AnswerHead, outcome: Outcome): unknown[] {
  const end = { logprobs: null, finish_reason: outcome.finishReason };
  const last = chunk(head, [{ index: 0, ...(head.kind === 'chat' ? { delta: {} } : { text: '' }), ...end }], null);
  return head.includeUsage ? [last, chunk(head, [], usageOf(outcome))] : [last];
}

/** `encoding_format: base64` = little-endian float32, which is what OpenAI's own client asks for. */
export function embeddingAnswer(model: string, vectors: readonly number[][], promptTokens: number, base64: boolean) {
  const encode = (vector: number[]) => Buffer.from(new Float32Array(vector).buffer).toString('base64');
  return {
    object: 'list',
    data: vectors.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: base64 ? encode(vector) : vector,
    })),
    model,
    usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
  };
}
