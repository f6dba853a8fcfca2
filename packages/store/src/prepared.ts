/**
 * Statements that are built and compiled once and run again with other values: for the few that run at every command.
 * Kysely takes longer to build a statement than SQLite to run it.
 *
 *     const endOf = prepared<{ id: string; at: number }>((db, slot) =>
 *       db.updateTable('sessions').set({ ended_at: slot.at }).where('id', '=', slot.id));
 *     await endOf(tx, { id, at });
 *
 * In `build` the slots stand for values that are not known yet: they are handed to Kysely and never looked at. A list
 * (`in`, rows) has as many slots as it has values: `preparedList` keeps a statement for each length, so its callers hand
 * it few lengths.
 */
import type { Compilable, CompiledQuery, Insertable } from 'kysely';
import type { Reader, Writer } from './store.ts';
import type { Tables } from './tables.ts';

class Slot {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** A slot of an item of a list. */
class Place extends Slot {
  readonly index: number;
  constructor(index: number, name: string) {
    super(name);
    this.index = index;
  }
}

const listMax = 512;

/** What `build` gives for each engine; the two spell parameters differently. */
class CompiledOnce {
  readonly #build: (db: Reader) => Compilable;
  readonly #compiled = new WeakMap<object, CompiledQuery>();

  constructor(build: (db: Reader) => Compilable) {
    this.#build = build;
  }

  for(db: Reader): CompiledQuery {
    const { adapter } = db.getExecutor();
    const known = this.#compiled.get(adapter);
    if (known !== undefined) return known;
    const made = this.#build(db).compile();
    this.#compiled.set(adapter, made);
    return made;
  }
}

/** Runs with values by name; gives the rows, if it is one that does. */
export function prepared<V extends object, R = unknown>(
  build: (db: Reader, slots: V) => Compilable<R>,
): (db: Reader, values: V) => Promise<R[]> {
  const slots = new Proxy({}, { get: (_, name) => new Slot(String(name)) }) as V;
  const once = new CompiledOnce((db) => build(db, slots));
  return async (db, values) => {
    const compiled = once.for(db);
    const named = values as Readonly<Record<string, unknown>>;
    const parameters = compiled.parameters.map((one) => (one instanceof Slot ? named[one.name] : one));
    const { rows } = await db.executeQuery({ ...compiled, parameters });
    return rows as R[];
  };
}

/** As `prepared`, over a list: built once for each length, which is a power of two up to 512. */
export function preparedList<V extends object, R = unknown>(
  build: (db: Reader, items: V[]) => Compilable<R>,
): (db: Reader, items: readonly V[]) => Promise<R[]> {
  const statements = new Map<number, CompiledOnce>();
  const slotsAt = (index: number) => new Proxy({}, { get: (_, name) => new Place(index, String(name)) }) as V;
  const statementOf = (length: number) => {
    const known = statements.get(length);
    if (known !== undefined) return known;
    if (length > listMax || !Number.isInteger(Math.log2(length)))
      throw new Error(`a list of ${length} is no power of two`);
    const made = new CompiledOnce((db) =>
      build(
        db,
        Array.from({ length }, (_, index) => slotsAt(index)),
      ),
    );
    statements.set(length, made);
    return made;
  };
  return async (db, items) => {
    const compiled = statementOf(items.length).for(db);
    const values = items as readonly Readonly<Record<string, unknown>>[];
    const parameters = compiled.parameters.map((one) => (one instanceof Place ? values[one.index]?.[one.name] : one));
    const { rows } = await db.executeQuery({ ...compiled, parameters });
    return rows as R[];
  };
}

/** Rows of one statement: well below the 32,766 values that SQLite takes, and short enough not to hold the loop. */
const rowsMax = 64;

/** Adds rows, of which these columns count. Statements are for 64, 32, … rows, so that there are few of them. */
export function preparedInsert<T extends keyof Tables, C extends keyof Insertable<Tables[T]> & string>(
  table: T,
  columns: readonly C[],
): (tx: Writer, rows: readonly Pick<Insertable<Tables[T]>, C>[]) => Promise<void> {
  const empty = Object.fromEntries(columns.map((column) => [column, 0]));
  const statements = new Map<number, CompiledOnce>();
  const statementOf = (count: number) => {
    const known = statements.get(count);
    if (known !== undefined) return known;
    const rows = Array.from({ length: count }, () => empty) as unknown as Insertable<Tables[T]>[];
    const made = new CompiledOnce((db) => db.insertInto(table).values(rows));
    statements.set(count, made);
    return made;
  };
  return async (tx, rows) => {
    for (let from = 0; from < rows.length;) {
      const left = Math.min(rowsMax, rows.length - from);
      const count = 2 ** Math.floor(Math.log2(left));
      const parameters = rows.slice(from, from + count).flatMap((row) => columns.map((column) => row[column]));
      await tx.executeQuery({ ...statementOf(count).for(tx), parameters });
      from += count;
    }
  };
}
