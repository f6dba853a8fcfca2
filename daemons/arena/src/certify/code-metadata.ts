/** How much code an answer holds: what a certificate says of it beside proofs (verification BR3). */
import type { FinishedAnswer, FinishedRun } from '../contract/finished-run.ts';
import { makeCandidate } from '../verify/make-candidate.ts';
import { answerCode } from '../verify/programs/answer-code.ts';

type CodeMetadata = {
  code_blocks_count: number;
  /** Code points of all of them. */
  total_code_size: number;
};

/** With a suite a block that names no language is code too, and so is an answer without blocks. */
export function codeMetadata({ request, block, suiteSha256 }: FinishedRun, { answer }: FinishedAnswer): CodeMetadata {
  const { metadata, expected_schema: expectedSchema } = block;
  const candidate = makeCandidate({ messages: request.messages, answer, expectedSchema, metadata });
  const pieces = answerCode(candidate, suiteSha256 === null ? undefined : 'any');
  const total_code_size = pieces.reduce((sum, { code }) => sum + Array.from(code).length, 0);
  return { code_blocks_count: pieces.length, total_code_size };
}
