/**
 * What one replica of labd decides holds on the other (CA-8, CA-9, RB-11, EX-11), and sessions that change between them
 * (RP-1, RP-2). Agents and clients hang on B, decisions are made on A; the two know each other by the database alone.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { cpSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClientLink } from '@labmesh/labctl/session/client-link';
import { CutProxy } from './harness/cut-proxy.ts';
import { begin, counting, execute, openClient, refusalOf, type SessionRun } from './harness/fleet-exec.ts';
import { enrolUser, type Identity } from './harness/fleet-identities.ts';
import { clientLink } from './harness/fleet-sockets.ts';
import { msUntil, waitFor } from './harness/look.ts';
import { doorOf } from './harness/raw-https.ts';
import { type RunningLabd, startAgent } from './harness/start-labd.ts';
import { postgresAvailable } from './harness/start-postgres.ts';
import { startTwoReplicas, type TwoReplicas } from './harness/two-replicas.ts';

const missing = postgresAvailable();
const why = '(needs PostgreSQL)';
/** The agent of most tests hangs on B, and takes its times from there. */
const toml = (orphanTtl: string) =>
  `[hub]\nheartbeat = "1s"\naccepts_per_s = 1000\n[exec]\norphan_ttl = "${orphanTtl}"`;
const quick = 'reconnect_min = "200ms"\nreconnect_max = "1s"';
/** Two seconds, and a machine under load. */
const cutMs = 3_000;
const forever = 'i=0; while :; do i=$((i+1)); echo "line $i"; sleep 0.05; done';
type Session = { state: string; endedAt: string | null; exit: { code: number } | null };
type Rows = { items: { session?: string; phase: string; result: string }[] };

let two: TwoReplicas;
const startA = () => two.start('a', { toml: toml('2s') });
const opened = new AsyncDisposableStack();

beforeAll(async () => {
  if (missing !== undefined) return;
  two = opened.use(await startTwoReplicas({ start: false }));
  await startA();
  await two.start('b', { toml: toml('30s') });
  opened.use(await startAgent(two.b, 'web-1', { toml: quick }));
}, 30_000);
afterAll(() => opened.disposeAsync(), 20_000);

const clientOf = (labd: RunningLabd, identity: Identity): ClientLink => openClient([doorOf(labd.api)], { identity });

/** A user whose rights both replicas know. */
async function userOf(name: string, roles: readonly string[]): Promise<Identity> {
  const user = await enrolUser(two.b, name, roles);
  await waitFor(
    async () =>
      (
        await two.a.call<{ allowed: boolean }>('POST', '/api/auth/can-i', {
          verb: 'exec',
          kind: 'servers',
          name: 'web-1',
          as: name,
        })
      ).allowed,
  );
  return user;
}

/** Output in the recording of a session, as this replica joins it. */
async function played(labd: RunningLabd, session: string): Promise<string> {
  const response = await fetch(`http://labd/api/sessions/${session}/recording`, { unix: labd.socket });
  const [, ...lines] = (await response.text()).split('\n').filter(Boolean);
  return lines
    .map((line) => JSON.parse(line) as [number, string, string])
    .filter(([, code]) => code === 'o')
    .map(([, , text]) => text)
    .join('');
}

/** Ms from `decide` to the end of what runs, and how it ended. */
async function cutBy(run: SessionRun, decide: () => Promise<unknown>): Promise<{ ms: number; reason: string }> {
  await run.has(20);
  const from = performance.now();
  await decide();
  const late = Bun.sleep(10_000).then(() => undefined);
  const ended = await Promise.race([run.ended, late]);
  expect(ended?.exit).toBeUndefined();
  return { ms: Math.round(performance.now() - from), reason: ended?.ending.reason ?? 'it still runs' };
}

for (const redis of [true, false])
  test.skipIf(missing !== undefined)(
    `CA-8 revoked on A, cut on B within 2 s, ${redis ? 'with' : 'without'} Redis ${why}`,
    async () => {
      if (!redis) await two.redis?.kill();
      const name = redis ? 'with' : 'without';
      const user = await userOf(`user-${name}`, ['operator']);
      await using agent = await startAgent(two.b, `gone-${name}`, { toml: quick });
      await using client = clientOf(two.b, user);
      const run = await begin(client, 'web-1', forever);
      const { items } = await two.a.call<{ items: { serial: string }[] }>(
        'GET',
        `/api/certificates?identity=user-${name}`,
      );
      const byUser = await cutBy(run, () =>
        two.a.call('POST', `/api/certificates/${items[0]!.serial}/revoke`, { reason: 'lost' }),
      );
      console.log('revoked user cut after', byUser);
      expect(['revoked', 'link-lost']).toContain(byUser.reason);
      expect(byUser.ms).toBeLessThan(cutMs);
      expect(await clientLink(doorOf(two.b.api), { identity: user })).toBe(403);

      const from = performance.now();
      await two.a.call('DELETE', `/api/agents/gone-${name}`);
      await agent.daemon.says('4403', cutMs);
      console.log('revoked agent cut after ms', Math.round(performance.now() - from));
      if (!redis) await two.redis?.start();
    },
    20_000,
  );

test.skipIf(missing !== undefined)(
  `CA-9 banned on A, gone from B, and back by itself after unban ${why}`,
  async () => {
    await using agent = await startAgent(two.b, 'banned', { toml: quick });
    const user = await userOf('bea', ['operator']);
    await using client = clientOf(two.b, user);
    const run = await begin(client, 'banned', forever);
    const cut = await cutBy(run, () => two.a.call('POST', '/api/servers/banned/ban', { reason: 'stolen' }));
    console.log('banned server cut after', cut);
    expect(cut.ms).toBeLessThan(cutMs);
    await agent.daemon.says('403', 5_000);
    expect(await msUntil(two.b, 'banned', 'banned', 2_000)).toBeLessThan(2_000);
    expect(await refusalOf(client, 'banned')).toBe('agent-offline');
    await two.a.call('POST', '/api/servers/banned/unban', {});
    console.log('back after unban, ms', Math.round(await msUntil(two.a, 'banned', 'online', 10_000)));
  },
  30_000,
);

test.skipIf(missing !== undefined)(
  `RB-11 a right that is taken on A cuts what runs on B; a disabled user, too ${why}`,
  async () => {
    const user = await userOf('carl', ['operator']);
    await using client = clientOf(two.b, user);
    const { items } = await two.a.call<{ items: { id: string; subject: string }[] }>('GET', '/api/bindings');
    const binding = items.find(({ subject }) => subject.includes('carl') || subject.includes(user.id));
    const taken = await cutBy(await begin(client, 'web-1', forever), () =>
      two.a.call('DELETE', `/api/bindings/${binding!.id}`),
    );
    console.log('binding removed, cut after', taken);
    expect(taken.reason).toBe('revoked');
    expect(taken.ms).toBeLessThan(cutMs);
    expect(await refusalOf(client, 'web-1')).toBe('not-found');

    const other = await userOf('dora', ['operator']);
    await using second = clientOf(two.b, other);
    const disabled = await cutBy(await begin(second, 'web-1', forever), () =>
      two.a.call('PATCH', '/api/users/dora', { disabled: true }),
    );
    console.log('user disabled, cut after', disabled);
    expect(disabled.ms).toBeLessThan(cutMs);
    expect(await clientLink(doorOf(two.b.api), { identity: other })).toBe(403);
  },
  30_000,
);

test.skipIf(missing !== undefined)(
  `EX-11 killed on A, wherever client and agent are ${why}`,
  async () => {
    const user = await userOf('emil', ['operator']);
    await using onB = clientOf(two.b, user);
    const run = await begin(onB, 'web-1', forever);
    const killed = await cutBy(run, () => two.a.call('POST', `/api/sessions/${run.session}/kill`, {}));
    console.log('killed on the other replica after', killed);
    expect(killed.reason).toBe('killed');
    await using onA = clientOf(two.a, user);
    const over = await begin(onA, 'web-1', forever);
    expect((await cutBy(over, () => two.b.call('POST', `/api/sessions/${over.session}/kill`, {}))).reason).toBe(
      'killed',
    );
  },
  30_000,
);

test.skipIf(missing !== undefined)(
  `RP-2 a session that changes its replica is the same one: no byte lost, one end ${why}`,
  async () => {
    const user = await userOf('finn', ['operator']);
    await using proxy = await CutProxy.open(doorOf(two.a.api));
    await using client = openClient([proxy.door], { identity: user });
    const { shell, out } = counting(200, 9);
    const run = await begin(client, 'web-1', shell);
    for (const next of [two.b, two.a, two.b]) {
      await run.has(run.bytes + 200);
      proxy.cut(doorOf(next.api));
    }
    // Longer than orphan_ttl: those that were left have forgotten it.
    const { exit, ending } = await run.ended;
    expect({ out: run.out, code: exit?.code, reason: ending.reason }).toEqual({ out, code: 7, reason: 'ok' });
    const ended = () => two.b.call<Session>('GET', `/api/sessions/${run.session}`);
    await waitFor(async () => (await ended()).endedAt !== null);
    expect(await ended()).toMatchObject({ state: 'ended', exit: { code: 7 } });
    await Bun.sleep(2_500);
    const { items } = await two.a.call<Rows>('GET', '/api/audit?action=exec.open&limit=500');
    const own = items.filter(({ session }) => session === run.session);
    expect(own.map(({ phase, result }) => `${phase} ${result}`).toSorted()).toEqual(['end ok', 'start ok']);
    expect(await played(two.a, run.session)).toBe(out);
    expect(await played(two.b, run.session)).toBe(out);
  },
  30_000,
);

test.skipIf(missing !== undefined)(
  `HB-10 two machines with one identity on two replicas are found, too ${why}`,
  async () => {
    await using first = await startAgent(two.b, 'twin', { toml: quick });
    const folder = mkdtempSync(join(tmpdir(), 'labmesh-twin-'));
    cpSync(first.folder, folder, { recursive: true });
    await using _second = await first.again(folder);
    console.log('conflict after ms', Math.round(await msUntil(two.a, 'twin', 'conflict', 30_000)));
  },
  40_000,
);

test.skipIf(missing !== undefined)(
  `EX-8, RP-2 a detached command goes on when its replica is killed, and all of it is recorded ${why}`,
  async () => {
    await using onA = openClient([{ socket: two.a.socket }]);
    const { shell, out } = counting(150, 8);
    const run = await begin(onA, 'web-1', shell, { detach: true });
    expect((await run.ended).ending.reason).toBe('ok');
    await Bun.sleep(500);
    await two.kill('a');
    const ended = () => two.b.call<Session>('GET', `/api/sessions/${run.session}`);
    await waitFor(async () => (await ended()).endedAt !== null, 25_000);
    expect(await ended()).toMatchObject({ state: 'ended', exit: { code: 7 } });
    await startA();
    await waitFor(async () => (await played(two.b, run.session)) === out, 5_000);
    expect(await played(two.a, run.session)).toBe(out);
  },
  40_000,
);

test.skipIf(missing !== undefined)(`AU-7 after all of it every chain is whole ${why}`, async () => {
  expect(await two.a.call('POST', '/api/audit/verify', {})).toMatchObject({ ok: true });
  expect(await execute(openClient([{ socket: two.a.socket }]), 'web-1', 'echo hi')).toMatchObject({
    out: 'hi\n',
    exit: { code: 0 },
  });
});
