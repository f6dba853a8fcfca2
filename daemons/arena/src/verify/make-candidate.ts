/** Candidates from what models, engines and the original's callers write (V6). */
import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import type { ChatMessage } from '@labmesh/wire/openai';
import type { Candidate } from '../contract/candidate.ts';

export type CandidateInput = {
  messages: readonly ChatMessage[];
  /** An assistant message, the original's {content, tool_calls}, or its text. */
  answer: ChatMessage | string | Readonly<Record<string, unknown>>;
  tools?: readonly unknown[] | undefined;
  expectedSchema?: unknown;
  metadata?: Readonly<Record<string, unknown>> | undefined;
};

/** Deeper members of an answer say nothing to anybody and would not fit into a signed statement. */
const depthMost = 48;

/** JSON that can be hashed: lone surrogates become U+FFFD, what JSON has not and what is too deep becomes null. */
function clean(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value === 'boolean' || value === null) return value;
  if (typeof value !== 'object' || depth >= depthMost) return null;
  if (Array.isArray(value)) return value.map((item) => clean(item, depth + 1));
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  // fromEntries defines members, so that one called __proto__ stays a member.
  return Object.fromEntries(members.map(([key, member]) => [key.toWellFormed(), clean(member, depth + 1)]));
}

function messageOf(answer: CandidateInput['answer']): ChatMessage {
  if (typeof answer === 'string') return { role: 'assistant', content: answer.toWellFormed() };
  // An answer is the assistant's whatever it says of itself: another role must not hide it from a verifier.
  return { ...(clean(answer) as ChatMessage), role: 'assistant' };
}

/**
 * The candidate for an answer. `candidate.answer` is what is judged, hashed and given to the client: the same as came
 * in, save that every text is well-formed Unicode and the role is `assistant`.
 */
export function makeCandidate(input: CandidateInput): Candidate {
  const answer = messageOf(input.answer);
  return {
    digest: sha256Hex(canonicalBytes(answer)),
    messages: input.messages,
    answer,
    tools: input.tools,
    expectedSchema: input.expectedSchema,
    metadata: input.metadata ?? {},
  };
}
