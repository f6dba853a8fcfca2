/** Objects and arrays that stand in running text (extract_inline). */
import { CandidateFault, candidateLimits } from '../candidate-fault.ts';
import { readJson } from './json-text.ts';

/** Characters that are looked at altogether: each opening bracket may be tried to the end of the text. */
const scanMost = 5_000_000;

type Scan = { left: number };

/** Index behind the bracket that closes the one at `start`; undefined when there is none, or it is nested too deep. */
function closing(text: string, start: number, scan: Scan): number | undefined {
  let depth = 0;
  let inString = false;
  for (let at = start; at < text.length && scan.left > 0; at++, scan.left--) {
    const char = text[at];
    if (inString) {
      if (char === '\\') at++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') depth--;
    if (depth > candidateLimits.nesting) return undefined;
    if (depth === 0) return at + 1;
  }
  return undefined;
}

export type InlineJson = { value: unknown; line: number };

/**
 * The outermost objects and arrays of a text that are JSON; other brackets are prose. Nothing is left out silently:
 * what could hide JSON behind it is a fault.
 * @throws CandidateFault TOO_MANY_BLOCKS, TOO_MANY_BRACKETS (brackets that never close, over and over)
 */
export function inlineJson(text: string): InlineJson[] {
  const found: InlineJson[] = [];
  const scan: Scan = { left: scanMost };
  for (let at = 0; at < text.length && scan.left > 0; at++) {
    if (text[at] !== '{' && text[at] !== '[') continue;
    const end = closing(text, at, scan);
    if (end === undefined) continue;
    const json = readJson(text.slice(at, end));
    if (!('value' in json)) continue;
    if (found.length === candidateLimits.codeBlocks) {
      throw new CandidateFault('TOO_MANY_BLOCKS', `the answer has more than ${candidateLimits.codeBlocks} JSON values`);
    }
    found.push({ value: json.value, line: text.slice(0, at).split('\n').length });
    at = end - 1;
  }
  if (scan.left <= 0) throw new CandidateFault('TOO_MANY_BRACKETS', 'too many brackets of the answer never close');
  return found;
}
