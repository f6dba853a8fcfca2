/**
 * Canonical JSON (RFC 8785, JCS): keys in the order of their UTF-16 units, no spaces, numbers and strings as ECMAScript
 * writes them. One value has one text, so that the text can be hashed and signed.
 */
import { AttestRefused } from '../attest-refused.ts';
import { utf8 } from '../bytes/bytes.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** Nesting of arrays and objects; deeper values are refused, so that no input exhausts the stack. */
export const jsonDepthMax = 64;

const refuse = (what: string) => new AttestRefused('JSON_BAD', what);

function text(value: string): string {
  if (!value.isWellFormed()) throw refuse('a string holds a lone surrogate');
  return JSON.stringify(value);
}

function write(value: unknown, depth: number): string {
  if (typeof value === 'string') return text(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw refuse('JSON has no NaN or Infinity');
    return JSON.stringify(value);
  }
  if (typeof value !== 'object') throw refuse(`JSON has no ${typeof value}`);
  if (depth >= jsonDepthMax) throw refuse(`nested deeper than ${jsonDepthMax}`);
  // Not map: it would leave out the holes of a sparse array.
  if (Array.isArray(value)) return `[${Array.from(value, (item) => write(item, depth + 1)).join(',')}]`;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw refuse('only plain objects are JSON');
  const members = value as Record<string, unknown>;
  const parts: string[] = [];
  // Without a comparator strings are ordered by UTF-16 units, which is what the RFC asks for.
  for (const key of Object.keys(value).toSorted()) {
    const member = members[key];
    if (member !== undefined) parts.push(`${text(key)}:${write(member, depth + 1)}`);
  }
  return `{${parts.join(',')}}`;
}

/**
 * The canonical text of a JSON value. Members that are undefined are left out.
 * @throws AttestRefused JSON_BAD for what JSON cannot hold (NaN, lone surrogates, functions, dates) or what is too deep.
 */
export const canonicalJson = (value: unknown): string => write(value, 0);

/** The same as UTF-8. */
export const canonicalBytes = (value: unknown): Uint8Array<ArrayBuffer> => utf8(canonicalJson(value));
