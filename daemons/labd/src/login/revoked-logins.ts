/**
 * Tells the holders of open channels which login sessions were ended, on whatever replica (RB-11): a poll each second
 * over the rows revoked lately. Certificates are cut by the deny list; this is for bearers and tickets.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';

const pollMs = 1_000;
/** Replicas' clocks may differ this much. */
const overlapMs = 10 * 60_000;

const self = system('revoked-logins');

export class RevokedLogins implements AsyncDisposable {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #listeners = new Set<(loginId: string) => void>();
  readonly #stop = new AbortController();
  #known = new Set<string>();
  #reading: Promise<void> = Promise.resolve();
  /** The one that begins when that has ended: for all who ask meanwhile. */
  #next: Promise<void> | undefined;
  #loop: Promise<void> = Promise.resolve();

  private constructor(parts: { store: Store; clock: Clock; log: Logger }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** Reads once, so that what ended before is no news, then polls until disposed. */
  static async open(parts: { store: Store; clock: Clock; log: Logger }): Promise<RevokedLogins> {
    const watch = new RevokedLogins(parts);
    await watch.poll();
    watch.#loop = watch.#run();
    return watch;
  }

  /** Called with the id of each login that was ended; returns the way to stop. */
  onRevoked(fn: (loginId: string) => void): () => void {
    this.#listeners.add(fn);
    return () => void this.#listeners.delete(fn);
  }

  /** Whether that login was ended lately. From memory. */
  has(loginId: string): boolean {
    return this.#known.has(loginId);
  }

  /**
   * Reads what was ended since; also for a replica that was told by another. Those who ask while a read is under way
   * share the next one: it began after all that they know of. Never rejects.
   */
  poll(): Promise<void> {
    this.#next ??= this.#reading.then(() => {
      this.#next = undefined;
      this.#reading = this.#read();
      return this.#reading;
    });
    return this.#next;
  }

  async #read(): Promise<void> {
    const since = this.#clock.wall() - overlapMs;
    try {
      const rows = await this.#store.read(self, (db) =>
        db
          .selectFrom('login_sessions')
          .select('id')
          .where('revoked_at', '>', since)
          .where('prefix', '!=', 'ticket')
          .execute(),
      );
      const fresh = rows.filter(({ id }) => !this.#known.has(id));
      this.#known = new Set(rows.map(({ id }) => id));
      for (const { id } of fresh) for (const tell of this.#listeners) tell(id);
    } catch (error) {
      this.#log.warn('ended logins could not be read', { error });
    }
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#clock.sleep(pollMs, this.#stop.signal).catch(() => {});
      if (!this.#stop.signal.aborted) await this.poll();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('disposed'));
    await this.#loop;
  }
}
