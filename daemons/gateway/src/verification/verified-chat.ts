/** A verified answer in OpenAI's two forms: whole, and as the events of a stream (verification RP5, RP6). */
import type { ChatMessage } from '@labmesh/wire/openai';
import type { ArenaResult } from '@labmesh/wire/verification/arena-run';

/** Characters of one delta. */
const deltaCharsMost = 64;

export type ChatForm = {
  /** Of the answer: `chatcmpl-…`. */
  id: string;
  /** Unix seconds. */
  created: number;
  result: ArenaResult;
  /** `compat.vaas`: the original's block too. */
  withShadowArena: boolean;
};

/** What labmesh adds to an answer. */
function additions({ result, withShadowArena }: ChatForm) {
  return {
    verification: result.report,
    ...(withShadowArena && result.shadowArena !== null && { shadow_arena: result.shadowArena }),
  };
}

/** Usage is the sum of all variations and corrections: what the answer really took, and what its tenant pays. */
export function wholeChat(form: ChatForm, message: ChatMessage) {
  const { id, created, result } = form;
  return {
    id,
    object: 'chat.completion',
    created,
    model: result.model,
    choices: [{ index: 0, message: { ...message, role: 'assistant' }, finish_reason: result.finishReason ?? 'stop' }],
    usage: result.usage,
    ...additions(form),
  };
}

/** Pieces of at most 64 code points: no character is cut in two. */
export function* pieces(text: string): Generator<string> {
  let from = 0;
  while (from < text.length) {
    let end = from;
    for (let count = 0; count < deltaCharsMost && end < text.length; count++) {
      end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1;
    }
    yield text.slice(from, end);
    from = end;
  }
}

/** The text of a message; parts that are no text stay away: no model answers with them in a stream. */
function textOf(content: ChatMessage['content']): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => (typeof part['text'] === 'string' ? part['text'] : '')).join('');
}

/** The `delta` objects of a message, in the order in which engines send them. */
function* deltas(message: ChatMessage): Generator<Record<string, unknown>> {
  yield { role: 'assistant', content: '' };
  for (const name of ['reasoning_content', 'reasoning'] as const) {
    const thought = message[name];
    if (typeof thought === 'string') for (const piece of pieces(thought)) yield { [name]: piece };
  }
  for (const piece of pieces(textOf(message.content))) yield { content: piece };
  const calls = message.tool_calls ?? [];
  if (calls.length > 0) yield { tool_calls: calls.map((call, index) => ({ ...call, index })) };
}

/**
 * The events of a stream. The last one with a choice carries the report, and usage too unless the client asked for a
 * chunk of its own: usage is always told, and nobody meets an event without choices unasked.
 */
export function* chatEvents(form: ChatForm, message: ChatMessage, includeUsage: boolean): Generator<string> {
  const { id, created, result } = form;
  const base = { id, object: 'chat.completion.chunk', created, model: result.model };
  const event = (rest: object) => `data: ${JSON.stringify({ ...base, ...rest })}\n\n`;
  for (const delta of deltas(message)) yield event({ choices: [{ index: 0, delta, finish_reason: null }] });
  const usage = { usage: result.usage };
  yield event({
    choices: [{ index: 0, delta: {}, finish_reason: result.finishReason ?? 'stop' }],
    ...(!includeUsage && usage),
    ...additions(form),
  });
  if (includeUsage) yield event({ choices: [], ...usage });
  yield 'data: [DONE]\n\n';
}
