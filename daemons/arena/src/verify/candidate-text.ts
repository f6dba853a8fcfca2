/**
 * What of a candidate is judged: its text and its tool calls, never the conversation before it (V7). All of it is
 * hostile; nothing here throws for a strange form, only for a passed limit.
 */
import type { ChatMessage } from '@labmesh/wire/openai';
import type { Candidate } from '../contract/candidate.ts';
import { CandidateFault, candidateLimits } from './candidate-fault.ts';

/** `name` and `arguments` as the model wrote them; arguments in another form than text are put into JSON. */
export type AnswerToolCall = { name: string; arguments: string };

type Loose = Readonly<Record<string, unknown>>;
const isLoose = (value: unknown): value is Loose => typeof value === 'object' && value !== null;

/** Text and refusals; images and audio have no text. Parts stand on lines of their own, so that none hides a fence. */
function partText(part: unknown): string | undefined {
  if (!isLoose(part)) return undefined;
  if (typeof part.text === 'string') return part.text;
  return typeof part.refusal === 'string' ? part.refusal : undefined;
}

function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map(partText)
    .filter((text) => text !== undefined)
    .join('\n');
}

/**
 * The text of an answer: its content as string, null or part list.
 * @throws CandidateFault ANSWER_TOO_LONG
 */
export function answerText(candidate: Candidate): string {
  const text = contentText(candidate.answer.content);
  const most = candidateLimits.textChars;
  if (text.length > most) throw new CandidateFault('ANSWER_TOO_LONG', `the answer is longer than ${most} characters`);
  return text;
}

function callOf(raw: unknown): AnswerToolCall {
  // `function` is OpenAI's form; name and arguments beside each other are the original's and the legacy one.
  const inner = isLoose(raw) && isLoose(raw.function) ? raw.function : raw;
  if (!isLoose(inner)) return { name: '', arguments: '' };
  const { name, arguments: given } = inner;
  const text = typeof given === 'string' ? given : given === undefined || given === null ? '' : JSON.stringify(given);
  return { name: typeof name === 'string' ? name : '', arguments: text };
}

function rawCalls(answer: ChatMessage): unknown[] {
  const listed: unknown = answer.tool_calls;
  const legacy: unknown = answer.function_call;
  return [...(Array.isArray(listed) ? (listed as unknown[]) : []), ...(isLoose(legacy) ? [legacy] : [])];
}

/**
 * The tool calls of an answer, the legacy `function_call` among them.
 * @throws CandidateFault TOO_MANY_TOOL_CALLS, ANSWER_TOO_LONG (all arguments together)
 */
export function answerToolCalls(candidate: Candidate): AnswerToolCall[] {
  const raw = rawCalls(candidate.answer);
  if (raw.length > candidateLimits.toolCalls) {
    throw new CandidateFault('TOO_MANY_TOOL_CALLS', `the answer has more than ${candidateLimits.toolCalls} tool calls`);
  }
  const calls = raw.map(callOf);
  const chars = calls.reduce((sum, call) => sum + call.name.length + call.arguments.length, 0);
  const most = candidateLimits.argumentChars;
  if (chars > most) throw new CandidateFault('ANSWER_TOO_LONG', `the tool calls are longer than ${most} characters`);
  return calls;
}
