/**
 * A streamed chat answer put together again. The engine is no friend: what it sends is bounded, chunks that are none are
 * passed over, and an error inside the stream ends it.
 */
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import { parseJson } from '@labmesh/kit/parse-json';
import { ApiError } from '@labmesh/wire/errors';
import {
  chatCompletionChunkSchema,
  type ChatMessage,
  errorBodySchema,
  type ToolCall,
  type Usage,
} from '@labmesh/wire/openai';
import { verificationLimits } from '@labmesh/wire/verification/verification-block';

const eventCharsMost = 1024 * 1024;
const toolCallsMost = 64;
const openingCharsMost = 256;

/** Cuts a stream of text into the data of its server-sent events. */
export class EventLines {
  readonly #onComment: (text: string) => void;
  #held = '';
  #data: string[] = [];

  constructor(onComment: (text: string) => void = () => {}) {
    this.#onComment = onComment;
  }

  /** @throws BoundPassed for an event above 1 MiB. */
  *push(text: string): Generator<string> {
    this.#held += text;
    let from = 0;
    for (let end = this.#held.indexOf('\n'); end >= 0; end = this.#held.indexOf('\n', from)) {
      const line = this.#held.slice(from, end).replace(/\r$/, '');
      from = end + 1;
      if (line.startsWith(':')) this.#onComment(line.slice(1).trim());
      if (line.startsWith('data:')) this.#data.push(line.slice(line[5] === ' ' ? 6 : 5));
      if (line !== '' || this.#data.length === 0) continue;
      yield this.#data.join('\n');
      this.#data = [];
    }
    this.#held = this.#held.slice(from);
    const open = this.#data.reduce((sum, part) => sum + part.length, this.#held.length);
    if (open > eventCharsMost) throw new BoundPassed('arena.generate.event_chars', eventCharsMost);
  }

  /** The event that the end of the stream left without its blank line; some engines do. */
  rest(): string | undefined {
    if (this.#held.startsWith('data:')) this.#data.push(this.#held.slice(5).trim());
    return this.#data.length === 0 ? undefined : this.#data.join('\n');
  }
}

/** What has come so far of one answer. */
export class ChatAnswer {
  chars = 0;
  /** The first of them. */
  opening = '';
  model: string | undefined;
  finishReason: string | null = null;
  usage: Usage | undefined;
  done = false;
  readonly #text: string[] = [];
  readonly #calls = new Map<number, { id: string; name: string; arguments: string[] }>();

  /**
   * Takes the data of one event.
   * @throws BoundPassed above 100,000 characters or 64 tool calls; ApiError when the engine tells of an error.
   */
  take(data: string): void {
    if (data.trim() === '[DONE]') {
      this.done = true;
      return;
    }
    const value = parseJson(data);
    const fault = errorBodySchema.safeParse(value);
    if (fault.success) throw new ApiError('upstream_error', { log: fault.data.error.message.slice(0, 300) });
    const read = chatCompletionChunkSchema.safeParse(value);
    if (!read.success) return;
    const { choices, model, usage } = read.data;
    this.model = model;
    if (usage) this.usage = usage;
    const choice = choices.find((one) => one.index === 0);
    if (choice === undefined) return;
    this.finishReason = choice.finish_reason ?? this.finishReason;
    const { content, reasoning, reasoning_content, tool_calls } = choice.delta;
    // Thoughts are no part of the answer, but they fill the line all the same.
    const said = `${reasoning ?? reasoning_content ?? ''}${content ?? ''}`;
    if (this.opening.length < openingCharsMost) this.opening = (this.opening + said).slice(0, openingCharsMost);
    this.#count((reasoning ?? '').length + (reasoning_content ?? '').length + (content ?? '').length);
    if (content) this.#text.push(content);
    for (const call of tool_calls ?? []) this.#takeCall(call);
  }

  /** The message; null content beside tool calls, as engines have it. */
  message(): ChatMessage {
    const content = this.#text.join('');
    if (this.#calls.size === 0) return { role: 'assistant', content };
    const tool_calls = [...this.#calls]
      .toSorted(([a], [b]) => a - b)
      .map(([, { id, name, arguments: parts }]) => ({
        id,
        type: 'function',
        function: { name, arguments: parts.join('') },
      }));
    return { role: 'assistant', content: content === '' ? null : content, tool_calls };
  }

  #count(chars: number): void {
    this.chars += chars;
    if (this.chars > verificationLimits.answerChars) {
      throw new BoundPassed('arena.generate.answer_chars', verificationLimits.answerChars);
    }
  }

  #takeCall(delta: ToolCall): void {
    const at = delta.index ?? 0;
    const name = delta.function?.name ?? '';
    const part = delta.function?.arguments ?? '';
    this.#count(name.length + part.length);
    let call = this.#calls.get(at);
    if (call === undefined) {
      if (this.#calls.size >= toolCallsMost) throw new BoundPassed('arena.generate.tool_calls', toolCallsMost);
      call = { id: '', name: '', arguments: [] };
      this.#calls.set(at, call);
    }
    if (call.id === '') call.id = (delta.id ?? '').slice(0, 256);
    // A name comes whole, and some engines repeat it with every part.
    if (call.name === '') call.name = name;
    call.arguments.push(part);
  }
}
