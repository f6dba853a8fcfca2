/** Formats whose columns are plain text: dpo, hf, slime, and the record of corrections. */
import type { ChatMessage } from '@labmesh/wire/openai';
import type { Triplet } from '@labmesh/wire/verification/preference';
import { textOfMessage } from '../trainable-message.ts';
import { RowRefused } from './row-refused.ts';

/** Words, then one line of JSON per tool call. @throws RowRefused NOT_TEXT */
function plainText(message: ChatMessage): string {
  const calls = message.tool_calls?.map((call) => JSON.stringify(call.function ?? {})) ?? [];
  const words = textOfMessage({ content: message.content ?? '' });
  if (words === undefined) throw new RowRefused('NOT_TEXT');
  return [...(words === '' && calls.length > 0 ? [] : [words]), ...calls].join('\n');
}

/** A role stands between our own marks. */
const roles: ReadonlySet<string> = new Set(['system', 'developer', 'user', 'assistant', 'tool', 'function']);

/** @throws RowRefused ROLE_UNKNOWN, NOT_TEXT */
function turnText(message: ChatMessage): string {
  if (!roles.has(message.role)) throw new RowRefused('ROLE_UNKNOWN');
  return `<|${message.role}|>\n${plainText(message)}`;
}
const turnsText = (messages: readonly ChatMessage[]) => messages.map(turnText).join('\n');

/** A question alone is its own text; a conversation is written with its roles. */
function promptText(input: readonly ChatMessage[]): string {
  const [first] = input;
  return input.length === 1 && first?.role === 'user' ? plainText(first) : turnsText(input);
}
/** One answer is its own text. */
function answerText(messages: readonly ChatMessage[]): string {
  const [first] = messages;
  return messages.length === 1 && first?.role === 'assistant' ? plainText(first) : turnsText(messages);
}

export const dpoRow = ({ input, chosen, rejected }: Triplet) => ({
  prompt: promptText(input),
  chosen: answerText(chosen),
  rejected: answerText(rejected),
});

export const hfRow = (triplet: Triplet) => ({
  ...dpoRow(triplet),
  score_chosen: triplet.chosen_score,
  score_rejected: triplet.rejected_score,
});

export const slimeRow = ({ input, chosen, rejected, confidence }: Triplet) => ({
  prompt: turnsText(input),
  chosen: turnsText(chosen),
  rejected: turnsText(rejected),
  chosen_score: confidence,
  // 1 - 0.9 is 0.09999999999999998.
  rejected_score: Math.round((1 - confidence) * 1e6) / 1e6,
});

/** AR8. Only of pairs that a correction made. */
export function chainRow(triplet: Triplet) {
  const { chain } = triplet.metadata;
  if (triplet.source !== 'self_correction' || typeof chain !== 'object' || chain === null) {
    throw new RowRefused('NOT_CORRECTED');
  }
  const { id, input, rejected, chosen } = triplet;
  return { id, input, original: rejected, corrected: chosen, ...chain };
}
