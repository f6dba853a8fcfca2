/**
 * Who may do what, judged from memory. The store holds roles, rules and bindings; each replica keeps a snapshot, looks
 * for a newer version each second and at once after its own writes, and tells the hub, which cuts what lost its right
 * (RB-11).
 *
 *     store ──poll 1 s / reload()──▶ snapshot ──▶ rules per subject (cached) ──▶ decide
 *                                        └──▶ onChange ──▶ hub decides again for each open session
 *
 * Default deny; a deny beats every allow; order never matters (RB-5). While the database is away the last snapshot
 * goes on deciding.
 */
import type { Kind, Verb } from '@labmesh/wire/fleet/access-words';
import { system } from '@labmesh/wire/fleet/principal';
import { readAccessVersion } from './access-version.ts';
import { type Condition, conditionOf, mayAny } from './condition.ts';
import type { Limit } from './rules/limits.ts';
import { loadSnapshot, rulesOf, type Snapshot, type Subject } from './load-policies.ts';
import type { Decision, Explanation, RuleSet } from './rules/rule-set.ts';
import type { Labels } from './rules/selector.ts';
import type { World } from '../settings/world.ts';

export type { Decision, Explanation, Limit, Subject };

/**
 * A thing. `labels` are what selectors see: for servers and what belongs to them, `serverLabels(row, labels)`. Without
 * a name it is no particular thing, and only rules for every name match.
 */
export type Target = { kind: Kind; name?: string; labels?: Labels };

export type PoliciesOptions = { store: World['store']; clock: World['clock']; log: World['log']; pollMs?: number };

/** Subjects whose rules are kept ready. */
const subjectsMax = 10_000;
const who = system('access-policies');

export class Policies implements AsyncDisposable {
  readonly #options: Required<PoliciesOptions>;
  readonly #ended = new AbortController();
  readonly #listeners = new Set<(version: number) => void>();
  readonly #subjects = new Map<string, { rules: RuleSet; until: number }>();
  #snapshot: Snapshot;
  #polling: Promise<void> = Promise.resolve();
  #reading: Promise<void> | undefined;
  #freshAt: number;
  /** Unix ms at which the next binding lapses. */
  #lapse = Infinity;

  private constructor(options: Required<PoliciesOptions>, snapshot: Snapshot) {
    this.#options = options;
    this.#snapshot = snapshot;
    this.#freshAt = options.clock.now();
    this.#take(snapshot);
  }

  /** Reads the policies and keeps them fresh until disposed. @throws FleetError STORE_UNAVAILABLE. */
  static async open(options: PoliciesOptions): Promise<Policies> {
    const snapshot = await options.store.read(who, loadSnapshot);
    const policies = new Policies({ pollMs: 1_000, ...options }, snapshot);
    policies.#polling = policies.#poll();
    return policies;
  }

  /** Version of the snapshot; whoever caches a decision keeps it beside. */
  get version(): number {
    return this.#snapshot.version;
  }

  /** Ms since the snapshot was last known to be the newest. */
  ageMs(): number {
    return this.#options.clock.now() - this.#freshAt;
  }

  /** Stored rules that cannot be read; each is in the log, too. */
  problems(): readonly string[] {
    return this.#snapshot.problems;
  }

  /** Judges one call. `limit` is the account of exec and copy, or `host:port` of forward. */
  decide(subject: Subject, verb: Verb, target: Target, limit?: Limit): Decision {
    return this.#rules(subject).decide({ ...target, verb, ...(limit !== undefined && { limit }) });
  }

  /** The same with its reasons (RB-9). */
  explain(subject: Subject, verb: Verb, target: Target, limit?: Limit): Explanation {
    return this.#rules(subject).explain({ ...target, verb, ...(limit !== undefined && { limit }) });
  }

  /** The decision as a WHERE over a table: see condition.ts. */
  condition(subject: Subject, verb: Verb, kind: Kind, limit?: Limit): Condition {
    return conditionOf(this.#rules(subject), verb, kind, limit);
  }

  /** Some thing of the kind may pass, as some account or address: false is when forbidden looks like absent (AP-5). */
  mayAny(subject: Subject, verb: Verb, kind: Kind): boolean {
    return mayAny(this.#rules(subject), verb, kind);
  }

  /** Names of the roles a subject holds now. */
  rolesOf(subject: Subject): readonly string[] {
    return this.#rules(subject).roles;
  }

  /** Calls `fn` after each change, a lapsed binding included. Gives the way to stop. */
  onChange(fn: (version: number) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  /** Reads the store now: for whoever has just written. @throws FleetError STORE_UNAVAILABLE. */
  async reload(): Promise<void> {
    // A read under way may have begun before the caller's write.
    await this.#reading?.catch(() => {});
    await this.#read(true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort(new Error('policies closed'));
    await this.#polling;
  }

  #rules(subject: Subject): RuleSet {
    const { principal, groups = [] } = subject;
    const key = JSON.stringify([principal.kind, principal.id, ...groups]);
    const now = this.#options.clock.wall();
    const known = this.#subjects.get(key);
    if (known !== undefined && known.until > now) return known.rules;
    if (this.#subjects.size >= subjectsMax) this.#subjects.clear();
    const found = rulesOf(this.#snapshot, subject, now);
    this.#subjects.set(key, found);
    return found.rules;
  }

  #read(always: boolean): Promise<void> {
    const { store, clock } = this.#options;
    this.#reading ??= (async () => {
      const started = clock.now();
      try {
        const version = await store.read(who, readAccessVersion);
        if (always || version !== this.#snapshot.version) this.#take(await store.read(who, loadSnapshot));
        this.#freshAt = started;
      } finally {
        this.#reading = undefined;
      }
    })();
    return this.#reading;
  }

  #take(snapshot: Snapshot): void {
    const before = this.#snapshot;
    const now = this.#options.clock.wall();
    this.#snapshot = snapshot;
    this.#lapse = [...snapshot.bindings.values()]
      .flat()
      .reduce(
        (least, { expiresAt }) => (expiresAt !== null && expiresAt > now ? Math.min(least, expiresAt) : least),
        Infinity,
      );
    this.#subjects.clear();
    for (const problem of snapshot.problems) {
      if (before === snapshot || !before.problems.includes(problem))
        this.#options.log.error('a stored access rule cannot be read; if it is a deny, its holders may do nothing', {
          problem,
        });
    }
    if (before !== snapshot && before.version !== snapshot.version) this.#tell();
  }

  #tell(): void {
    for (const fn of this.#listeners) {
      try {
        fn(this.version);
      } catch (error) {
        this.#options.log.error('a listener of access changes failed', { error });
      }
    }
  }

  async #poll(): Promise<void> {
    const { clock, log, pollMs } = this.#options;
    const { signal } = this.#ended;
    let away = false;
    while (!signal.aborted) {
      try {
        await clock.sleep(pollMs, signal);
        await this.#read(false);
        away = false;
        if (clock.wall() >= this.#lapse) {
          this.#take(this.#snapshot);
          this.#tell();
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!away) log.warn('access policies cannot be read; the last ones stay in force', { error });
        away = true;
      }
    }
  }
}
