/** JSON as a model wrote it. Parsed by the runtime's own parser; only bounds are added. */
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
 * The value of a JSON text, or why it is none, without a word of the text.
 * @throws CandidateFault NESTED_TOO_DEEP
 */
export function readJson(text: string): JsonText {
  if (jsonDepth(text) > candidateLimits.nesting) {
    throw new CandidateFault('NESTED_TOO_DEEP', `JSON is nested deeper than ${candidateLimits.nesting}`);
  }
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { problem: text.trim() === '' ? 'is empty' : 'is no JSON' };
  }
}
