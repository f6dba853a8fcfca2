import type { Candidate } from '../../contract/candidate.ts';
import { type CandidateInput, makeCandidate } from '../make-candidate.ts';

/** A candidate with this answer, asked for by a harmless question. */
export const sampleCandidate = (answer: CandidateInput['answer'], more: Partial<CandidateInput> = {}): Candidate =>
  makeCandidate({ messages: [{ role: 'user', content: 'hello' }], answer, ...more });

/** A candidate that calls one tool. */
export const callingCandidate = (name: string, args: unknown, more: Partial<CandidateInput> = {}): Candidate =>
  sampleCandidate(
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'c1', type: 'function', function: { name, arguments: args } }],
    },
    more,
  );
