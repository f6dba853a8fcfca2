/** Sessions that lose an end: the client, the agent, or both for a while (EX-7, EX-8, HB-10); one labd with SQLite. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { cpSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeCodes } from '@labmesh/wire/frame/frame-types';
import { begin, openClient, refusalOf, SessionRun } from './harness/fleet/fleet-exec.ts';
import { enrolUser } from './harness/fleet/fleet-identities.ts';
import { isAlive, msUntil, rssMiB, waitFor } from './harness/fleet/look.ts';
import { doorOf } from './harness/raw-https.ts';
import { type RunningLabd, startAgent, startLabd } from './harness/start-labd.ts';

const quick = 'reconnect_min = "200ms"\nreconnect_max = "1s"';
type Session = { state: string; endedAt: string | null; exit: { code: number } | null; closeCode: number | null };

let labd: RunningLabd;
const opened = new AsyncDisposableStack();
const agentOf = (name: string) => startAgent(labd, name, { toml: quick });

beforeAll(async () => {
  labd = opened.use(
    await startLabd({ toml: `[hub]\nheartbeat = "1s"\naccepts_per_s = 1000\n[exec]\norphan_ttl = "2s"` }),
  );
});
afterAll(() => opened.disposeAsync(), 20_000);

const door = () => ({ socket: labd.socket });
const sessionOf = (id: string) => labd.call<Session>('GET', `/api/sessions/${id}`);
const ended = async (id: string) => {
  const last = performance.now() + 10_000;
  for (;;) {
    const session = await sessionOf(id);
    if (session.endedAt !== null || performance.now() > last) return session;
    await Bun.sleep(100);
  }
};

test('EX-7 a client that is killed: the command is hung up after orphan_ttl, and the session has an end', async () => {
  await using _agent = await agentOf('orphan');
  const client = openClient([door()]);
  const run = await begin(
    client,
    'orphan',
    'trap "echo hup > $HOME/hup; exit 1" HUP; echo $$; while :; do sleep 0.1; done',
  );
  await run.has(2);
  const pid = Number(run.out);
  // As by kill -9: no goodbye on the channel.
  await client[Symbol.asyncDispose]();
  const from = performance.now();
  expect(isAlive(pid)).toBe(true);
  const session = await ended(run.session);
  console.log('orphan ended after ms:', Math.round(performance.now() - from));
  expect(session).toMatchObject({ state: 'ended', closeCode: closeCodes.timeout, exit: null });
  await waitFor(() => !isAlive(pid));
});

test('EX-7 an agent that restarts ends its sessions; exec never ends as 0', async () => {
  const agent = await agentOf('restarts');
  await using client = openClient([door()]);
  const stopped = await begin(client, 'restarts', 'echo $$; sleep 60');
  await stopped.has(2);
  agent.daemon.signal('SIGTERM');
  expect(await stopped.ended).toMatchObject({ exit: undefined, ending: { reason: 'agent-restarted' } });
  expect(await agent.daemon.exited).toBe(0);
  await waitFor(() => !isAlive(Number(stopped.out)));

  const again = await agent.again();
  const killed = await begin(client, 'restarts', 'echo $$; sleep 60');
  await killed.has(2);
  again.daemon.signal('SIGKILL');
  await using _third = await again.again();
  expect(await killed.ended).toMatchObject({ exit: undefined, ending: { reason: 'no-session' } });
  expect((await ended(killed.session)).exit).toBeNull();
  expect((await ended(stopped.session)).exit).toBeNull();
  process.kill(Number(killed.out), 'SIGKILL');
}, 90_000);

test('EX-8 detached: recorded while nobody is there, attached to later, its end kept', async () => {
  await using _agent = await agentOf('detached');
  const client = openClient([door()]);
  const shell = 'i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo "line $i"; sleep 0.1; done; exit 4';
  const out = Array.from({ length: 40 }, (_, at) => `line ${at + 1}\n`).join('');
  const run = await begin(client, 'detached', shell, { detach: true });
  expect((await run.ended).ending.reason).toBe('ok');
  await client[Symbol.asyncDispose]();
  expect(await sessionOf(run.session)).toMatchObject({ state: 'detached', endedAt: null });
  await Bun.sleep(2_500);
  await using other = openClient([door()]);
  const attached = new SessionRun(await other.open({ kind: 'attach', target: run.session, tty: null }));
  const { exit, ending } = await attached.ended;
  expect({ out: attached.out, code: exit?.code, reason: ending.reason }).toEqual({ out, code: 4, reason: 'ok' });
  expect(await ended(run.session)).toMatchObject({ state: 'ended', exit: { code: 4 }, closeCode: closeCodes.ok });
  const played = await fetch(`http://labd/api/sessions/${run.session}/recording`, { unix: labd.socket });
  const events = (await played.text())
    .split('\n')
    .slice(1)
    .filter(Boolean)
    .map((line) => JSON.parse(line) as [number, string, string]);
  expect(
    events
      .filter(([, code]) => code === 'o')
      .map(([, , text]) => text)
      .join(''),
  ).toBe(out);
  expect(events.at(-1)?.slice(1)).toEqual(['x', '4']);
}, 90_000);

test('HB-10 two machines with one identity: conflict, and one of them stays', async () => {
  await using first = await agentOf('twin');
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-twin-'));
  cpSync(first.folder, folder, { recursive: true });
  await using second = await first.again(folder);
  const ms = await msUntil(labd, 'twin', 'conflict', 20_000);
  console.log('conflict after ms:', Math.round(ms));
  // The oldest instance stays; its copy is refused until somebody decides.
  const stateOf = ({ folder: home }: { folder: string }) =>
    (JSON.parse(readFileSync(join(home, 'state', 'status.json'), 'utf8')) as { state: string }).state;
  await waitFor(() => stateOf(first) === 'connected' && second.daemon.said.includes('4403 conflict'));
  await using client = openClient([door()]);
  expect(await refusalOf(client, 'twin')).toBeUndefined();
  await second[Symbol.asyncDispose]();
  await labd.call('POST', '/api/agents/twin/approve', {});
  await msUntil(labd, 'twin', 'online', 5_000);
}, 90_000);

test('P4 200 connects and disconnects of clients leave no memory behind', async () => {
  const identity = await enrolUser(labd, 'ada', ['admin']);
  const rounds = async (count: number) => {
    for (let at = 0; at < count; at++) {
      const client = openClient([doorOf(labd.api)], { identity });
      await client.connect();
      await client[Symbol.asyncDispose]();
    }
  };
  await rounds(100);
  const before = rssMiB(labd.daemon.pid);
  await rounds(200);
  const after = rssMiB(labd.daemon.pid);
  console.log('RSS of labd, MiB:', before.toFixed(1), '→', after.toFixed(1));
  expect(after - before).toBeLessThan(24);
}, 90_000);

test('AU-7 every chain is whole at the end', async () => {
  expect(await labd.call('POST', '/api/audit/verify', {})).toMatchObject({ ok: true });
});
