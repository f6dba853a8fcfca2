/** What a client got, put together for the arena: from one JSON object or from the events of a stream. Hostile text. */
import { parseJson } from '@labmesh/kit/parse-json';
import {
  type ChatMessage,
  chatCompletionChunkSchema,
  chatCompletionSchema,
  chatMessageSchema,
  type ToolCall,
} from '@labmesh/wire/openai';
import { verificationLimits } from '@labmesh/wire/verification/verification-block';

/** Calls of one answer; engines give a few. */
const toolCallsMost = 128;

/** Undefined for what cannot be judged: broken off, several choices, longer than 100,000 characters, no chat at all. */
export function readAnswer(bytes: Buffer, isStream: boolean): ChatMessage | undefined {
  const text = bytes.toString('utf8');
  const read = isStream ? readStream(text) : readWhole(text);
  return read === undefined || charsOf(read) > verificationLimits.answerChars ? undefined : read;
}

function charsOf(message: ChatMessage): number {
  const content = typeof message.content === 'string' ? message.content.length : 0;
  return (message.tool_calls ?? []).reduce((sum, call) => sum + (call.function?.arguments?.length ?? 0), content);
}

function readWhole(text: string): ChatMessage | undefined {
  const [choice, second] = chatCompletionSchema.safeParse(parseJson(text)).data?.choices ?? [];
  return second === undefined ? choice?.message : undefined;
}

/** The text, the calls and the end of a stream so far. */
class StreamAnswer {
  #content = '';
  #calls: ToolCall[] = [];
  #finished = false;
  #several = false;

  add(data: string): void {
    const chunk = chatCompletionChunkSchema.safeParse(parseJson(data)).data;
    for (const { index, delta, finish_reason: reason } of chunk?.choices ?? []) {
      if (index > 0) this.#several = true;
      if (typeof delta.content === 'string') this.#content += delta.content;
      for (const call of delta.tool_calls ?? []) this.#addCall(call);
      if (typeof reason === 'string') this.#finished = true;
    }
  }

  /** Pieces of a call have its index; an engine that leaves the index out means the last one. */
  #addCall(piece: ToolCall): void {
    const at = piece.index ?? Math.max(0, this.#calls.length - 1);
    if (at > this.#calls.length || at >= toolCallsMost) return void (this.#several = true);
    const before = this.#calls[at];
    if (before === undefined) {
      this.#calls[at] = { ...piece, function: { ...piece.function } };
      return;
    }
    const known = before.function;
    before.function = {
      ...known,
      name: `${known?.name ?? ''}${piece.function?.name ?? ''}`,
      arguments: `${known?.arguments ?? ''}${piece.function?.arguments ?? ''}`,
    };
  }

  /** Undefined when it broke off, or is no single answer. */
  message(): ChatMessage | undefined {
    if (!this.#finished || this.#several) return undefined;
    const calls = this.#calls.length > 0 ? { tool_calls: this.#calls } : {};
    return chatMessageSchema.safeParse({ role: 'assistant', content: this.#content, ...calls }).data;
  }
}

function readStream(text: string): ChatMessage | undefined {
  const answer = new StreamAnswer();
  for (let from = 0; from < text.length;) {
    const found = text.indexOf('\n', from);
    const end = found < 0 ? text.length : found;
    if (text.startsWith('data:', from)) answer.add(text.slice(from + 5, end).trim());
    from = end + 1;
  }
  return answer.message();
}
