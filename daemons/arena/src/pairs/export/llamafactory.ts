/**
 * LLaMA-Factory's two preference formats (PD5), as its data/README and converter have them. Its loader drops what it does
 * not like with a warning at most and trains on the rest; each of its conditions is refused here by name instead: turns
 * alternate human/observation with gpt/function_call, `ranking` wants an odd number of turns, both answers are there and
 * are text, every column is in every row.
 */
import type { ChatMessage, ToolCall } from '@labmesh/wire/openai';
import type { Triplet } from '@labmesh/wire/verification/preference';
import { textOfMessage } from '../trainable-message.ts';
import { RowRefused } from './row-refused.ts';

type Turn = { from: 'human' | 'gpt' | 'observation' | 'function_call'; value: string };

function words(message: ChatMessage): string {
  const none = message.content === null || message.content === undefined;
  if (none) throw new RowRefused('NO_CONTENT');
  const text = textOfMessage(message);
  if (text === undefined) throw new RowRefused('NOT_TEXT');
  return text;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Refused below.
  }
  throw new RowRefused('TOOL_CALL_BAD');
}

function callOf({ function: called }: ToolCall) {
  if (typeof called?.name !== 'string' || called.name === '') throw new RowRefused('TOOL_CALL_BAD');
  return { name: called.name, arguments: parseObject(called.arguments ?? '') };
}

function assistantTurn(message: ChatMessage): Turn {
  const calls = message.tool_calls ?? [];
  if (calls.length === 0) return { from: 'gpt', value: words(message) };
  if (textOfMessage({ content: message.content ?? '' }) !== '') throw new RowRefused('TEXT_BESIDE_TOOL_CALL');
  const called = calls.map(callOf);
  return { from: 'function_call', value: JSON.stringify(called.length === 1 ? called[0] : called) };
}

/** What several tools said at once is one turn: a JSON list of their texts. */
function observation(messages: readonly ChatMessage[]): Turn {
  const texts = messages.map(words);
  return { from: 'observation', value: texts.length === 1 ? (texts[0] ?? '') : JSON.stringify(texts) };
}

function turnsOf(messages: readonly ChatMessage[]): Turn[] {
  const turns: Turn[] = [];
  let said: ChatMessage[] = [];
  const flush = () => {
    if (said.length > 0) turns.push(observation(said));
    said = [];
  };
  for (const message of messages) {
    if (message.role === 'tool' || message.role === 'function') said.push(message);
    else {
      flush();
      if (message.role === 'user') turns.push({ from: 'human', value: words(message) });
      else if (message.role === 'assistant') turns.push(assistantTurn(message));
      else throw new RowRefused(isSystem(message) ? 'TURN_ORDER' : 'ROLE_UNKNOWN');
    }
  }
  flush();
  return turns;
}

const isSystem = ({ role }: ChatMessage) => role === 'system' || role === 'developer';

/** The system messages at the head, as one text, and what follows. */
function splitSystem(input: readonly ChatMessage[]): { system: string; rest: readonly ChatMessage[] } {
  const first = input.findIndex((message) => !isSystem(message));
  const heads = first === -1 ? input : input.slice(0, first);
  return { system: heads.map(words).join('\n\n'), rest: input.slice(heads.length) };
}

function onlyAnswer(messages: readonly ChatMessage[]): Turn {
  const [answer] = messages;
  if (messages.length > 1) throw new RowRefused('SEVERAL_ANSWERS');
  if (answer?.role !== 'assistant') throw new RowRefused('NO_ANSWER');
  return assistantTurn(answer);
}

function checkTurns(turns: readonly Turn[]): void {
  const asks = ({ from }: Turn) => from === 'human' || from === 'observation';
  if (turns.some((turn, at) => asks(turn) !== (at % 2 === 0))) throw new RowRefused('TURN_ORDER');
  if (turns.length % 2 === 0) throw new RowRefused('TURN_COUNT');
}

const isTexts = (value: unknown) => Array.isArray(value) && value.every((one) => typeof one === 'string');
/** One property of a tool's parameters, as far as templates read it. */
const isParameter = (value: unknown) =>
  isObject(value) &&
  (value['enum'] === undefined || isTexts(value['enum'])) &&
  (value['items'] === undefined || isObject(value['items']));

/** Its templates read the parameters of each tool without looking: what they stumble over would end the training. */
function toolOf(tool: unknown) {
  const described = isObject(tool) && isObject(tool['function']) ? tool['function'] : tool;
  if (!isObject(described) || typeof described['name'] !== 'string') throw new RowRefused('TOOLS_BAD');
  const { name, description, parameters } = described;
  const given = isObject(parameters) ? parameters : {};
  const properties = isObject(given['properties']) ? given['properties'] : {};
  const fits = given['required'] === undefined || isTexts(given['required']);
  if (!fits || !Object.values(properties).every(isParameter)) throw new RowRefused('TOOLS_BAD');
  return {
    name,
    description: typeof description === 'string' ? description : '',
    parameters: { ...given, type: 'object', properties },
  };
}

function toolsText({ metadata: { tools } }: Triplet): string {
  return Array.isArray(tools) && tools.length > 0 ? JSON.stringify(tools.map(toolOf)) : '';
}

/** @throws RowRefused */
export function sharegptRow(triplet: Triplet) {
  const { system, rest } = splitSystem(triplet.input);
  const conversations = turnsOf(rest);
  checkTurns(conversations);
  const [chosen, rejected] = [onlyAnswer(triplet.chosen), onlyAnswer(triplet.rejected)];
  return { conversations, chosen, rejected, system, tools: toolsText(triplet) };
}

/** @throws RowRefused; conversations and tools are for sharegpt */
export function alpacaRow(triplet: Triplet) {
  const { conversations, chosen, rejected, system } = sharegptRow(triplet);
  const [question] = conversations;
  if (conversations.length > 1) throw new RowRefused('MULTI_TURN');
  if (question?.from !== 'human' || chosen.from !== 'gpt' || rejected.from !== 'gpt') throw new RowRefused('TOOL_TURN');
  return { instruction: question.value, input: '', chosen: chosen.value, rejected: rejected.value, system };
}

/** Entries of dataset_info.json. `ranking` left out would make supervised rows of it, without a word. */
export const alpacaInfo = (fileName: string) => ({
  file_name: fileName,
  ranking: true,
  columns: { prompt: 'instruction', query: 'input', chosen: 'chosen', rejected: 'rejected', system: 'system' },
});
export const sharegptInfo = (fileName: string) => ({
  file_name: fileName,
  formatting: 'sharegpt',
  ranking: true,
  columns: { messages: 'conversations', chosen: 'chosen', rejected: 'rejected', system: 'system', tools: 'tools' },
  tags: {
    role_tag: 'from',
    content_tag: 'value',
    user_tag: 'human',
    assistant_tag: 'gpt',
    observation_tag: 'observation',
    function_tag: 'function_call',
    system_tag: 'system',
  },
});
