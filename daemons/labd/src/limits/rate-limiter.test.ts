import { describe, expect, test } from 'bun:test';
import { FakeClock, systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { Metrics } from '@labmesh/kit/metrics';
import { hasRedis, startRedis } from '../../../../tests/harness/start-redis.ts';
import { RateLimiter, rateLimitHeaders, rateLimited, strictest, type LimitName } from './rate-limiter.ts';
import type { Decision } from './window.ts';

const decision = (over: Partial<Decision>): Decision => ({
  allowed: true,
  limit: 10,
  remaining: 5,
  resetMs: 1_500,
  retryAfterMs: 0,
  ...over,
});

/** Takes until it is refused; gives how many passed. */
async function drain(limiter: RateLimiter, name: LimitName, key: string, stopAt = 2_000): Promise<number> {
  for (let passed = 0; passed < stopAt; passed++) {
    if (!(await limiter.take(name, key)).allowed) return passed;
  }
  return stopAt;
}

const until = async (what: () => boolean) => {
  for (let tries = 0; tries < 400 && !what(); tries++) await Bun.sleep(25);
  expect(what()).toBe(true);
};

describe('one replica without Redis', () => {
  test.each([
    ['anonymous', 100],
    ['enrol', 600],
    ['enrol-failed', 10],
    ['tokens', 20],
    ['login', 10],
    ['principal', 1200],
    ['exec', 600],
    ['health-detailed', 20],
  ] as const)('RL-1: %s passes %d times', async (name, max) => {
    await using limiter = new RateLimiter({ clock: new FakeClock(), log: silentLogger });
    expect(await drain(limiter, name, 'k')).toBe(max);
    expect(await drain(limiter, name, 'another')).toBe(max);
  });

  test('limits come from the settings; a peek counts nothing; a minute later all is well', async () => {
    const clock = new FakeClock();
    await using limiter = new RateLimiter({ limits: { loginPerMin: 3 }, clock, log: silentLogger });
    for (let i = 0; i < 5; i++) expect((await limiter.peek('login', 'a')).remaining).toBe(3);
    expect(await drain(limiter, 'login', 'a')).toBe(3);
    const refused = await limiter.peek('login', 'a');
    expect(refused.allowed).toBe(false);
    await clock.advance(refused.retryAfterMs);
    expect((await limiter.take('login', 'a')).allowed).toBe(true);
    expect(limiter.shared).toBe(false);
  });

  test('ME-1: refusals and keys are metrics without identities', async () => {
    const metrics = new Metrics('labmesh_labd_');
    await using limiter = new RateLimiter({
      limits: { loginPerMin: 1 },
      clock: new FakeClock(),
      log: silentLogger,
      metrics,
    });
    await limiter.take('login', '203.0.113.9');
    await limiter.take('login', '203.0.113.9');
    const page = metrics.render();
    expect(page).toContain('labmesh_labd_limit_refused_total{limit="login"} 1');
    expect(page).toContain('labmesh_labd_limit_keys 1');
    expect(page).toContain('labmesh_labd_limit_shared 0');
    expect(page).not.toContain('203.0.113.9');
  });
});

test('RL-1: the headers and the error of a refusal', () => {
  expect(rateLimitHeaders(decision({}))).toEqual({
    'RateLimit-Limit': '10',
    'RateLimit-Remaining': '5',
    'RateLimit-Reset': '2',
  });
  const refused = decision({ allowed: false, remaining: 0, retryAfterMs: 200 });
  expect(rateLimitHeaders(refused)).toMatchObject({ 'Retry-After': '1' });
  expect(rateLimited(refused)).toMatchObject({ code: 'RATE_LIMITED', status: 429, retryAfterMs: 200 });
});

test('of several the one that binds most counts', () => {
  const open = decision({ remaining: 3 });
  const tight = decision({ remaining: 1 });
  const shut = decision({ allowed: false, retryAfterMs: 10 });
  const longer = decision({ allowed: false, retryAfterMs: 20 });
  expect(strictest(open, tight)).toBe(tight);
  expect(strictest(tight, open)).toBe(tight);
  expect(strictest(open, shut, longer)).toBe(longer);
  expect(strictest(longer, shut, open)).toBe(longer);
});

test('RL-2: an address where no Redis is counts per replica', async () => {
  await using limiter = new RateLimiter({ redisUrl: 'redis://127.0.0.1:1', clock: systemClock, log: silentLogger });
  expect(await drain(limiter, 'login', 'k')).toBe(10);
});

describe.skipIf(!hasRedis)('with Redis (needs redis-server)', () => {
  const open = (redisUrl: string) => new RateLimiter({ redisUrl, clock: systemClock, log: silentLogger });

  test('RL-2: two replicas share one window, and agree about it', async () => {
    await using redis = await startRedis();
    await using a = open(redis.url);
    await using b = open(redis.url);
    await until(() => a.shared && b.shared);
    const takes = Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? a : b).take('tokens', 'k'));
    const passed = (await Promise.all(takes)).filter((each) => each.allowed);
    expect(passed).toHaveLength(20);
    const seen = await b.peek('tokens', 'k');
    expect(seen).toMatchObject({ allowed: false, limit: 20, remaining: 0 });
    expect(seen.retryAfterMs).toBeGreaterThan(0);
    expect(seen.retryAfterMs).toBeLessThanOrEqual(60_000);
    expect((await a.peek('tokens', 'other')).remaining).toBe(20);
  });

  test('RL-2: a shared window slides', async () => {
    await using redis = await startRedis();
    await using limiter = open(redis.url);
    await until(() => limiter.shared);
    expect(await drain(limiter, 'health-detailed', 'k')).toBeGreaterThanOrEqual(20);
    expect((await limiter.peek('health-detailed', 'k')).allowed).toBe(false);
    // Its own buckets and those of Redis do not begin at the same moment.
    await Bun.sleep(1_250);
    expect((await limiter.peek('health-detailed', 'k')).remaining).toBe(20);
  });

  test('RL-2: Redis killed midway: still limited, no call waits long, and shared again when it is back', async () => {
    await using redis = await startRedis();
    await using a = open(redis.url);
    await until(() => a.shared);
    for (let i = 0; i < 15; i++) await a.take('tokens', 'k');
    await redis.kill();
    // 15 went before, so 5 are left of the 20: this replica goes on from what it let through.
    expect(await drain(a, 'tokens', 'k')).toBe(5);
    expect(a.shared).toBe(false);
    const began = performance.now();
    for (let i = 0; i < 1_000; i++) await a.take('tokens', `key ${i}`);
    expect(performance.now() - began).toBeLessThan(2_000);
    await redis.start();
    await until(() => a.shared);
    await using b = open(redis.url);
    await until(() => b.shared);
    expect(await drain(b, 'tokens', 'new')).toBe(20);
    expect((await a.take('tokens', 'new')).allowed).toBe(false);
  });

  test('RL-2: a Redis that hangs costs one short wait, and nothing piles up', async () => {
    await using redis = await startRedis();
    await using limiter = open(redis.url);
    await until(() => limiter.shared);
    redis.freeze();
    const began = performance.now();
    const all = await Promise.all(Array.from({ length: 500 }, (_, i) => limiter.take('principal', `key ${i}`)));
    expect(all.every((each) => each.allowed)).toBe(true);
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(limiter.shared).toBe(false);
    redis.thaw();
    await until(() => limiter.shared);
  });

  test('RL-2: keys in Redis go away by themselves', async () => {
    await using redis = await startRedis();
    await using limiter = open(redis.url);
    await until(() => limiter.shared);
    await limiter.take('login', 'x'.repeat(500));
    const client = new Bun.RedisClient(redis.url);
    const keys = (await client.send('KEYS', ['*'])) as string[];
    expect(keys).toHaveLength(1);
    expect(keys[0]?.length).toBeLessThan(120);
    const ttl = (await client.send('PTTL', [keys[0] ?? ''])) as number;
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(70_000);
    client.close();
  });
});
