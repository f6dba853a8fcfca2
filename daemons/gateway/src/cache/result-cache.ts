/**
 * Verified answers that are given again (verification RP9): an entry belongs to one tenant and one set of rights, and
 * holds the answer as text, so that nobody who gets it can change it for the next one. Least recently used goes first.
 */
import { canonicalJson } from '@labmesh/attest/json/canonical-json';
import type { Clock } from '@labmesh/kit/clock';
import { parseJson } from '@labmesh/kit/parse-json';
import type { ChatCompletionRequest } from '@labmesh/wire/openai';
import type { ArenaResult } from '@labmesh/wire/verification/arena-run';
import type { VerificationBlock } from '@labmesh/wire/verification/verification-block';

const entryBytesMost = 1024 * 1024;

export type CacheLimits = { entriesMax: number; bytesMax: number; ttlMs: number };
/** Whose answers: keys with other rights do not share them. */
export type CacheOwner = { tenant: string; scopes: readonly string[] };
type Entry = { tenant: string; text: string; bytes: number; until: number };

export class ResultCache {
  readonly #limits: CacheLimits;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  /** How often a tenant's answers were forgotten; tenants are the operator's, and few. */
  readonly #ages = new Map<string, number>();
  /** How often everybody's were. */
  #commonAge = 0;
  #bytes = 0;

  constructor(limits: CacheLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }
  get bytes(): number {
    return this.#bytes;
  }

  /** A fresh copy of what was given before; undefined when there is none. */
  get(id: string): ArenaResult | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    this.#delete(id, entry);
    if (entry.until <= this.#clock.now()) return undefined;
    this.#entries.set(id, entry);
    this.#bytes += entry.bytes;
    return parseJson(entry.text) as ArenaResult;
  }

  /** Asked before a run begins and handed back with its result. */
  age(tenant: string): number {
    return this.#commonAge + (this.#ages.get(tenant) ?? 0);
  }

  /** Keeps a valid result. What is too large is not kept, nor what was checked before `forget` was called. */
  put(id: string, tenant: string, result: ArenaResult, age: number): void {
    if (age !== this.age(tenant)) return;
    const { entriesMax, bytesMax, ttlMs } = this.#limits;
    const text = JSON.stringify(result);
    // Two bytes a UTF-16 unit: what it may take in memory.
    const bytes = (text.length + id.length) * 2;
    if (entriesMax === 0 || bytes > Math.min(entryBytesMost, bytesMax)) return;
    const before = this.#entries.get(id);
    if (before !== undefined) this.#delete(id, before);
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size < entriesMax && this.#bytes + bytes <= bytesMax) break;
      this.#delete(oldest, entry);
    }
    this.#entries.set(id, { tenant, text, bytes, until: this.#clock.now() + ttlMs });
    this.#bytes += bytes;
  }

  /** Forgets a tenant's answers, or everybody's: what they were checked by has changed. Gives how many there were. */
  forget(tenant?: string): number {
    if (tenant === undefined) this.#commonAge++;
    else this.#ages.set(tenant, (this.#ages.get(tenant) ?? 0) + 1);
    const before = this.#entries.size;
    for (const [id, entry] of this.#entries) {
      if (tenant === undefined || entry.tenant === tenant) this.#delete(id, entry);
    }
    return before - this.#entries.size;
  }

  #delete(id: string, entry: Entry): void {
    this.#entries.delete(id);
    this.#bytes -= entry.bytes;
  }
}

/** Fields that change how an answer is sent, or who is told of it, but not what it is. */
const unseen = new Set(['stream', 'stream_options', 'user', 'verification', 'metadata', 'store']);
const unseenOfBlock = new Set([
  'mode',
  'sample',
  'max_wait_ms',
  'deadline_ms',
  'priority',
  'on_fail',
  'on_timeout',
  'on_unavailable',
]);

const without = (value: object, names: ReadonlySet<string>) =>
  Object.fromEntries(Object.entries(value).filter(([name]) => !names.has(name)));

/**
 * Hex SHA-256 of the canonical JSON (RFC 8785) of all that decides an answer: owner, what it is checked by as far as the
 * request says, model, messages, tools, sampling. Undefined for a request that has no canonical form.
 */
export function cacheId(
  owner: CacheOwner,
  request: ChatCompletionRequest,
  block: VerificationBlock,
): string | undefined {
  const scope = owner.scopes.toSorted();
  try {
    const text = canonicalJson({
      tenant: owner.tenant,
      scope,
      block: without(block, unseenOfBlock),
      request: without(request, unseen),
    });
    return new Bun.CryptoHasher('sha256').update(text).digest('hex');
  } catch {
    return undefined;
  }
}
