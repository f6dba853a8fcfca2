/** An audit log over a store whose faults a test turns on and off. */
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import type { Reader, Store, Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { type Principal, system } from '@labmesh/wire/fleet/principal';
import type { Sealer } from '../../secrets/sealer.ts';
import { AuditKeys } from '../audit-keys.ts';
import { type AuditLog, type AuditLogParts, openAuditLog } from '../audit-log.ts';
import type { AuditEntry } from '../clean-entry.ts';

/** Seals nothing: the text says where it belongs and what it holds. */
export const plainSealer: Sealer = {
  seal: (table, rowId, field, plain) => `plain:${table}:${rowId}:${field}:${Buffer.from(plain).toString('base64')}`,
  open(table, rowId, field, text) {
    const place = `plain:${table}:${rowId}:${field}:`;
    if (!text.startsWith(place)) throw new FleetError('INTERNAL', { log: 'sealed for another place' });
    return Buffer.from(text.slice(place.length), 'base64');
  },
};

/** What the next transactions meet: nothing, no database, a connection that breaks after the commit, silence. */
export type Fault = 'none' | 'away' | 'lost-answer' | 'hangs';

export class FaultyStore implements Store {
  readonly inner: Store;
  fault: Fault = 'none';
  writes = 0;
  #release: PromiseWithResolvers<void> | undefined;

  constructor(inner: Store) {
    this.inner = inner;
  }

  get engine() {
    return this.inner.engine;
  }
  get clock() {
    return this.inner.clock;
  }
  get retries() {
    return this.inner.retries;
  }
  snapshot = (principal: Principal) => this.inner.snapshot(principal);
  ping = () => this.inner.ping();

  /** Ends the silence: what hangs goes on. */
  release(): void {
    this.fault = 'none';
    this.#release?.resolve();
    this.#release = undefined;
  }

  async read<T>(principal: Principal, query: (db: Reader) => Promise<T>): Promise<T> {
    await this.#meet();
    return this.inner.read(principal, query);
  }

  async write<T>(principal: Principal, work: (tx: Writer) => Promise<T>): Promise<T> {
    this.writes++;
    await this.#meet();
    const done = await this.inner.write(principal, work);
    if (this.fault === 'lost-answer') throw new FleetError('STORE_UNAVAILABLE', { log: 'connection broke at commit' });
    return done;
  }

  async #meet(): Promise<void> {
    if (this.fault === 'away') throw new FleetError('STORE_UNAVAILABLE', { log: 'away' });
    if (this.fault !== 'hangs') return;
    this.#release ??= Promise.withResolvers();
    await this.#release.promise;
  }

  [Symbol.asyncDispose] = () => this.inner[Symbol.asyncDispose]();
}

export const chain = '01900000-0000-7000-8000-000000000001';
export const tester = system('test');
export const entry = (action = 'exec.open', more: Partial<AuditEntry> = {}): AuditEntry => ({
  principal: { kind: 'user', id: 'u1', name: 'ann' },
  phase: 'single',
  action,
  result: 'ok',
  ...more,
});

export type AuditBench = AsyncDisposable & {
  store: FaultyStore;
  clock: FakeClock;
  open(parts?: Partial<AuditLogParts>): Promise<AuditLog>;
  keys(): Promise<AuditKeys>;
};

export async function auditBench(url = 'sqlite::memory:'): Promise<AuditBench> {
  const store = new FaultyStore(await openStore({ url, log: silentLogger }));
  const clock = new FakeClock();
  const secrets = plainSealer;
  return {
    store,
    clock,
    open: (parts = {}) => openAuditLog({ store, secrets, chain, clock, log: silentLogger, ...parts }),
    keys: () => AuditKeys.open(store, secrets, clock.wall()),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/** Lets everything run that waits for nothing but the loop. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Turns the clock in small steps, so that what sleeps in between runs, too. */
export async function pass(clock: FakeClock, ms: number, stepMs = 100): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    await clock.advance(Math.min(stepMs, left));
    await turns(6);
  }
}
