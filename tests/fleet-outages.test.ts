/**
 * What labd needs goes away and comes back: the database, Redis, labd itself (LD-7, RL-2, SD-1, P5). Two replicas on this
 * machine over a PostgreSQL of their own; the tests follow each other.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import type { ClientLink } from '@labmesh/labctl/session/client-link';
import { enrolUser, type Identity } from './harness/fleet/fleet-identities.ts';
import { begin, counting, openClient, refusalOf } from './harness/fleet/fleet-exec.ts';
import { upgradeStatus } from './harness/fleet/fleet-sockets.ts';
import { waitFor } from './harness/fleet/look.ts';
import { doorOf, HttpsLine } from './harness/raw-https.ts';
import { type RunningAgent, type RunningLabd, startAgent } from './harness/start-labd.ts';
import { postgresAvailable } from './harness/start-postgres.ts';
import { hasRedis } from './harness/start-redis.ts';
import { CutProxy } from './harness/fleet/cut-proxy.ts';
import { startTwoReplicas, type TwoReplicas } from './harness/fleet/two-replicas.ts';

const missing = postgresAvailable();
const toml = '[hub]\nheartbeat = "1s"\naccepts_per_s = 1000\n[limits]\nanonymous_per_min = 60';
const quick = 'reconnect_min = "200ms"\nreconnect_max = "1s"';

let two: TwoReplicas;
let agent: RunningAgent;
let user: Identity;
const opened = new AsyncDisposableStack();

beforeAll(async () => {
  if (missing !== undefined) return;
  two = opened.use(
    await startTwoReplicas({ toml, labd: 'trusted_proxies = ["127.0.0.1"]\nshutdown_force = "3s"', start: false }),
  );
}, 90_000);
afterAll(() => opened.disposeAsync(), 20_000);

const clientOf = (...order: RunningLabd[]): ClientLink =>
  openClient(() => order.map(({ api }) => doorOf(api)), { identity: user });

/** The status of a call over TLS, as a stranger from this address. */
async function statusOf(labd: RunningLabd, path: string, from = '10.0.0.1'): Promise<number> {
  using line = new HttpsLine(doorOf(labd.api));
  return (await line.call('GET', path, { headers: { 'x-forwarded-for': from } })).status;
}

test.skipIf(missing !== undefined)(
  'LD-7 without its database labd lives, is not ready, and works when it comes (needs PostgreSQL)',
  async () => {
    await two.postgres.stop();
    const labd = await two.start('a', { early: true });
    const asked = ['/health/live', '/health/ready', '/healthz', '/api/servers', '/ca/bundle'];
    expect(await Promise.all(asked.map((path) => statusOf(labd, path)))).toEqual([200, 503, 200, 503, 503]);
    expect(await upgradeStatus(doorOf(labd.api), '/ws/client')).toBe(503);
    const refused = await fetch('http://labd/api/servers', { unix: labd.socket });
    expect([refused.status, refused.headers.has('retry-after')]).toEqual([503, true]);
    expect(await refused.json()).toMatchObject({ error: { code: 'STORE_UNAVAILABLE' } });
    await two.postgres.start();
    const from = performance.now();
    await labd.daemon.says('"labd is ready"', 10_000);
    console.log('ready after the database came, ms:', Math.round(performance.now() - from));
    expect(await statusOf(labd, '/health/ready')).toBe(200);
    await two.start('b');
    user = await enrolUser(two.a, 'ada', ['admin']);
    agent = opened.use(await startAgent(two.a, 'web-1', { toml: quick }));
    await Bun.sleep(1_000);
  },
  90_000,
);

test.skipIf(missing !== undefined)(
  'LD-7 the database away for 10 s: agents stay, commands go on, nothing begins, all recovers (needs PostgreSQL)',
  async () => {
    await using proxy = await CutProxy.open(doorOf(two.a.api));
    await using near = openClient([proxy.door], { identity: user });
    await using far = clientOf(two.b);
    const { shell, out } = counting(200, 13);
    const runs = await Promise.all([begin(near, 'web-1', shell), begin(far, 'web-1', shell)]);
    await Promise.all(runs.map((run) => run.has(100)));
    await two.postgres.stop('kill');
    const from = performance.now();
    expect(await statusOf(two.a, '/health/live')).toBe(200);
    expect(await refusalOf(near, 'web-1')).toBe('audit-unavailable');
    expect(await refusalOf(far, 'web-1')).toBe('audit-unavailable');
    const reads = await Promise.all(
      [two.a, two.b].map(({ socket }) => fetch('http://labd/api/servers', { unix: socket })),
    );
    expect(reads.map(({ status }) => status)).toEqual([503, 503]);
    await waitFor(async () => (await statusOf(two.a, '/health/ready')) === 503);
    // Who is cut off now comes back when the database does.
    proxy.cut();
    await Bun.sleep(Math.max(0, 10_000 - (performance.now() - from)));
    await two.postgres.start();
    const came = performance.now();
    await waitFor(async () => (await refusalOf(near, 'web-1')) === undefined);
    console.log('exec again after the database came, ms:', Math.round(performance.now() - came));
    await waitFor(async () => (await statusOf(two.a, '/health/ready')) === 200);
    for (const run of runs) {
      const { exit, ending } = await run.ended;
      expect({ out: run.out, code: exit?.code, reason: ending.reason }).toEqual({ out, code: 7, reason: 'ok' });
      await waitFor(
        async () => (await two.a.call<{ endedAt: unknown }>('GET', `/api/sessions/${run.session}`)).endedAt !== null,
      );
    }
    expect(agent.daemon.said).not.toContain('the connection to labd ended');
  },
  40_000,
);

test.skipIf(missing !== undefined)(
  'SD-1 SIGTERM: agents and commands go to the other replica, exit 0 (needs PostgreSQL)',
  async () => {
    await using client = clientOf(two.a, two.b);
    const { shell, out } = counting(150, 6);
    const run = await begin(client, 'web-1', shell);
    // Who only listens does not hold it up.
    const tls = { cert: user.certPem, key: user.keyPem, rejectUnauthorized: false };
    const events = await fetch(`${two.a.api}/api/events`, { tls });
    expect(events.status).toBe(200);
    const listening = events.text().catch(() => '');
    await run.has(100);
    const from = performance.now();
    two.a.daemon.signal('SIGTERM');
    expect(await two.a.daemon.exited).toBe(0);
    console.log('SIGTERM to exit, ms:', Math.round(performance.now() - from));
    await listening;
    await waitFor(
      async () =>
        (await two.b.call<{ agents: { connected: number } }>('GET', '/health/detailed')).agents.connected === 1,
    );
    console.log('the agent is with the other replica after ms:', Math.round(performance.now() - from));
    const { exit, ending } = await run.ended;
    expect({ out: run.out, code: exit?.code, reason: ending.reason }).toEqual({ out, code: 7, reason: 'ok' });
    console.log('longest pause of the output, ms:', Math.round(run.longestPauseMs));
    await two.start('a');
  },
  90_000,
);

test.skipIf(missing !== undefined)(
  'SD-1 SIGTERM: what was asked is answered, and meanwhile labd is not ready (needs PostgreSQL)',
  async () => {
    const login = { user: 'nobody', password: 'correct horse battery' };
    // A login is slow on purpose (ID-3); more of them would outlast shutdown_force on a loaded machine.
    const logins = Array.from({ length: 2 }, async (_, at) => {
      using line = new HttpsLine(doorOf(two.a.api));
      const headers = { 'x-forwarded-for': `10.9.0.${at}` };
      return (await line.call('POST', '/api/auth/login', { headers, json: login })).status;
    });
    await Bun.sleep(400);
    two.a.daemon.signal('SIGTERM');
    const ready = await waitForReady(two.a.socket);
    expect(await Promise.all(logins)).toEqual(logins.map(() => 401));
    expect(await two.a.daemon.exited).toBe(0);
    expect(ready).toBe(503);
    await two.start('a');
  },
  90_000,
);

/** What the first answer other than 200 was, while the socket answers. */
async function waitForReady(socket: string): Promise<number | undefined> {
  for (;;) {
    const response = await fetch('http://labd/health/ready', { unix: socket }).catch(() => undefined);
    if (response?.status !== 200) return response?.status;
    await Bun.sleep(5);
  }
}

/** The postmaster and its children stand still: a database that hangs is worse than one that is away. */
function freeze(two: TwoReplicas, name: 'SIGSTOP' | 'SIGCONT'): void {
  const children = readFileSync(`/proc/${two.postgres.pid}/task/${two.postgres.pid}/children`, 'utf8').split(' ');
  for (const pid of [two.postgres.pid, ...children.filter(Boolean).map(Number)]) process.kill(pid, name);
}

test.skipIf(missing !== undefined)(
  'SD-1 with a database that hangs the end is forced, and a second signal ends at once (needs PostgreSQL)',
  async () => {
    freeze(two, 'SIGSTOP');
    try {
      const from = performance.now();
      two.a.daemon.signal('SIGTERM');
      two.b.daemon.signal('SIGTERM');
      await Bun.sleep(1_000);
      two.a.daemon.signal('SIGTERM');
      expect(await two.a.daemon.exited).toBe(1);
      const secondMs = performance.now() - from;
      expect(await two.b.daemon.exited).toBe(1);
      const forcedMs = performance.now() - from;
      console.log('second signal, forced (3 s), ms:', Math.round(secondMs), Math.round(forcedMs));
      expect(secondMs).toBeLessThan(2_500);
      expect(forcedMs).toBeLessThan(6_000);
    } finally {
      freeze(two, 'SIGCONT');
    }
    await two.start('a');
    await two.start('b');
  },
  90_000,
);

test.skipIf(missing !== undefined || !hasRedis)(
  'RL-2 limits are shared by Redis and go on without it (needs PostgreSQL, redis-server)',
  async () => {
    const over = async (labd: RunningLabd, from: string) => {
      const statuses: number[] = [];
      for (let at = 0; at < 70; at++) statuses.push(await statusOf(labd, '/api/servers', from));
      return statuses.filter((status) => status === 429).length;
    };
    expect(await over(two.a, '10.1.0.1')).toBeGreaterThan(5);
    expect(await statusOf(two.b, '/api/servers', '10.1.0.1')).toBe(429);
    await two.redis?.kill();
    expect(await over(two.a, '10.1.0.2')).toBeGreaterThan(5);
    expect(await statusOf(two.b, '/api/servers', '10.1.0.2')).toBe(401);
    await two.redis?.start();
  },
  90_000,
);

test.skipIf(missing !== undefined)('AU-7 after all of it every chain is whole (needs PostgreSQL)', async () => {
  expect(await two.b.call('POST', '/api/audit/verify', {})).toMatchObject({ ok: true });
});
