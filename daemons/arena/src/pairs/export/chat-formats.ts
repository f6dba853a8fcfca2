/** Formats whose columns are lists of messages. */
import { canonicalJson } from '@labmesh/attest/json/canonical-json';
import type { ChatMessage } from '@labmesh/wire/openai';
import type { Triplet } from '@labmesh/wire/verification/preference';
import { textOfMessage, trainableMessage } from '../trainable-message.ts';
import { RowRefused } from './row-refused.ts';

/** The row itself, as it was digested. */
export const jsonlText = (triplet: Triplet): string => canonicalJson(triplet);

const roles: ReadonlySet<string> = new Set(['system', 'developer', 'user', 'assistant', 'tool']);
const calls = ({ role, tool_calls: made }: ChatMessage) => role === 'assistant' && (made?.length ?? 0) > 0;

/**
 * A message as OpenAI's files and chat templates take it. Content is a text in every row: a column that is now a text and
 * now a list is no table to Hugging Face, and templates write a missing one as "None".
 * @throws RowRefused ROLE_UNKNOWN, NO_CONTENT, NOT_TEXT
 */
function message(given: ChatMessage): ChatMessage {
  if (!roles.has(given.role)) throw new RowRefused('ROLE_UNKNOWN');
  const none = given.content === null || given.content === undefined;
  if (none && !calls(given)) throw new RowRefused('NO_CONTENT');
  const content = textOfMessage({ content: given.content ?? '' });
  if (content === undefined) throw new RowRefused('NOT_TEXT');
  return { ...trainableMessage(given), content };
}

/** What is to be answered: it ends with a question or with what a tool said. @throws RowRefused TURN_COUNT */
function promptOf(input: readonly ChatMessage[]): ChatMessage[] {
  const messages = input.map(message);
  const last = messages.at(-1)?.role;
  if (last !== 'user' && last !== 'tool') throw new RowRefused('TURN_COUNT');
  return messages;
}

/** One side. @throws RowRefused NO_ANSWER, SEVERAL_ANSWERS */
function answerOf(messages: readonly ChatMessage[]): ChatMessage[] {
  if (messages.length > 1) throw new RowRefused('SEVERAL_ANSWERS');
  if (messages[0]?.role !== 'assistant') throw new RowRefused('NO_ANSWER');
  return messages.map(message);
}

const sidesOf = ({ input, chosen, rejected }: Triplet) => ({
  prompt: promptOf(input),
  chosen: answerOf(chosen),
  rejected: answerOf(rejected),
});
const toolsOf = ({ metadata: { tools } }: Triplet): unknown[] => (Array.isArray(tools) ? tools : []);

/**
 * Hugging Face TRL's conversational preference format. Tools are JSON in a text, which TRL reads: two schemas as structs
 * seldom make one column. @throws RowRefused
 */
export const hfChatRow = (triplet: Triplet) => ({
  ...sidesOf(triplet),
  score_chosen: triplet.chosen_score,
  score_rejected: triplet.rejected_score,
  tools: JSON.stringify(toolsOf(triplet)),
});

/** OpenAI's preference fine-tuning format. @throws RowRefused */
export function openaiRow(triplet: Triplet) {
  const { prompt: messages, chosen, rejected } = sidesOf(triplet);
  const tools = toolsOf(triplet);
  return {
    input: { messages, ...(tools.length > 0 && { tools }) },
    preferred_output: chosen,
    non_preferred_output: rejected,
  };
}

/** @throws RowRefused */
export function openaiLegacyRow(triplet: Triplet) {
  const { prompt, chosen, rejected } = sidesOf(triplet);
  return { messages: [...prompt, ...chosen], rejected_messages: [...prompt, ...rejected] };
}
