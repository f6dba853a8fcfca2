/**
 * Keyset pages (ST-2, AP-3): a page goes on after the last row of the one before, so that rows coming and going between
 * two pages are neither skipped nor told twice. The cursor is opaque to clients and opens nothing: it only says where to
 * go on in a query that filters by permission itself.
 */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { type SelectQueryBuilder, sql } from 'kysely';

/** A column to order by: NOT NULL and among the selected. */
export type PageKey = { column: string; type: 'text' | 'integer' };

export type PageOptions = {
  /** Which list in which order: `servers by hostname`. A cursor of another list is refused. */
  list: string;
  /** The last one, or all together, unique. */
  by: readonly PageKey[];
  descending?: boolean;
  /** Rows a page, checked by the caller against its bound (AP-3: 100, max 500). */
  limit: number;
  /** What the client sent. */
  cursor?: string | undefined;
};
/** `nextCursor` is null on the last page. */
export type Page<Row> = { items: Row[]; nextCursor: string | null };

/** As the API bounds it. Room for a name of 253 characters, an id and the list. */
export const cursorCharsMax = 512;
const textCharsMax = 300;

type KeyValue = string | number;

const badCursor = (): FleetError =>
  new FleetError('VALIDATION_FAILED', {
    message: 'this cursor is not of this list',
    field: 'cursor',
    hint: 'start again without a cursor',
  });

const fits = (value: unknown, { type }: PageKey): value is KeyValue =>
  type === 'integer'
    ? Number.isSafeInteger(value)
    : typeof value === 'string' && value.length <= textCharsMax && !value.includes('\0') && value.isWellFormed();

/** base64url of JSON: the list, then the key values of the last row. */
export function encodeCursor(options: Pick<PageOptions, 'list' | 'by'>, row: Record<string, unknown>): string {
  const values = options.by.map((key) => {
    const value = row[key.column];
    if (!fits(value, key)) throw new TypeError(`${options.list}: no page key in column ${key.column}`);
    return value;
  });
  const cursor = Buffer.from(JSON.stringify([options.list, ...values])).toString('base64url');
  if (cursor.length > cursorCharsMax) throw new TypeError(`${options.list}: the page key is too long`);
  return cursor;
}

/** @throws FleetError VALIDATION_FAILED (field `cursor`) for anything that encodeCursor would not give for this list. */
export function decodeCursor(options: Pick<PageOptions, 'list' | 'by'>, text: string): KeyValue[] {
  if (text.length > cursorCharsMax || !/^[\w-]+$/.test(text)) throw badCursor();
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    throw badCursor();
  }
  if (!Array.isArray(parsed) || parsed.length !== options.by.length + 1) throw badCursor();
  const [list, ...values] = parsed as unknown[];
  if (list !== options.list) throw badCursor();
  return options.by.map((key, at) => {
    const value = values[at];
    if (!fits(value, key)) throw badCursor();
    return value;
  });
}

/**
 * One page of a query that has its filters and columns but no order and no limit of its own.
 *
 *     page(db.selectFrom('servers').selectAll().where(…), { list: 'servers', by: [{ column: 'id', type: 'text' }], limit, cursor })
 *
 * A column in `by` may carry its table (`servers.id`); the row then holds it under the bare name.
 *
 * @throws FleetError VALIDATION_FAILED for a cursor that is not of this list.
 */
export async function page<DB, TB extends keyof DB, Row>(
  query: SelectQueryBuilder<DB, TB, Row>,
  options: PageOptions,
): Promise<Page<Row>> {
  const { by, limit, cursor, descending = false } = options;
  const bare = { list: options.list, by: by.map((key) => ({ ...key, column: key.column.split('.').at(-1) ?? '' })) };
  const columns = sql.join(by.map((key) => sql.ref(key.column)));
  let rows = query;
  if (cursor !== undefined) {
    const after = sql.join(decodeCursor(bare, cursor));
    rows = rows.where(sql<boolean>`(${columns}) ${descending ? sql`<` : sql`>`} (${after})`);
  }
  for (const key of by) rows = rows.orderBy(sql.ref(key.column), descending ? 'desc' : 'asc');
  const found = await rows.limit(limit + 1).execute();
  if (found.length <= limit) return { items: found, nextCursor: null };
  const items = found.slice(0, limit);
  return { items, nextCursor: encodeCursor(bare, items.at(-1) as Record<string, unknown>) };
}
