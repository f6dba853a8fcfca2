/**
 * Values of cases and results: JSON, and what JSON cannot say in three forms, the same for arguments, expected values and
 * what a program returns:
 *
 *     {"$f":"nan"|"inf"|"-inf"}     a number without a JSON form
 *     {"$i":"-12345678901234567890"}  a whole number beyond ±(2^53-1), in decimal digits
 *     {"$set":[…]}                  a set
 *
 * A key that begins with `$` is written with one more (`$f` as `$$f`), so that no data reads as a form.
 */
import { type Json, jsonDepthMax } from '@labmesh/attest/json/canonical-json';

export type Tagged =
  | { form: 'plain' }
  | { form: 'float'; name: string }
  | { form: 'integer'; digits: string }
  | { form: 'set'; items: readonly Json[] }
  | { form: 'bad'; why: string };

const plain: Tagged = { form: 'plain' };
const bad = (why: string): Tagged => ({ form: 'bad', why });

/** Which form an object has; `bad` for one that claims a form and is none. */
export function formOf(value: { readonly [key: string]: Json | undefined }): Tagged {
  const keys = Object.keys(value);
  if (!keys.some((key) => /^\$(?!\$)/.test(key))) return plain;
  const [key = ''] = keys;
  const inner = value[key];
  if (keys.length !== 1) return bad('a form has one key; double the $ of a key that is data');
  if (key === '$f') {
    return inner === 'nan' || inner === 'inf' || inner === '-inf' ? { form: 'float', name: inner } : bad('$f');
  }
  if (key === '$i') {
    return typeof inner === 'string' && /^(?:0|-?[1-9]\d*)$/.test(inner)
      ? { form: 'integer', digits: inner }
      : bad('$i holds decimal digits');
  }
  if (key === '$set') return Array.isArray(inner) ? { form: 'set', items: inner as Json[] } : bad('$set holds a list');
  return bad('unknown form; double the $ of a key that is data');
}

/** Sets in sets: each level is put in order by the text of all below it, on the loop that serves everybody. */
export const setsDeepMost = 4;

/**
 * Path of the first value that claims a form and is none, is beyond a double, or a set too deep inside others, with the
 * reason; undefined when all is well. `sets`: how many it stands in.
 */
export function taggedFault(value: Json, path: string, sets = 0): { path: string; why: string } | undefined {
  // JSON.parse makes Infinity of 1e999.
  if (typeof value === 'number' && !Number.isFinite(value)) return { path, why: 'is no number that a double can hold' };
  if (typeof value !== 'object' || value === null) return undefined;
  const inside = (entries: Iterable<readonly [string | number, Json | undefined]>, at: string, within = sets) => {
    for (const [key, one] of entries) {
      // Names of keys are data of the suite: the path shows places in lists only.
      const fault =
        one === undefined ? undefined : taggedFault(one, typeof key === 'number' ? `${at}.${key}` : at, within);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
  if (Array.isArray(value)) return inside((value as Json[]).entries(), path);
  const object = value as { readonly [key: string]: Json | undefined };
  const form = formOf(object);
  if (form.form === 'bad') return { path, why: form.why };
  if (form.form !== 'set') return inside(Object.entries(object), path);
  if (sets === setsDeepMost) return { path, why: `stands in more than ${setsDeepMost} sets` };
  return inside(form.items.entries(), path, sets + 1);
}

const [quote, backslash] = [0x22, 0x5c];
/** Opening and closing of lists and objects. */
const steps: Readonly<Record<number, number>> = { 0x5b: 1, 0x7b: 1, 0x5d: -1, 0x7d: -1 };

/**
 * Whether a JSON text nests deeper; asked before it is parsed or walked, since it comes from a sandbox. One pass over the
 * characters: a pattern would look for the end of a string again from each quote of one that has none.
 */
export function nestsDeeper(text: string, most: number = jsonDepthMax): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === quote) inString = !inString;
    else if (inString) at += unit === backslash ? 1 : 0;
    else if ((depth += steps[unit] ?? 0) > most) return true;
  }
  return false;
}
