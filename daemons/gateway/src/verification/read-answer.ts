/** What a client got, put together for the arena: from one JSON object or from the events of a stream. Hostile text. */
import { parseJson } from '@labmesh/kit/parse-json';
import { type ChatMessage, chatMessageSchema } from '@labmesh/wire/openai';
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

type Fields = Readonly<Record<string, unknown>>;
const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const messageOf = (value: unknown): ChatMessage | undefined => chatMessageSchema.safeParse(value).data;

function readWhole(text: string): ChatMessage | undefined {
  const [choice, second] = listOf(fieldsOf(parseJson(text))['choices']);
  return second === undefined ? messageOf(fieldsOf(choice)['message']) : undefined;
}

/** Members of a delta that clients act on or show. */
const unread = ['function_call', 'refusal', 'audio'] as const;

/**
 * The text, the calls and the end of a stream so far. Events are looked at field by field and the message they make is
 * checked once: a schema for each of them would cost more than all the rest of the relay.
 */
class StreamAnswer {
  #content = '';
  #calls: { id: string; name: string; arguments: string }[] = [];
  #finished = false;
  #strange = false;

  /**
   * What a client may have read and this does not look at makes it no answer: the certificate would be for less than
   * what went out.
   */
  add(data: string): void {
    if (/^\s*(?:\[DONE\]\s*)?$/.test(data)) return;
    const event = parseJson(data);
    if (event === undefined) this.#strange = true;
    for (const one of listOf(fieldsOf(event)['choices'])) {
      const choice = fieldsOf(one);
      const delta = fieldsOf(choice['delta']);
      if (choice['index'] !== 0 && choice['index'] !== undefined) this.#strange = true;
      if (unread.some((name) => Boolean(delta[name]))) this.#strange = true;
      this.#content += textOf(delta['content']);
      for (const call of listOf(delta['tool_calls'])) this.#addCall(fieldsOf(call));
      if (typeof choice['finish_reason'] === 'string') this.#finished = true;
    }
  }

  /** Pieces of a call have its index; an engine that leaves the index out means the last one. */
  #addCall(piece: Fields): void {
    const at = piece['index'] ?? Math.max(0, this.#calls.length - 1);
    if (typeof at !== 'number' || !Number.isInteger(at) || at < 0 || at > this.#calls.length || at >= toolCallsMost)
      return void (this.#strange = true);
    const call = (this.#calls[at] ??= { id: '', name: '', arguments: '' });
    const made = fieldsOf(piece['function']);
    call.id ||= textOf(piece['id']);
    call.name += textOf(made['name']);
    call.arguments += textOf(made['arguments']);
  }

  /** Undefined when it broke off, or is no single answer. */
  message(): ChatMessage | undefined {
    if (!this.#finished || this.#strange) return undefined;
    const calls = this.#calls.map(({ id, name, arguments: given }) => ({
      id,
      type: 'function',
      function: { name, arguments: given },
    }));
    return messageOf({ role: 'assistant', content: this.#content, ...(calls.length > 0 && { tool_calls: calls }) });
  }
}

function readStream(text: string): ChatMessage | undefined {
  // A line may end in CR alone, too: some clients would read other lines than this.
  if (/\r(?!\n)/.test(text)) return undefined;
  const answer = new StreamAnswer();
  for (let from = 0; from < text.length;) {
    const found = text.indexOf('\n', from);
    const end = found < 0 ? text.length : found;
    if (text.startsWith('data:', from)) answer.add(text.slice(from + 5, end));
    from = end + 1;
  }
  return answer.message();
}
