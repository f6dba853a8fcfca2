/**
 * How often somebody may do something (RL-1, RL-2). A limit has a name, a caller has a key within it: an address
 * (`addressKey`), a token id, a principal's id. With Redis the replicas share the windows; without it, or while it is
 * away, each replica counts for itself from what it let through before, so a limit is never open.
 *
 *     const found = await limiter.take('anonymous', addressKey(ip));
 *     if (!found.allowed) throw rateLimited(found);
 *
 * Enrolment: `take('enrol', ip)` first, which bounds all tries; `peek('enrol-failed', …)` for the address and the
 * token id; and after a refusal, `take('enrol-failed', …)` for both.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Metrics } from '@labmesh/kit/metrics';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { LocalWindows } from './local-windows.ts';
import { RedisWindows } from './redis-windows.ts';
import type { Decision, Rule } from './window.ts';

/** The configured ones, `limits.*` in labmesh.toml. */
export type LimitSettings = {
  anonymousPerMin: number;
  enrolPerMin: number;
  tokensPerMin: number;
  loginPerMin: number;
  principalPerMin: number;
  execPerMin: number;
};

export const limitDefaults: LimitSettings = {
  anonymousPerMin: 100,
  enrolPerMin: 10,
  tokensPerMin: 20,
  loginPerMin: 10,
  principalPerMin: 1200,
  execPerMin: 600,
};

const perMinute = (max: number): Rule => ({ max, windowMs: 60_000 });

const rulesOf = (settings: LimitSettings) => ({
  anonymous: perMinute(settings.anonymousPerMin),
  /** Tries, by address: a rack behind one NAT address joins. */
  enrol: perMinute(600),
  /** Refused tries, by address and by token id. */
  'enrol-failed': perMinute(settings.enrolPerMin),
  tokens: perMinute(settings.tokensPerMin),
  login: perMinute(settings.loginPerMin),
  principal: perMinute(settings.principalPerMin),
  exec: perMinute(settings.execPerMin),
  /** By node token (network plane H1). */
  'node-register': perMinute(10),
  'node-heartbeat': perMinute(60),
  /** AP-11. */
  'health-detailed': { max: 20, windowMs: 1_000 },
});
export type LimitName = keyof ReturnType<typeof rulesOf>;

/** A key is somebody else's text: long ones are told apart by their hash. */
const shortKey = (key: string) => (key.length <= 96 ? key : createHash('sha256').update(key).digest('hex'));

export type RateLimiterOptions = {
  limits?: Partial<LimitSettings>;
  redisUrl?: string | undefined;
  clock: Clock;
  log: Logger;
  metrics?: Metrics;
  /** Keys kept in memory. */
  keysMax?: number;
};

export class RateLimiter implements AsyncDisposable {
  readonly #rules: ReturnType<typeof rulesOf>;
  readonly #clock: Clock;
  readonly #local: LocalWindows;
  readonly #redis: RedisWindows | undefined;
  readonly #refused: ((name: LimitName) => void) | undefined;

  constructor(options: RateLimiterOptions) {
    const { redisUrl, clock, log, metrics } = options;
    this.#rules = rulesOf({ ...limitDefaults, ...options.limits });
    this.#clock = clock;
    this.#local = new LocalWindows(options.keysMax);
    this.#redis = redisUrl === undefined ? undefined : new RedisWindows({ url: redisUrl, clock, log });
    if (metrics !== undefined) this.#refused = this.#declare(metrics);
  }

  #declare(metrics: Metrics): (name: LimitName) => void {
    const refused = metrics.counter('limit_refused_total', 'Calls refused by a limit.', { labels: ['limit'] });
    metrics.gauge('limit_keys', 'Keys whose windows are kept.', { read: () => this.#local.size });
    metrics.gauge('limit_shared', '1 while Redis shares the windows.', { read: () => (this.shared ? 1 : 0) });
    return (name) => refused.labels(name).inc();
  }

  /** Whether the windows are shared at this moment. */
  get shared(): boolean {
    return this.#redis?.up ?? false;
  }

  /** Counts one call, or says no. Waits for Redis 50 ms at most. Never throws. */
  async take(name: LimitName, key: string, cost = 1): Promise<Decision> {
    const found = await this.#ask(name, key, cost, true);
    if (!found.allowed) this.#refused?.(name);
    return found;
  }

  /** What `take` would say, counting nothing. */
  peek(name: LimitName, key: string, cost = 1): Promise<Decision> {
    return this.#ask(name, key, cost, false);
  }

  async #ask(name: LimitName, key: string, cost: number, commit: boolean): Promise<Decision> {
    const rule: Rule = this.#rules[name];
    const id = `${name}:${shortKey(key)}`;
    // What this replica alone let through is part of what all did: over the limit here is over it everywhere, and a
    // flood never reaches Redis.
    const here = this.#local.look(id, rule, this.#clock.now(), cost);
    if (!here.allowed) return here;
    const shared = await this.#redis?.take(id, rule, cost, commit);
    if (shared !== undefined && (!shared.allowed || !commit)) return shared;
    if (!commit) return here;
    const taken = this.#local.take(id, rule, this.#clock.now(), cost);
    return shared ?? taken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#redis?.[Symbol.asyncDispose]();
  }
}

/** The one that binds most: a refused one, else the one with the least left. */
export function strictest(first: Decision, ...others: readonly Decision[]): Decision {
  const harder = (a: Decision, b: Decision) =>
    a.allowed === b.allowed ? (a.allowed ? a.remaining <= b.remaining : a.retryAfterMs >= b.retryAfterMs) : !a.allowed;
  return others.reduce((hardest, each) => (harder(hardest, each) ? hardest : each), first);
}

const seconds = (ms: number) => String(Math.ceil(ms / 1000));

/** `RateLimit-Limit`, `RateLimit-Remaining`, `RateLimit-Reset` (seconds), and `Retry-After` when refused (RL-1). */
export function rateLimitHeaders(found: Decision): Record<string, string> {
  return {
    'RateLimit-Limit': String(found.limit),
    'RateLimit-Remaining': String(found.remaining),
    'RateLimit-Reset': seconds(found.resetMs),
    ...(!found.allowed && { 'Retry-After': seconds(Math.max(1, found.retryAfterMs)) }),
  };
}

/** The 429 of a refused call. */
export const rateLimited = (found: Decision): FleetError =>
  new FleetError('RATE_LIMITED', { retryAfterMs: Math.max(1, found.retryAfterMs) });
