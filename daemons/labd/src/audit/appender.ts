/**
 * The audit log of one replica (AU-1 … AU-4): one chain, one appender.
 *
 *     append(entry) ─▶ queue ─▶ group ─▶ chained on the hash just computed ─▶ one transaction ─▶ callers go on
 *                       10,000    a short wait while others come in; larger under load
 *
 * A row that is alone is committed at once. After a group of several the next commit waits three times as long as that
 * one took, at most `commitWaitMs`, so that under load commits take a quarter of the loop however slow the disk is. Rows
 * that nobody waits for (class L, and the ends of sessions) go with the next one that somebody does, or after
 * `commitWaitMs`.
 *
 * When a commit fails nobody knows whether its rows stand. Before the next one the head is read, and it is one of:
 * where we were (not committed), the end of a group we tried (committed after all), or somebody else's: `CHAIN_TAKEN`,
 * and the log stops for good. What is read decides nothing else; rows are chained on what was computed here.
 */
import { isUniqueViolation } from '@labmesh/store/store-errors';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import type { Sealer } from '../secrets/sealer.ts';
import { AlsoFailed, type AlsoWritten, writeAlso } from './also-written.ts';
import type { AuditKeys } from './audit-keys.ts';
import { AuditQueue, type Ticket } from './audit-queue.ts';
import { type AuditRecord, hashRow, toTableRow } from './audit-row.ts';
import { type Head, insertRows, readHead } from './audit-store.ts';
import type { AuditLogOptions } from './audit-log-options.ts';
import { type AuditEntry, cleanEntry } from './clean-entry.ts';
import type { World } from '../settings/world.ts';

export interface AuditLog extends AsyncDisposable {
  /** The replica's id. */
  readonly chain: string;
  /** The keys of all chains, for checkpoints and verification. */
  readonly keys: AuditKeys;
  /**
   * Resolves when the row is committed, and what `also` writes with it. F and S rows.
   * @throws FleetError AUDIT_UNAVAILABLE after `writeTimeoutMs`, at once when the queue is full or the chain is taken.
   */
  append(entry: AuditEntry, options?: AppendOptions): Promise<{ seq: number }>;
  /** L rows: never waits or throws. Rows that fall out are counted, and the count becomes a row. */
  note(entry: AuditEntry): void;
  /** The last committed row; seq 0 before the first. */
  head(): Head;
  /** How long the oldest row has been waiting, ms. */
  lagMs(): number;
  /** Rows that wait. */
  queued(): number;
  /** `CHAIN_TAKEN` once another process writes this chain; nothing is appended any more. */
  stopped(): string | undefined;
  /** Commits what waits. @throws FleetError AUDIT_UNAVAILABLE. */
  flush(): Promise<void>;
}

export type AppendOptions = {
  /** Written in the row's own transaction: both stand or neither does. */
  also?: AlsoWritten;
  /** Nobody waits for it: it joins the next group, within `commitWaitMs`. */
  patient?: boolean;
};

export type AuditLogParts = {
  store: World['store'];
  secrets: Sealer;
  chain: string;
  clock: World['clock'];
  log: World['log'];
  options?: AuditLogOptions;
};

const who = system('audit');
/** Rows of one transaction under load. */
const groupRowsMax = 500;
const dutyFactor = 3;
const failureWaitMaxMs = 1_000;
const attemptsMax = 8;

const unavailable = (log: string, cause?: unknown) => new FleetError('AUDIT_UNAVAILABLE', { log, cause });

/** A group whose outcome is not known yet. */
type Attempt = { tickets: readonly Ticket[]; records: readonly AuditRecord[] };

const endOf = ({ records }: Attempt): Head | undefined => records.at(-1);

export class Appender implements AuditLog {
  readonly chain: string;
  readonly keys: AuditKeys;
  readonly #parts: AuditLogParts;
  readonly #options: Required<Omit<AuditLogOptions, 'onCommit'>>;
  readonly #queue: AuditQueue;
  readonly #ended = new AbortController();
  readonly #loop: Promise<void>;
  /** What an empty table means: the stub's row, or nothing yet. */
  readonly #base: Head;
  #head: Head;
  #order = 0;
  #stopped: string | undefined;
  /** Groups since the last commit that is sure; at least one when `#unsure`. */
  #attempts: Attempt[] = [];
  #unsure = false;
  #failures = 0;
  /** 1 after a group failed by its own fault, to find the row. */
  #groupRows = groupRowsMax;
  #watching = false;
  #hurry = 0;
  #lastStart = -Infinity;
  #lastMs = 0;
  /** Rows of the last group that somebody waited for. */
  #lastUrgent = 0;
  /** Where the loop stands still. */
  #idle: PromiseWithResolvers<void> | undefined;
  #nap: { until: number; wake: AbortController } | undefined;
  #outcome = Promise.withResolvers<boolean>();

  constructor(parts: AuditLogParts, keys: AuditKeys, base: Head, head: Head) {
    const { commitWaitMs = 20, commitRows = 100, queueMax = 10_000, writeTimeoutMs = 2_000 } = parts.options ?? {};
    this.#parts = parts;
    this.#options = { commitWaitMs, commitRows, queueMax, writeTimeoutMs };
    this.#queue = new AuditQueue(queueMax);
    this.chain = parts.chain;
    this.keys = keys;
    this.#base = base;
    this.#head = head;
    this.#loop = this.#run();
  }

  append(entry: AuditEntry, { also, patient = false }: AppendOptions = {}): Promise<{ seq: number }> {
    const closed = this.#stopped ?? (this.#ended.signal.aborted ? 'closed' : undefined);
    if (closed !== undefined) return Promise.reject(unavailable(closed));
    const { promise, resolve, reject } = Promise.withResolvers<{ seq: number }>();
    const ticket = { ...this.#ticket(entry), settle: { resolve, reject }, isUrgent: !patient, also };
    if (!this.#queue.push(ticket)) return Promise.reject(unavailable(`the queue holds ${this.#options.queueMax} rows`));
    this.#nudge();
    if (!this.#watching) void this.#watch();
    return promise;
  }

  note(entry: AuditEntry): void {
    if (this.#stopped !== undefined || this.#ended.signal.aborted) return;
    try {
      this.#queue.push(this.#ticket(entry));
    } catch {
      this.#queue.lose();
    }
    this.#nudge();
  }

  head = (): Head => this.#head;
  queued = (): number => this.#queue.size;
  stopped = (): string | undefined => this.#stopped;

  lagMs(): number {
    const oldest = this.#queue.oldest();
    return oldest === undefined ? 0 : this.#parts.clock.now() - oldest.queuedAt;
  }

  async flush(): Promise<void> {
    const last = this.#order;
    this.#hurry++;
    try {
      while ((this.#queue.oldest()?.order ?? Infinity) <= last) {
        if (this.#stopped !== undefined) throw unavailable(this.#stopped);
        this.#nudge();
        if (!(await this.#nextOutcome())) throw unavailable('rows could not be committed');
      }
    } finally {
      this.#hurry--;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush().catch((error: unknown) => this.#parts.log.error('audit rows are lost at the end', { error }));
    this.#ended.abort(new Error('the audit log is closed'));
    this.#idle?.resolve();
    this.#nap?.wake.abort(this.#ended.signal.reason);
    // A database that hangs must not hold up the end.
    await this.#within(this.#loop);
    this.#rejectAll('closed');
  }

  #ticket(entry: AuditEntry): Ticket {
    const { clock } = this.#parts;
    const clean = cleanEntry(entry);
    return { order: ++this.#order, at: clock.wall(), queuedAt: clock.now(), entry: clean, inFlight: false };
  }

  /** Wakes the loop when what is there now is due earlier than it thinks. */
  #nudge(): void {
    this.#idle?.resolve();
    if (this.#nap === undefined || this.#failures > 0) return;
    const due = this.#queue.size >= this.#options.commitRows || this.#due() < this.#nap.until - 1;
    if (due) this.#nap.wake.abort(new Error('due'));
  }

  /** Clock ms at which the rows that wait should be committed. */
  #due(): number {
    if (this.#hurry > 0) return 0;
    const { commitWaitMs } = this.#options;
    if (!this.#queue.hasUrgent) return (this.#queue.oldest()?.queuedAt ?? 0) + commitWaitMs;
    return this.#lastStart + Math.min(commitWaitMs, Math.min(dutyFactor, this.#lastUrgent - 1) * this.#lastMs);
  }

  async #run(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted && this.#stopped === undefined) {
      if (this.#queue.size === 0) {
        this.#idle = Promise.withResolvers();
        await this.#idle.promise;
        this.#idle = undefined;
        continue;
      }
      await this.#gather();
      const done = await this.#commit();
      this.#outcome.resolve(done);
      this.#outcome = Promise.withResolvers();
      if (!done && !signal.aborted)
        await this.#sleep(Math.min(failureWaitMaxMs, 25 * 2 ** Math.min(this.#failures, 6)));
    }
    this.#outcome.resolve(false);
  }

  async #gather(): Promise<void> {
    // Rows of the same turn of the loop share a group.
    await new Promise((resolve) => setImmediate(resolve));
    const { clock } = this.#parts;
    while (!this.#ended.signal.aborted && this.#queue.size < this.#options.commitRows) {
      const wait = this.#due() - clock.now();
      if (wait <= 0) return;
      await this.#sleep(wait);
    }
  }

  async #sleep(ms: number): Promise<void> {
    const { clock } = this.#parts;
    const wake = new AbortController();
    this.#nap = { until: clock.now() + ms, wake };
    await clock.sleep(ms, wake.signal).catch(() => {});
    this.#nap = undefined;
  }

  /** Commits the next group; false when that failed. */
  async #commit(): Promise<boolean> {
    const { clock, store, log } = this.#parts;
    this.#lastStart = clock.now();
    let attempt: Attempt | undefined;
    try {
      if (this.#unsure) await this.#recover();
      attempt = this.#nextGroup();
      if (attempt === undefined) return this.#stopped === undefined;
      this.#attempts.push(attempt);
      const rows = attempt.records.map((record) => toTableRow(uuidv7(), record));
      this.#unsure = true;
      const { tickets } = attempt;
      await store.write(who, async (tx) => {
        await insertRows(tx, rows);
        await writeAlso(tx, tickets);
      });
      this.#settle(attempt);
      this.#lastMs = clock.now() - this.#lastStart;
      this.#lastUrgent = tickets.filter(({ isUrgent }) => isUrgent).length;
      this.#parts.options?.onCommit?.(rows.length, this.#lastMs);
      if (this.#failures > 0) log.info('audit rows are committed again', { seq: this.#head.seq });
      this.#failures = 0;
      return true;
    } catch (error) {
      if (this.#failures++ === 0) log.error('audit rows cannot be committed', { error });
      if (attempt !== undefined) this.#blame(attempt, error);
      return false;
    } finally {
      for (const ticket of attempt?.tickets ?? []) ticket.inFlight = false;
    }
  }

  #nextGroup(): Attempt | undefined {
    if (this.#stopped !== undefined) return undefined;
    const lost = this.#queue.takeLost();
    if (lost > 0) {
      const entry = { principal: who, phase: 'single', action: 'audit.lost', result: 'error' } as const;
      this.#queue.force(this.#ticket({ ...entry, details: { rows: lost } }));
    }
    const tickets = this.#queue.first(this.#groupRows);
    if (tickets.length === 0) return undefined;
    const key = this.keys.current();
    let { seq, hash } = this.#head;
    const records = tickets.map((ticket) => {
      ticket.inFlight = true;
      const fields = { ...ticket.entry, seq: ++seq, chain: this.chain, keyId: key.id, at: ticket.at };
      const prevHash = hash;
      hash = hashRow(key.bytes, prevHash, fields);
      return { ...fields, prevHash, hash };
    });
    return { tickets, records };
  }

  /** The group stands: its rows are the chain's end, their callers go on. */
  #settle(attempt: Attempt): void {
    const { seq, hash } = endOf(attempt) ?? this.#head;
    this.#head = { seq, hash };
    this.#attempts = [];
    this.#unsure = false;
    if (this.#groupRows < groupRowsMax) this.#groupRows = groupRowsMax;
    for (const [index, ticket] of attempt.tickets.entries()) {
      this.#queue.remove(ticket);
      ticket.settle?.resolve({ seq: attempt.records[index]?.seq ?? seq });
    }
  }

  /** After a failure: finds out which of the groups tried stands, if any. */
  async #recover(): Promise<void> {
    const { store, log } = this.#parts;
    const found = (await store.read(who, (db) => readHead(db, this.chain))) ?? this.#base;
    const { seq, hash } = this.#head;
    const ours = this.#attempts.find(
      (attempt) => endOf(attempt)?.seq === found.seq && endOf(attempt)?.hash === found.hash,
    );
    if (ours !== undefined) return this.#settle(ours);
    if (found.seq > seq) {
      this.#stopped = 'CHAIN_TAKEN';
      log.error('CHAIN_TAKEN: another process writes the audit chain of this replica; nothing is audited any more', {
        chain: this.chain,
        seq: found.seq,
      });
      this.#rejectAll('CHAIN_TAKEN');
      return;
    }
    // Lower or different: rows that were acknowledged are gone. The gap that stays is the evidence.
    if (found.seq < seq || found.hash !== hash)
      log.error('committed audit rows are missing or changed in the store', {
        chain: this.chain,
        head: seq,
        found: found.seq,
      });
    // A commit may still arrive late, so the last few stay known.
    this.#attempts = this.#attempts.slice(-attemptsMax);
    this.#unsure = false;
  }

  /** A row that the database refuses for itself must not hold up the others: groups of one find it, then it goes. */
  #blame({ tickets }: Attempt, error: unknown): void {
    if (error instanceof AlsoFailed) return this.#refuse(error.ticket as Ticket, error.cause);
    if (error instanceof FleetError || isUniqueViolation(error)) return;
    this.#groupRows = 1;
    const [only] = tickets;
    if (only !== undefined && tickets.length === 1) this.#refuse(only, error);
  }

  #refuse(only: Ticket, error: unknown): void {
    this.#queue.remove(only);
    if (only.settle === undefined) this.#queue.lose();
    else only.settle.reject(unavailable('the database refused the row', error));
  }

  #rejectAll(reason: string): void {
    for (const ticket of this.#queue.first(Infinity)) {
      this.#queue.remove(ticket);
      ticket.settle?.reject(unavailable(reason));
    }
  }

  /** Turns callers away whose row is not committed in time (AU-4). Ends when nobody waits. */
  async #watch(): Promise<void> {
    const { clock } = this.#parts;
    this.#watching = true;
    for (let first = this.#queue.oldest(true); first !== undefined; first = this.#queue.oldest(true)) {
      const wait = first.queuedAt + this.#options.writeTimeoutMs - clock.now();
      if (wait > 0) {
        await clock.sleep(wait, this.#ended.signal).catch(() => {});
        if (this.#ended.signal.aborted) break;
        continue;
      }
      // A row under way may still be committed: then it stands in the log, and what it announced did not happen.
      this.#queue.remove(first);
      first.settle?.reject(unavailable(`not committed within ${this.#options.writeTimeoutMs} ms`));
    }
    this.#watching = false;
  }

  #nextOutcome = (): Promise<boolean> => this.#within(this.#outcome.promise).then((done) => done ?? false);

  /** Undefined when it takes longer than `writeTimeoutMs`. */
  async #within<T>(work: Promise<T>): Promise<T | undefined> {
    const timer = new AbortController();
    const late = this.#parts.clock.sleep(this.#options.writeTimeoutMs, timer.signal).then(
      () => undefined,
      () => undefined,
    );
    try {
      return await Promise.race([work, late]);
    } finally {
      timer.abort(new Error('done'));
    }
  }
}
