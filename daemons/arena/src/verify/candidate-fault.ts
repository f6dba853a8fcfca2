/** Limits of what is looked at in a candidate (V7). Lengths are UTF-16 units. */
import { verificationLimits } from '@labmesh/wire/verification/verification-block';

export const candidateLimits = {
  textChars: verificationLimits.answerChars,
  /** Of all tool-call arguments together. */
  argumentChars: verificationLimits.answerChars,
  codeBlocks: 64,
  toolCalls: 64,
  /** Quotes and list items around a block; arrays and objects of JSON. */
  nesting: 64,
} as const;

export type CandidateFaultCode =
  | 'ANSWER_TOO_LONG'
  | 'TOO_MANY_BLOCKS'
  | 'TOO_MANY_TOOL_CALLS'
  | 'NESTED_TOO_DEEP'
  | 'TOO_MANY_BRACKETS'
  | 'TOO_MANY_DOCUMENTS';

/** The candidate passes a limit: thrown by whoever parses it, and a `failed` verdict of whichever verifier asked. */
export class CandidateFault extends Error {
  readonly code: CandidateFaultCode;

  constructor(code: CandidateFaultCode, message: string) {
    super(message);
    this.name = 'CandidateFault';
    this.code = code;
  }
}
