/** A type of things as `get` and `describe` know it: how it is listed, found, shown, and which filters it takes. */
import { CommandError } from '../command-error.ts';
import type { LabdClient } from '../client/labd-client.ts';
import { exitCodes } from '../exit-codes.ts';
import type { View } from '../output/column.ts';
import type { Listed } from '../output/result.ts';
import { ago } from '../terminal/span.ts';

export const filterNames = ['selector', 'env', 'cloud', 'role', 'status', 'match', 'server', 'job', 'kind'] as const;
export type FilterName = (typeof filterNames)[number];
/** As given by flags; absent ones are undefined. */
export type Filters = { readonly [K in FilterName]?: string | undefined };

/** Lines of `describe`, and what is printed below them. */
export type Description = {
  fields: readonly (readonly [name: string, value: unknown])[];
  /** Ends with a newline, or is empty. */
  below?: string;
  /** In every form but the table. */
  object: unknown;
};

export type Resource<T> = {
  /** `server`. */
  type: string;
  view: View<T>;
  filters: readonly FilterName[];
  list: (labd: LabdClient, filters: Filters) => Promise<Listed<T>>;
  /** By name or id. @throws LabdError, CommandError (exit 5) */
  get: (labd: LabdClient, name: string) => Promise<T>;
  /** `now`: Unix ms. */
  describe: (labd: LabdClient, item: T, now: number) => Description | Promise<Description>;
};

/** Of things of any type: each is only ever given to its own functions. */
export type AnyResource = Resource<unknown>;
export const anyResource = <T>(resource: Resource<T>): AnyResource => resource as unknown as AnyResource;

/** `2026-01-01T12:00:00.000Z (3m ago)`; `now`: Unix ms. */
export const moment = (at: string | null, now: number): string | null =>
  at === null ? null : `${at} (${ago(at, now)})`;

export const notThere = (type: string, name: string): CommandError =>
  new CommandError(`there is no ${type} ${name}, or you may not see it (NOT_FOUND)`, {
    hint: `labctl get ${type}s lists what there is and you may see`,
    code: 'NOT_FOUND',
    exitCode: exitCodes.notFound,
  });

/** For types that the API only lists. */
export function pick<T>(items: readonly T[], type: string, name: string, isIt: (item: T) => boolean): T {
  const found = items.find(isIt);
  if (found === undefined) throw notThere(type, name);
  return found;
}

/** The filters that were given but mean nothing for the type. @throws CommandError (exit 2) */
export function checkFilters({ type, filters: known }: AnyResource, filters: Filters): void {
  const extra = filterNames.find((name) => filters[name] !== undefined && !known.includes(name));
  if (extra === undefined) return;
  const flags = known.map((name) => `--${name}`).join(', ');
  throw new CommandError(`--${extra} means nothing for ${type}s`, {
    hint: known.length === 0 ? `${type}s have no filters` : `filters of ${type}s: ${flags}`,
    exitCode: exitCodes.usage,
  });
}

/** A filter whose words are a closed list. @throws CommandError (exit 2) */
export function oneOf<W extends string>(flag: string, value: string | undefined, words: readonly W[]): W | undefined {
  if (value === undefined) return undefined;
  const word = words.find((each) => each === value);
  if (word !== undefined) return word;
  throw new CommandError(`--${flag}: found ${JSON.stringify(value)}, expected one of ${words.join(', ')}`, {
    exitCode: exitCodes.usage,
  });
}
