/**
 * Reading the log: lists with filters, export, and following (AU-7, LG-1). Newest first or in order of time; pages by
 * (at, id), which is indexed. A filter that matches little is looked for window by window, so that no single statement
 * reads a whole log (ST-5); a page may then be short and still have a cursor.
 */
import { decodeCursor, encodeCursor, type Page } from '@labmesh/store/page';
import type { Reader, Store } from '@labmesh/store/store';
import type { AuditLogTable } from '@labmesh/store/tables';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { type Principal, principalKinds, system } from '@labmesh/wire/fleet/principal';
import { type Expression, type Selectable, sql, type SqlBool } from 'kysely';
import { type AuditRecord, fromTableRow, recordLine } from './audit-row.ts';
import { auditPageRows, type Head, readChain, readChains, readHead } from './audit-store.ts';

/** Times are Unix ms: `since` included, `until` not. `action` and `resource` may end in `*`. */
export type AuditFilter = {
  action?: string | undefined;
  /** `user:ann`, a name, or an id. */
  principal?: string | undefined;
  /** A resource (`servers/web-1`) or the id of one. */
  resource?: string | undefined;
  result?: string | undefined;
  since?: number | undefined;
  until?: number | undefined;
};
export type AuditListQuery = AuditFilter & { limit: number; cursor?: string | undefined };

type Row = Selectable<AuditLogTable>;
type Key = { at: number; id: string };

const keys = {
  list: 'audit by time',
  by: [
    { column: 'at', type: 'integer' as const },
    { column: 'id', type: 'text' as const },
  ],
};
/** Rows that one statement looks at. */
const windowRows = 2_000;
/** Windows of one call: then the caller gets what was found and goes on with the cursor. */
const windowsMax = 25;

const readCursor = (cursor: string | undefined): Key | undefined => {
  if (cursor === undefined) return undefined;
  const [at, id] = decodeCursor(keys, cursor);
  return { at: Number(at), id: String(id) };
};

function textFilter(column: string, text: string): Expression<SqlBool> {
  if (!text.endsWith('*')) return sql<SqlBool>`${sql.ref(column)} = ${text}`;
  const like = `${text.slice(0, -1).replace(/[\\%_]/g, (letter) => `\\${letter}`)}%`;
  return sql<SqlBool>`${sql.ref(column)} like ${like} escape '\\'`;
}

function principalFilter(text: string): Expression<SqlBool> {
  const at = text.indexOf(':');
  const [kind, name] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)];
  if ((principalKinds as readonly string[]).includes(kind))
    return sql<SqlBool>`(principal_kind = ${kind} and (principal = ${name} or principal_id = ${name}))`;
  return sql<SqlBool>`(principal = ${text} or principal_id = ${text})`;
}

function filters(query: AuditFilter): Expression<SqlBool>[] {
  const { action, principal, resource, result } = query;
  return [
    ...(action === undefined ? [] : [textFilter('action', action)]),
    ...(principal === undefined ? [] : [principalFilter(principal)]),
    ...(resource === undefined
      ? []
      : [sql<SqlBool>`(${textFilter('resource', resource)} or ${textFilter('resource_id', resource)})`]),
    ...(result === undefined ? [] : [textFilter('result', result)]),
  ];
}

type Span = { since?: number | undefined; until?: number | undefined; after?: Key | undefined; descending: boolean };

/** Rows within the times and beyond `after`, in order; no filters yet. */
function spanOf(db: Reader, { since, until, after, descending }: Span) {
  const order = descending ? 'desc' : 'asc';
  let rows = db.selectFrom('audit_log').orderBy('at', order).orderBy('id', order);
  if (since !== undefined) rows = rows.where('at', '>=', since);
  if (until !== undefined) rows = rows.where('at', '<', until);
  if (after === undefined) return rows;
  return rows.where(sql<SqlBool>`(at, id) ${descending ? sql`<` : sql`>`} (${after.at}, ${after.id})`);
}

/** Matching rows of one window, and where it ends; no end: it was the last. */
async function readWindow(db: Reader, span: Span, wanted: readonly Expression<SqlBool>[], limit: number) {
  const end = await spanOf(db, span)
    .select(['at', 'id'])
    .offset(windowRows - 1)
    .limit(1)
    .executeTakeFirst();
  const window = spanOf(db, span).selectAll().limit(windowRows).as('audit_log');
  const order = span.descending ? 'desc' : 'asc';
  let rows = db.selectFrom(window).selectAll().orderBy('at', order).orderBy('id', order).limit(limit);
  for (const one of wanted) rows = rows.where(one);
  return { rows: (await rows.execute()) as Row[], end };
}

async function readMatching(
  store: Store,
  who: Principal,
  query: AuditListQuery,
  descending: boolean,
): Promise<Page<AuditRecord>> {
  const wanted = filters(query);
  const found: Row[] = [];
  let after = readCursor(query.cursor);
  const page = (rows: readonly Row[], next: Key | undefined) => ({
    items: rows.map(fromTableRow),
    nextCursor: next === undefined ? null : encodeCursor(keys, next),
  });
  for (let windows = 0; windows < windowsMax; windows++) {
    const span = { since: query.since, until: query.until, after, descending };
    const { rows, end } = await store.read(who, (db) => readWindow(db, span, wanted, query.limit + 1 - found.length));
    found.push(...rows);
    if (found.length > query.limit) {
      const items = found.slice(0, query.limit);
      return page(items, items.at(-1));
    }
    if (end === undefined) return page(found, undefined);
    after = end;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return page(found, after);
}

/**
 * Rows that match, newest first.
 * @throws FleetError VALIDATION_FAILED for a cursor of another list, STORE_UNAVAILABLE.
 */
export const listAudit = (store: Store, who: Principal, query: AuditListQuery): Promise<Page<AuditRecord>> =>
  readMatching(store, who, query, true);

export type ExportQuery = { since?: number | undefined; cursor?: string | undefined; limit?: number };

/** One part of an export: lines of JSON (recordLine), oldest first, and where to go on. */
export async function exportAudit(
  store: Store,
  who: Principal,
  query: ExportQuery,
): Promise<{ lines: string[]; nextCursor: string | null }> {
  const { limit = auditPageRows, ...span } = query;
  const { items, nextCursor } = await readMatching(store, who, { ...span, limit }, false);
  return { lines: items.map(recordLine), nextCursor };
}

const tailWho = system('audit-tail');

/**
 * Follows all chains as rows are committed (`logs audit -f`). Without a cursor it begins after the last row of each
 * chain. The cursor holds a seq per chain, so a row that another replica commits late is not passed over.
 * @throws FleetError VALIDATION_FAILED for a cursor that is none.
 */
export async function tailAudit(
  store: Store,
  cursor: string | undefined,
  limit = auditPageRows,
): Promise<{ items: AuditRecord[]; cursor: string }> {
  const seen = cursor === undefined ? undefined : readTailCursor(cursor);
  const chains: AuditRecord[][] = [];
  let count = 0;
  const next: [string, number][] = [];
  for (const chain of await readChains(store)) {
    const head: Head | undefined = await store.read(tailWho, (db) => readHead(db, chain));
    // A chain that came up meanwhile is read from its start.
    const from = seen === undefined ? (head?.seq ?? 0) : (seen.get(chain) ?? 0);
    const rows = (head?.seq ?? 0) > from ? await readChain(store, chain, from + 1, Math.max(1, limit - count)) : [];
    chains.push(rows);
    count += rows.length;
    next.push([chain, rows.at(-1)?.seq ?? from]);
  }
  return { items: byTime(chains), cursor: tailCursor(next) };
}

/** Chains as one list by time. The rows of a chain keep their order, also where a clock was set back. */
function byTime(chains: readonly (readonly AuditRecord[])[]): AuditRecord[] {
  const left = chains.filter((rows) => rows.length > 0).map((rows) => ({ rows, at: 0 }));
  const items: AuditRecord[] = [];
  for (;;) {
    let first: { rows: readonly AuditRecord[]; at: number } | undefined;
    for (const one of left) {
      const row = one.rows[one.at];
      const best = first?.rows[first.at];
      if (row !== undefined && (best === undefined || row.at < best.at)) first = one;
    }
    const row = first?.rows[first.at];
    if (first === undefined || row === undefined) return items;
    items.push(row);
    first.at++;
  }
}

/** The cursor of a tail that has seen each chain up to this seq. */
export const tailCursor = (seen: Iterable<readonly [chain: string, seq: number]>): string =>
  Buffer.from(JSON.stringify([...seen])).toString('base64url');

/**
 * Where a tail begins that is to show the last `tail` rows, or all since a time (Unix ms); with both, the fewer.
 * `heads` is the last seq of each chain now.
 */
export async function tailStart(
  store: Store,
  { tail, since }: { tail: number | undefined; since: number | undefined },
): Promise<{ start: Map<string, number>; heads: Map<string, number> }> {
  const heads = new Map<string, number>();
  for (const chain of await readChains(store)) {
    const head = await store.read(tailWho, (db) => readHead(db, chain));
    heads.set(chain, head?.seq ?? 0);
  }
  const start = new Map(heads);
  const begin = ({ chain, seq }: { chain: string; seq: number }) => {
    start.set(chain, Math.min(start.get(chain) ?? 0, seq - 1));
  };
  if (tail !== undefined) {
    const newest = tail === 0 ? [] : (await listAudit(store, tailWho, { since, limit: tail })).items;
    newest.forEach(begin);
    return { start, heads };
  }
  const firsts = await store.read(tailWho, (db) =>
    db
      .selectFrom('audit_log')
      .select((eb) => ['chain', eb.fn.min('seq').as('seq')])
      .where('at', '>=', since ?? 0)
      .groupBy('chain')
      .execute(),
  );
  for (const { chain, seq } of firsts) begin({ chain, seq });
  return { start, heads };
}

/** What a tail has seen, by chain. @throws FleetError VALIDATION_FAILED for a cursor that is none. */
export function readTailCursor(cursor: string): Map<string, number> {
  const bad = () =>
    new FleetError('VALIDATION_FAILED', { field: 'cursor', message: 'this cursor is not of this list' });
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    throw bad();
  }
  const pairs = Array.isArray(parsed) ? (parsed as unknown[]) : [undefined];
  const entries = pairs.map((pair) => {
    if (!Array.isArray(pair) || typeof pair[0] !== 'string' || !Number.isSafeInteger(pair[1])) throw bad();
    return [pair[0], pair[1] as number] as const;
  });
  return new Map(entries);
}
