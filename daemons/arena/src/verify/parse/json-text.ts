/** JSON as a model wrote it. The runtime's own parser reads it; what other parsers read differently is refused. */
import { AttestRefused } from '@labmesh/attest/attest-refused';
import { parseJson } from '@labmesh/attest/json/parse-json';
import { CandidateFault, candidateLimits } from '../candidate-fault.ts';

/** Deepest nesting of arrays and objects, brackets in strings left out; one pass, whatever the text is. */
export function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (inString) {
      if (char === '\\') at++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === '{' || char === '[') deepest = Math.max(deepest, ++depth);
    else if (char === '}' || char === ']') depth--;
  }
  return deepest;
}

export type JsonText = { value: unknown } | { problem: string };

/**
 * The value of a JSON text, or why it is none, without a word of the text. A key that stands twice is no JSON here: the
 * client's parser may take the one that was not checked.
 * @throws CandidateFault NESTED_TOO_DEEP
 */
export function readJson(text: string): JsonText {
  if (jsonDepth(text) > candidateLimits.nesting) {
    throw new CandidateFault('NESTED_TOO_DEEP', `JSON is nested deeper than ${candidateLimits.nesting}`);
  }
  if (text.trim() === '') return { problem: 'it is empty' };
  try {
    return { value: parseJson(new TextEncoder().encode(text)) };
  } catch (error) {
    if (error instanceof AttestRefused) return { problem: error.message };
    throw error;
  }
}
