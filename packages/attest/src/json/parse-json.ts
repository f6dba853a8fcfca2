/**
 * JSON as every parser reads it. Two parsers that disagree about one file are how a signature comes to cover something
 * else than what is acted on: what they disagree about (keys twice, lone surrogates, numbers without a value) is refused.
 */
import { AttestRefused } from '../attest-refused.ts';
import { textOf } from '../bytes/bytes.ts';
import { canonicalJson, type Json } from './canonical-json.ts';

const refuse = (what: string) => new AttestRefused('JSON_BAD', what);

/** Largest document of any kind, bytes. */
export const jsonBytesMax = 1_048_576;

function parse(bytes: Uint8Array, bytesMax: number): { text: string; value: Json } {
  if (bytes.length > bytesMax) throw new AttestRefused('TOO_LARGE', `larger than ${bytesMax} bytes`);
  const text = textOf(bytes, 'JSON_BAD');
  try {
    return { text, value: JSON.parse(text) as Json };
  } catch {
    throw refuse('not JSON');
  }
}

/** Walks over the tokens of a text that is known to be JSON. */
function refuseTwins(text: string): void {
  // The keys seen in each open object; of an array nothing.
  const open: (Set<string> | undefined)[] = [];
  for (const [token, colon] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|[[\]{}]/g)) {
    if (colon !== undefined) {
      // Unescaped: "a" and "\u0061" are one key.
      const key = JSON.parse(token.slice(0, -colon.length)) as string;
      const seen = open.at(-1);
      if (seen?.has(key)) throw refuse('a key stands twice in one object');
      seen?.add(key);
    } else if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === ']' || token === '}') open.pop();
  }
}

/**
 * A document that people or other programs write. @throws AttestRefused TOO_LARGE, JSON_BAD: no UTF-8, no JSON, a key
 * twice, a lone surrogate, a number beyond a double, nested too deep.
 */
export function parseJson(bytes: Uint8Array, bytesMax = jsonBytesMax): Json {
  const { text, value } = parse(bytes, bytesMax);
  // Also finds what no text could be written for.
  canonicalJson(value);
  refuseTwins(text);
  return value;
}

/**
 * A document whose bytes are its one canonical form, so that any other byte is another value.
 * @throws AttestRefused TOO_LARGE, JSON_BAD, JSON_NOT_CANONICAL
 */
export function parseCanonicalJson(bytes: Uint8Array, bytesMax = jsonBytesMax): Json {
  const { text, value } = parse(bytes, bytesMax);
  if (canonicalJson(value) !== text) throw new AttestRefused('JSON_NOT_CANONICAL', 'not in canonical form (RFC 8785)');
  return value;
}
