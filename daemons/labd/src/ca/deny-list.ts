/**
 * The deny list (CA-8): what cuts an identity before its certificate ends. Rows in the store, a copy in memory that each
 * request and frame looks into, refreshed each second and when another replica says so. Denials are rows like all else,
 * so a restored backup still denies.
 *
 *     deny/lift (in the caller's transaction) ──▶ rows with a rising version ──poll──▶ memory ──▶ onChange ──▶ hub cuts
 *                         └── written() ──▶ onWritten ──▶ the other replicas are told to poll ──┘
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Reader, Store, Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';

export const denyKinds = ['serial', 'identity', 'key', 'machine'] as const;
export type DenyKind = (typeof denyKinds)[number];
/** `identity` is the SPIFFE URI, `serial` 32 hex digits, `keyHash` SHA-256 of the key in hex. */
export type DenySubject = {
  serial?: string | undefined;
  identity?: string | undefined;
  keyHash?: string | undefined;
  machineId?: string | undefined;
};

export type DenyListOptions = { store: Store; clock: Clock; log: Logger; pollMs?: number };

/** Older than this, the list says nothing any more. */
export const staleMs = 30_000;
const pageRows = 500;
const versionKey = 'deny.version';
const who = system('deny-list');

/** The version in the store; 0 before the first denial. */
async function readVersion(db: Reader): Promise<number> {
  const row = await db.selectFrom('settings').select('value').where('key', '=', versionKey).executeTakeFirst();
  return row === undefined ? 0 : Number(row.value);
}

/** Writers meet at this row, so that versions rise in the order of the commits and a poll misses none. */
async function raiseVersion(tx: Writer, now: number): Promise<number> {
  const next = (await readVersion(tx)) + 1;
  const row = { value: String(next), updated_at: now };
  await tx
    .insertInto('settings')
    .values({ key: versionKey, ...row })
    .onConflict((on) => on.column('key').doUpdateSet(row))
    .execute();
  return next;
}

type Row = { id: string; kind: string; value: string; version: number; lifted_at: number | null };

export class DenyList implements AsyncDisposable {
  readonly #options: Required<DenyListOptions>;
  readonly #ended = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #writtenListeners = new Set<() => void>();
  /** Something was denied or lifted here since `written` was called last. */
  #isWritten = false;
  readonly #denied: Record<DenyKind, Set<string>> = {
    serial: new Set(),
    identity: new Set(),
    key: new Set(),
    machine: new Set(),
  };
  #version = 0;
  #freshAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  #polling: Promise<void> = Promise.resolve();

  private constructor(options: DenyListOptions) {
    this.#options = { pollMs: 1_000, ...options };
  }

  /** Reads the list and keeps it fresh until disposed. @throws FleetError STORE_UNAVAILABLE. */
  static async open(options: DenyListOptions): Promise<DenyList> {
    const list = new DenyList(options);
    await list.#read();
    list.#polling = list.#pollOn();
    return list;
  }

  /** Version of what is in memory: whoever looked something up keeps it beside the answer. */
  get version(): number {
    return this.#version;
  }

  /** What forbids this identity, or undefined. From memory, four look-ups. */
  check({ serial, identity, keyHash, machineId }: DenySubject): DenyKind | undefined {
    const { serial: serials, identity: identities, key: keys, machine: machines } = this.#denied;
    if (serial !== undefined && serials.has(serial)) return 'serial';
    if (identity !== undefined && identities.has(identity)) return 'identity';
    if (keyHash !== undefined && keys.has(keyHash)) return 'key';
    return machineId !== undefined && machines.has(machineId) ? 'machine' : undefined;
  }

  /** Ms since the list was last known to be the newest. */
  ageMs(): number {
    return this.#options.clock.now() - this.#freshAt;
  }

  /** Before each new connection, exec, copy and forward. @throws FleetError REVOCATION_STALE above 30 s. */
  assertFresh(): void {
    if (this.ageMs() > staleMs) throw new FleetError('REVOCATION_STALE', { log: `deny list ${this.ageMs()} ms old` });
  }

  /** Calls `fn` after each change, own or read. Gives the way to stop. */
  onChange(fn: () => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  /**
   * Denies in the caller's transaction; call `written` after its commit, or wait a second. Safe to repeat.
   * @param reason for people, at most 253 characters are kept.
   */
  async deny(tx: Writer, kind: DenyKind, value: string, reason: string): Promise<void> {
    this.#isWritten = true;
    const now = this.#options.clock.wall();
    const change = { version: await raiseVersion(tx, now), reason: reason.slice(0, 253), lifted_at: null };
    await tx
      .insertInto('denials')
      .values({ id: Bun.randomUUIDv7(), created_at: now, kind, value, ...change })
      .onConflict((on) => on.columns(['kind', 'value']).doUpdateSet(change))
      .execute();
  }

  /** Lifts a denial (unban). Nothing happens when there is none. */
  async lift(tx: Writer, kind: DenyKind, value: string): Promise<void> {
    const now = this.#options.clock.wall();
    const standing = await tx
      .selectFrom('denials')
      .select('id')
      .where('kind', '=', kind)
      .where('value', '=', value)
      .where('lifted_at', 'is', null)
      .executeTakeFirst();
    if (standing === undefined) return;
    this.#isWritten = true;
    // The row stays, so that the other replicas see the change by its version.
    const change = { version: await raiseVersion(tx, now), lifted_at: now };
    await tx.updateTable('denials').set(change).where('id', '=', standing.id).execute();
  }

  /** After the commit of what may have denied or lifted: in force here when it resolves. Never rejects, as `poll`. */
  async written(): Promise<void> {
    const isWritten = this.#isWritten;
    this.#isWritten = false;
    if (isWritten) this.#tell(this.#writtenListeners);
    await this.poll();
  }

  /** Calls `fn` after each own commit, for telling the other replicas. Gives the way to stop. */
  onWritten(fn: () => void): () => void {
    this.#writtenListeners.add(fn);
    return () => this.#writtenListeners.delete(fn);
  }

  /**
   * Reads what changed, now: after an own write, and when another replica pushed. Never rejects; a failure makes the
   * list older.
   */
  async poll(): Promise<void> {
    // A read under way may have begun before the caller's write.
    await this.#reading?.catch(() => {});
    await this.#read().catch((error: unknown) => {
      this.#options.log.warn('the deny list could not be read', { ageMs: this.ageMs(), error });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort(new Error('deny list closed'));
    await this.#polling;
    this.#listeners.clear();
    this.#writtenListeners.clear();
  }

  async #pollOn(): Promise<void> {
    const { clock, pollMs } = this.#options;
    for (;;) {
      const isOver = await clock.sleep(pollMs, this.#ended.signal).then(
        () => false,
        () => true,
      );
      if (isOver) return;
      await this.poll();
    }
  }

  #read(): Promise<void> {
    this.#reading ??= this.#readChanges().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readChanges(): Promise<void> {
    const { store, clock } = this.#options;
    const started = clock.now();
    let isChanged = false;
    for (;;) {
      const rows = await store.read(who, (db) => this.#rowsAfter(db, this.#version));
      for (const row of rows) this.#take(row);
      isChanged ||= rows.length > 0;
      if (rows.length < pageRows) break;
    }
    this.#freshAt = started;
    if (isChanged) this.#tell(this.#listeners);
  }

  /** Each version is one row, so pages need no second key. */
  #rowsAfter(db: Reader, version: number): Promise<Row[]> {
    return db
      .selectFrom('denials')
      .select(['id', 'kind', 'value', 'version', 'lifted_at'])
      .where('version', '>', version)
      .orderBy('version')
      .limit(pageRows)
      .execute();
  }

  #take({ kind, value, version, lifted_at }: Row): void {
    const values = this.#denied[kind as DenyKind] as Set<string> | undefined;
    if (values === undefined) this.#options.log.error('a denial of unknown kind', { kind });
    else if (lifted_at === null) values.add(value);
    else values.delete(value);
    this.#version = version;
  }

  #tell(listeners: ReadonlySet<() => void>): void {
    for (const fn of listeners) {
      try {
        fn();
      } catch (error) {
        this.#options.log.error('a listener of the deny list failed', { error });
      }
    }
  }
}
