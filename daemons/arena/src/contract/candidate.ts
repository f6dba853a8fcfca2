/** A candidate answer as verifiers, judges and certificates see it. Everything in `answer` is hostile. */
import type { ChatMessage } from '@labmesh/wire/openai';

export type Candidate = {
  /** Hex SHA-256 over the canonical JSON of `answer`: equal answers are looked at once. */
  digest: string;
  /** The conversation that was answered. Never judged: user text cannot fail a run (V7). */
  messages: readonly ChatMessage[];
  answer: ChatMessage;
  /** From the request: tools it offered, and what the caller said for verifiers. */
  tools: readonly unknown[] | undefined;
  expectedSchema: unknown;
  metadata: Readonly<Record<string, unknown>>;
};
