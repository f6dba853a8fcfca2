/** A type of things as `get` and `describe` know it: how it is listed, found, shown, and which filters it takes. */
import { CommandError } from '../command-error.ts';
import type { LabdClient } from '../client/labd-client.ts';
import type { RunningGateway } from '../client/running-gateway.ts';
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

/** What knows of things: labd of most, the gateway of this machine of its keys and aliases. */
export type Source = LabdClient | RunningGateway;

export type Resource<T, From extends Source = LabdClient> = {
  /** `server`. */
  type: string;
  /** Default labd. */
  from?: 'gateway';
  view: View<T>;
  filters: readonly FilterName[];
  list: (from: From, filters: Filters) => Promise<Listed<T>>;
  /** By name or id. @throws LabdError, CommandError (exit 5) */
  get: (from: From, name: string) => Promise<T>;
  /** `now`: Unix ms. */
  describe: (from: From, item: T, now: number) => Description | Promise<Description>;
};

/** Of things of any type: each is only ever given to its own functions, with its own source (`openSource`). */
export type AnyResource = Resource<unknown, Source>;
export const anyResource = <T, From extends Source>(resource: Resource<T, From>): AnyResource =>
  resource as unknown as AnyResource;

/** `servers`, `aliases`. */
export const pluralOf = (type: string): string => (type.endsWith('s') ? `${type}es` : `${type}s`);

/** `2026-01-01T12:00:00.000Z (3m ago)`; `now`: Unix ms. */
export const moment = (at: string | null, now: number): string | null =>
  at === null ? null : `${at} (${ago(at, now)})`;

export const notThere = (type: string, name: string): CommandError =>
  new CommandError(`there is no ${type} ${name}, or you may not see it (NOT_FOUND)`, {
    hint: `labctl get ${pluralOf(type)} lists what there is and you may see`,
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
  throw new CommandError(`--${extra} means nothing for ${pluralOf(type)}`, {
    hint: known.length === 0 ? `${pluralOf(type)} have no filters` : `filters of ${pluralOf(type)}: ${flags}`,
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
