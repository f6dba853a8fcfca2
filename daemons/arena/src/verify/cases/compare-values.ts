/**
 * Whether a result is what was expected (verification V19). This runs on the host over plain data, so that nothing a
 * candidate defines takes part in it.
 */
import { canonicalJson, type Json } from '@labmesh/attest/json/canonical-json';
import type { Suite } from '@labmesh/wire/verification/suite';
import { formOf } from '../../suites/tagged-value.ts';

type Members = { readonly [key: string]: Json | undefined };
type Same = (expected: Numeric, got: Numeric) => boolean;

const isMembers = (value: Json): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

type Numeric = { value: number; digits: string | undefined };

/** A number in either form; undefined for anything else. */
function numericOf(value: Json): Numeric | undefined {
  if (typeof value === 'number') return { value, digits: undefined };
  if (!isMembers(value)) return undefined;
  const form = formOf(value);
  return form.form === 'integer' ? { value: Number(form.digits), digits: form.digits } : undefined;
}

/** Ordered by canonical text; undefined when an item has none (a lone surrogate). */
function ordered(items: readonly Json[]): Json[] | undefined {
  try {
    return items
      .map((item) => ({ item, text: canonicalJson(item) }))
      .toSorted((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0))
      .map(({ item }) => item);
  } catch {
    return undefined;
  }
}

function sameItems(a: readonly Json[] | undefined, b: readonly Json[] | undefined, same: Same): boolean {
  if (a === undefined || b === undefined || a.length !== b.length) return false;
  return a.every((item, at) => equal(item, b[at] ?? null, same));
}

function sameForms(a: Members, b: Members, same: Same): boolean {
  const [one, other] = [formOf(a), formOf(b)];
  if (one.form !== other.form) return false;
  if (one.form === 'float' && other.form === 'float') return one.name === other.name;
  if (one.form === 'set' && other.form === 'set') return sameItems(ordered(one.items), ordered(other.items), same);
  if (one.form !== 'plain') return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && equal(a[key] ?? null, b[key] ?? null, same));
}

function equal(a: Json, b: Json, same: Same): boolean {
  const [x, y] = [numericOf(a), numericOf(b)];
  if (x !== undefined && y !== undefined) return same(x, y);
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && sameItems(a as Json[], b as Json[], same);
  }
  if (isMembers(a) && isMembers(b)) return sameForms(a, b, same);
  return a === b;
}

/**
 * Digits that are expected are compared as such. A JSON number that is expected is a double, and so is what it is
 * compared with. Nothing that overflows a double equals anything: 1e999 is JSON too, and would be near to all.
 */
const exactly: Same = (expected, got) => {
  const digits = got.digits ?? (Number.isSafeInteger(got.value) ? String(got.value) : undefined);
  if (expected.digits !== undefined) return expected.digits === digits;
  return Number.isFinite(got.value) && expected.value === got.value;
};
const within =
  (tolerance: number): Same =>
  (expected, got) => {
    if (exactly(expected, got)) return true;
    const [a, b] = [expected.value, got.value];
    if (!Number.isFinite(a) || !Number.isFinite(b)) return false;
    // Of what is expected: a share of the result would let a large one be near to all.
    return Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(a));
  };

/** The items of a list or a set, in an order of their own. */
function unordered(value: Json): Json[] | undefined {
  if (Array.isArray(value)) return ordered(value as Json[]);
  const form = isMembers(value) ? formOf(value) : undefined;
  return form?.form === 'set' ? ordered(form.items) : undefined;
}

/**
 * `exact`: equal data; 1 and 1.0 are one number, true is none. `float`: numbers anywhere may differ by the tolerance,
 * absolute up to 1 and relative beyond. `set`: the order of the outermost list does not count, how often a value stands
 * in it does; a set and a list are alike.
 */
export function compareValues(expected: Json, result: Json, { kind, tolerance }: Suite['compare']): boolean {
  if (kind === 'float') return equal(expected, result, within(tolerance));
  const [a, b] = kind === 'set' ? [unordered(expected), unordered(result)] : [undefined, undefined];
  if (a !== undefined || b !== undefined) return sameItems(a, b, exactly);
  return equal(expected, result, exactly);
}
