/**
 * Sessions that go from one replica of labd to the other (RP-1, RP-2, EX-8). The agent hangs on B and takes its times
 * from there; what A has left is forgotten after two seconds.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { CutProxy } from './harness/fleet/cut-proxy.ts';
import { begin, counting, openClient } from './harness/fleet/fleet-exec.ts';
import { waitFor } from './harness/fleet/look.ts';
import { doorOf } from './harness/raw-https.ts';
import { type RunningLabd, startAgent } from './harness/start-labd.ts';
import { postgresAvailable } from './harness/start-postgres.ts';
import { startTwoReplicas, type TwoReplicas, userOnBoth } from './harness/fleet/two-replicas.ts';

const missing = postgresAvailable();
const why = '(needs PostgreSQL)';
const toml = (orphanTtl: string) =>
  `[hub]\nheartbeat = "1s"\naccepts_per_s = 1000\n[exec]\norphan_ttl = "${orphanTtl}"`;
const quick = 'reconnect_min = "200ms"\nreconnect_max = "1s"';
type Session = { state: string; endedAt: string | null; exit: { code: number } | null };
type Rows = { items: { session?: string; phase: string; result: string }[] };

/** How long replica a waits for who does not come back: on a busy machine a way back may take seconds. */
const forgetMs = 6_000;
let two: TwoReplicas;
const startA = () => two.start('a', { toml: toml(`${forgetMs / 1000}s`) });
const opened = new AsyncDisposableStack();

beforeAll(async () => {
  if (missing !== undefined) return;
  two = opened.use(await startTwoReplicas({ start: false }));
  await startA();
  await two.start('b', { toml: toml('30s') });
  opened.use(await startAgent(two.b, 'web-1', { toml: quick }));
}, 120_000);
afterAll(() => opened.disposeAsync(), 20_000);

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

for (const [pace, bytes] of [
  ['slowly', 200],
  ['several times a second', 30],
] as const)
  test.skipIf(missing !== undefined)(
    `RP-2 a session that changes its replica ${pace} is the same one: no byte lost, one end ${why}`,
    async () => {
      const user = await userOnBoth(two, `finn-${bytes}`, ['operator']);
      await using proxy = await CutProxy.open(doorOf(two.a.api));
      await using client = openClient([proxy.door], { identity: user });
      const { shell, out } = counting(120, 6);
      const run = await begin(client, 'web-1', shell);
      for (const next of [two.b, two.a, two.b]) {
        await run.has(run.bytes + bytes);
        proxy.cut(doorOf(next.api));
      }
      // Longer than orphan_ttl: those that were left have forgotten it.
      const { exit, ending } = await run.ended;
      expect({ out: run.out, code: exit?.code, reason: ending.reason }).toEqual({ out, code: 7, reason: 'ok' });
      const ended = () => two.b.call<Session>('GET', `/api/sessions/${run.session}`);
      await waitFor(async () => (await ended()).endedAt !== null);
      expect(await ended()).toMatchObject({ state: 'ended', exit: { code: 7 } });
      await Bun.sleep(forgetMs + 500);
      const { items } = await two.a.call<Rows>('GET', '/api/audit?action=exec.open&limit=500');
      const own = items.filter(({ session }) => session === run.session);
      expect(own.map(({ phase, result }) => `${phase} ${result}`).toSorted()).toEqual(['end ok', 'start ok']);
      expect(await played(two.a, run.session)).toBe(out);
      expect(await played(two.b, run.session)).toBe(out);
    },
    45_000,
  );

test.skipIf(missing !== undefined)(
  `EX-8, RP-2 a detached command goes on when its replica is killed, and all of it is recorded ${why}`,
  async () => {
    await using onA = openClient([{ socket: two.a.socket }]);
    const { shell, out } = counting(120, 7);
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
});
