/**
 * Label selectors (RB-4): `k=v`, `k!=v`, `k in (a,b)`, `k notin (a,b)`, `k`, `!k`, joined by comma; all must hold. The
 * empty value is written `""`. A missing label matches only `!=`, `notin` and `!k` (RB-5).
 */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { quoted, TextReader } from './text-reader.ts';

/** One condition. `in` has one value for `k=v` and several for `k in (…)`; the values are distinct, in written order. */
export type Requirement =
  | { key: string; op: 'in' | 'notin'; values: readonly string[] }
  | { key: string; op: 'exists' | 'absent' };
export type Selector = readonly Requirement[];

export type SelectorOptions = {
  /** Name of the field in errors. */
  field?: string;
  /** Takes keys `facts.*`, too: for filters of lists, which decide nothing about access. */
  facts?: boolean;
};

const charsMax = 2_048;
const requirementsMax = 16;
const valuesMax = 64;
const keyPattern = /[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?/y;
const valuePattern = /[A-Za-z0-9._:/@+-]{1,253}/y;

/** What an agent reports about itself, whoever wrote it into a rule. */
export const isFactKey = (key: string): boolean => /^facts(?:\.|$)/i.test(key);

function readValue(reader: TextReader): string {
  if (reader.take('""')) return '';
  const value = reader.match(valuePattern);
  if (value === '') throw reader.fail('selector', `expected a value, found ${quoted(reader.rest())}`);
  return value;
}

function readValues(reader: TextReader): string[] {
  reader.skipSpaces();
  if (!reader.take('(')) throw reader.fail('selector', `expected ( and values, found ${quoted(reader.rest())}`);
  const values = new Set<string>();
  do {
    reader.skipSpaces();
    values.add(readValue(reader));
    if (values.size > valuesMax) throw reader.fail('selector', `has more than ${valuesMax} values`);
    reader.skipSpaces();
  } while (reader.take(','));
  if (!reader.take(')')) throw reader.fail('selector', `expected , or ), found ${quoted(reader.rest())}`);
  return [...values];
}

function readKey(reader: TextReader, facts: boolean): string {
  reader.skipSpaces();
  const key = reader.match(keyPattern);
  if (key === '') throw reader.fail('selector', `expected a label, found ${quoted(reader.rest())}`);
  if (!facts && isFactKey(key)) {
    throw new FleetError('SELECTOR_UNTRUSTED', {
      field: `${reader.field}.selector`,
      hint: 'set a label with `labctl label` and select by that',
    });
  }
  return key;
}

function readRequirement(reader: TextReader, facts: boolean): Requirement {
  reader.skipSpaces();
  if (reader.take('!')) return { key: readKey(reader, facts), op: 'absent' };
  const key = readKey(reader, facts);
  // `k in (…)` and `k notin (…)`; a word that follows for another reason (`as root`) is left where it is.
  if (reader.keyword('in') || reader.match(/[ \t]+in(?=\()/y) !== '')
    return { key, op: 'in', values: readValues(reader) };
  if (reader.keyword('notin') || reader.match(/[ \t]+notin(?=\()/y) !== '')
    return { key, op: 'notin', values: readValues(reader) };
  const operator = reader.match(/[ \t]*!?=[ \t]*/y).trim();
  if (operator === '') return { key, op: 'exists' };
  return { key, op: operator === '=' ? 'in' : 'notin', values: [readValue(reader)] };
}

/** Reads requirements up to the first place where no comma follows; what comes there is the caller's. */
export function readSelector(reader: TextReader, facts = false): Requirement[] {
  const found: Requirement[] = [];
  do {
    if (found.length === requirementsMax) throw reader.fail('selector', `has more than ${requirementsMax} conditions`);
    found.push(readRequirement(reader, facts));
    reader.skipSpaces();
  } while (reader.take(','));
  return found;
}

/**
 * Parses a selector, as in `?label=` and `-l`.
 * @throws FleetError VALIDATION_FAILED with the field, SELECTOR_UNTRUSTED for `facts.*`.
 */
export function parseSelector(text: string, options: SelectorOptions = {}): Selector {
  const reader = new TextReader(text, options.field ?? 'label', charsMax);
  const selector = readSelector(reader, options.facts ?? false);
  if (!reader.atEnd()) throw reader.fail('selector', `unexpected ${quoted(reader.rest())}`);
  return selector;
}

const printValue = (value: string) => (value === '' ? '""' : value);

function printRequirement(one: Requirement): string {
  if (!('values' in one)) return one.op === 'exists' ? one.key : `!${one.key}`;
  const [first = '', ...more] = one.values;
  if (more.length === 0) return `${one.key}${one.op === 'in' ? '=' : '!='}${printValue(first)}`;
  return `${one.key} ${one.op} (${one.values.map(printValue).join(',')})`;
}

/** The selector as text; `parseSelector` of it gives the same again. */
export const printSelector = (selector: Selector): string => selector.map(printRequirement).join(',');

/** Labels and fields of one thing. Own keys count; nothing is inherited. */
export type Labels = Readonly<Record<string, string>>;

const valueOf = (labels: Labels | undefined, key: string): string | undefined =>
  labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;

/** Whether one condition holds. */
export function requirementHolds(one: Requirement, labels: Labels | undefined): boolean {
  const value = valueOf(labels, one.key);
  switch (one.op) {
    case 'exists':
      return value !== undefined;
    case 'absent':
      return value === undefined;
    case 'in':
      return value !== undefined && one.values.includes(value);
    case 'notin':
      return value === undefined || !one.values.includes(value);
  }
}

/** Whether all conditions hold. */
export const selectorHolds = (selector: Selector, labels: Labels | undefined): boolean =>
  selector.every((one) => requirementHolds(one, labels));

/** Why a condition fails, for explain: `environment is staging, the rule wants environment=production`. */
export function whyFails(one: Requirement, labels: Labels | undefined): string {
  const value = valueOf(labels, one.key);
  return `${one.key} is ${value === undefined ? 'missing' : quoted(value)}, the rule wants ${printRequirement(one)}`;
}
