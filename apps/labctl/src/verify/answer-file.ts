/**
 * The answer of `labctl verify`: a text as a model wrote it, or the JSON it came in. What is no known form of JSON is a
 * text too, since an answer may be JSON itself.
 */
import type { CandidateInput } from '@labmesh/arena/verify/make-candidate';
import { parseJson } from '@labmesh/kit/parse-json';
import { type ChatMessage, chatMessageSchema } from '@labmesh/wire/openai';
import { z } from 'zod';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

export type AnswerFile = Pick<CandidateInput, 'answer' | 'messages'> & { tools?: readonly unknown[] };

/** Longest file, characters: some answers' worth, with a conversation before it. */
export const answerFileCharsMost = 4 * 1024 * 1024;

const usage = (message: string, hint?: string) => new CommandError(message, { hint, exitCode: exitCodes.usage });

const completionSchema = z.looseObject({ choices: z.array(z.looseObject({ message: z.looseObject({}) })).min(1) });
const messagesSchema = z.array(chatMessageSchema).min(1);
const conversationSchema = z.looseObject({ messages: messagesSchema, tools: z.array(z.unknown()).nullish() });
/** The original's {content, tool_calls}, and a message. */
const answerSchema = z
  .looseObject({ content: z.union([z.string(), z.array(z.unknown()), z.null()]).optional() })
  .refine((answer) => 'content' in answer || Array.isArray(answer['tool_calls']));

/** The last message must be the assistant's: what comes before it is the conversation. */
function ofMessages(messages: readonly ChatMessage[]): AnswerFile {
  const last = messages.at(-1);
  if (last?.role !== 'assistant') {
    throw usage('the last message is not the assistant’s', 'the answer to verify stands last in the conversation');
  }
  return { messages: messages.slice(0, -1), answer: last };
}

/** @throws CommandError (exit 2): a conversation without an answer, too long */
export function readAnswerFile(text: string): AnswerFile {
  if (text.length > answerFileCharsMost) {
    throw usage(`the answer is longer than ${answerFileCharsMost} characters`);
  }
  const plain: AnswerFile = { messages: [], answer: text };
  if (!/^\s*[[{]/.test(text)) return plain;
  const value = parseJson(text);
  const completion = completionSchema.safeParse(value).data?.choices[0];
  if (completion !== undefined) return { messages: [], answer: completion.message };
  const messages = messagesSchema.safeParse(value);
  if (messages.success) return ofMessages(messages.data);
  const conversation = conversationSchema.safeParse(value);
  if (conversation.success) {
    const { tools } = conversation.data;
    return { ...ofMessages(conversation.data.messages), ...(tools && { tools }) };
  }
  const answer = answerSchema.safeParse(value);
  return answer.success ? { messages: [], answer: answer.data } : plain;
}
