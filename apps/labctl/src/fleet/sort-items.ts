/** `get --sort`: by a column as it is headed, or by a field of the API's object. */
import { didYouMean } from '@labmesh/kit/nearest';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import type { View } from '../output/column.ts';

type Key = string | number | boolean | undefined;

/** `LAST SEEN`, `last-seen` and `lastSeen` are one word. */
const plainKey = (text: string) => text.toLowerCase().replaceAll(/[\s_-]/g, '');

const keyOf = (value: unknown): Key => {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return value === null || value === undefined ? undefined : JSON.stringify(value);
};

/** What is missing stands at the end, whichever way it goes. */
function compare(a: Key, b: Key, sign: 1 | -1): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1;
  if (typeof a === 'number' && typeof b === 'number') return (a - b) * sign;
  const [left, right] = [String(a), String(b)];
  return (left < right ? -1 : left > right ? 1 : 0) * sign;
}

/**
 * A new list in order; `key` with a minus before it turns the order round. A field counts before a column: `lastSeenAt`
 * sorts by the time and not by the text "3m ago". @throws CommandError (exit 2) for a key that nothing has
 */
export function sortItems<T>(items: readonly T[], view: View<T>, key: string, now: number): T[] {
  const sign = key.startsWith('-') ? -1 : 1;
  const wanted = plainKey(key.replace(/^-/, ''));
  const fields = [...new Set(items.flatMap((item) => Object.keys(item as object)))];
  const field = fields.find((name) => plainKey(name) === wanted || plainKey(name) === `${wanted}at`);
  const column = view.columns.find(({ header }) => plainKey(header) === wanted);
  if (field === undefined && column === undefined) {
    if (items.length === 0) return [];
    const known = [...view.columns.map(({ header }) => header.toLowerCase().replaceAll(' ', '-')), ...fields];
    throw new CommandError(`--sort: there is no ${JSON.stringify(key)}${didYouMean(key, known)}`, {
      hint: `keys: ${[...new Set(known)].join(', ')}`,
      exitCode: exitCodes.usage,
    });
  }
  const read = (item: T): Key =>
    field === undefined ? column?.value(item, now) : keyOf((item as Readonly<Record<string, unknown>>)[field]);
  return items
    .map((item) => ({ item, key: read(item) }))
    .toSorted((a, b) => compare(a.key, b.key, sign))
    .map(({ item }) => item);
}
