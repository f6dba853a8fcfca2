/**
 * Any of three replicas is killed while fifty commands run, while a crowd enrols, and in each step of a rotation (P1-P5,
 * RP-1, JT-5, CA-10): the others finish it. Real daemons over one PostgreSQL; the tests follow each other.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { generateKey } from '@labmesh/pki/keys';
import { begin, counting, openClient, refusalOf } from './harness/fleet/fleet-exec.ts';
import { enrolUser, type Identity, joinBody } from './harness/fleet/fleet-identities.ts';
import { waitFor } from './harness/fleet/look.ts';
import { doorOf, HttpsLine } from './harness/raw-https.ts';
import { type RunningAgent, type RunningLabd, startAgent } from './harness/start-labd.ts';
import { postgresAvailable } from './harness/start-postgres.ts';
import { startTwoReplicas, type TwoReplicas } from './harness/fleet/two-replicas.ts';

const missing = postgresAvailable();
const why = '(needs PostgreSQL)';
const toml = `[hub]\nheartbeat = "1s"\naccepts_per_s = 1000\n[ca]\nphase_min = "1ms"
[limits]\nenrol_per_min = 100000\nanonymous_per_min = 100000`;
const quick = 'reconnect_min = "200ms"\nreconnect_max = "1s"';
const execs = 50;
/** Those of them that begin at the moment of the kill. */
const late = 10;
const crowd = Number(process.env['LABMESH_CROWD'] ?? 40);
const longMs = 300_000;
const servers = ['web-1', 'web-2'];

let three: TwoReplicas;
let user: Identity;
const agents: RunningAgent[] = [];
const opened = new AsyncDisposableStack();

beforeAll(async () => {
  if (missing !== undefined) return;
  three = opened.use(await startTwoReplicas({ toml }));
  await three.start('c');
  for (const name of servers) agents.push(opened.use(await startAgent(three.b, name, { toml: quick })));
  user = await enrolUser(three.a, 'ada', ['admin']);
  const ask = { verb: 'exec', kind: 'servers', name: 'web-1', as: 'ada' };
  for (const labd of three.live)
    await waitFor(async () => (await labd.call<{ allowed: boolean }>('POST', '/api/auth/can-i', ask)).allowed, longMs);
}, longMs);
afterAll(() => opened.disposeAsync(), longMs);

const connectedTo = async (labd: RunningLabd) =>
  (await labd.call<{ agents: { connected: number } }>('GET', '/health/detailed')).agents.connected;
const allConnected = () =>
  waitFor(async () => {
    const counts = await Promise.all(three.live.map(connectedTo));
    return counts.reduce((sum, count) => sum + count, 0) === servers.length;
  }, longMs);

async function chainsAreWhole(): Promise<void> {
  for (const labd of three.live) expect(await labd.call('POST', '/api/audit/verify', {})).toMatchObject({ ok: true });
}

type Row = { session: string | null; phase: string };
/** Phases of each of these sessions in the audit log. */
async function phasesOf(sessions: readonly string[]): Promise<string[][]> {
  const { items } = await three.a.call<{ items: Row[] }>('GET', '/api/audit?action=exec.open&limit=500');
  return sessions.map((id) =>
    items
      .filter(({ session }) => session === id)
      .map(({ phase }) => phase)
      .toSorted(),
  );
}

test.skipIf(missing !== undefined)(
  `P3, P5 kill -9 of the owner during ${execs} commands: each goes on to its last byte or says that it broke ${why}`,
  async () => {
    const orders = [
      () => three.live,
      () => three.live.toReversed(),
      () => three.live.toSorted((one) => (one === three.live[1] ? -1 : 1)),
    ];
    await using clients = new AsyncDisposableStack();
    const dialling = orders.map((order) =>
      clients.use(openClient(() => order().map(({ api }) => doorOf(api)), { identity: user })),
    );
    const { shell, out } = counting(15, 6);
    const start = (at: number) => begin(dialling[at % 3]!, servers[at % 2]!, shell);
    const runs = await Promise.all(Array.from({ length: execs - late }, (_, at) => start(at)));
    await Promise.all(runs.map((run) => run.has(1, longMs)));
    const young = Array.from({ length: late }, (_, at) => start(at).catch((): undefined => undefined));
    await three.kill('b');
    const begun = (await Promise.all(young)).filter((one) => one !== undefined);
    const all = [...runs, ...begun];
    const ends = await Promise.all(all.map((run) => run.ended));
    const whole = ends.filter(({ exit }, at) => exit?.code === 7 && all[at]!.out === out);
    // Nothing in between: the true end with every byte, or no exit code at all.
    const broken = ends.filter(({ exit, ending }) => exit === undefined && ending.reason !== 'ok');
    console.log(
      `${all.length} begun: ${whole.length} whole, broken:`,
      broken.map(({ ending }) => ending.reason),
    );
    expect(whole.length + broken.length).toBe(all.length);
    // What ran before the kill has both its sides alive, and is kept.
    expect(ends.slice(0, runs.length).map(({ exit }) => exit?.code)).toEqual(runs.map(() => 7));

    await three.start('b');
    await allConnected();
    const sessions = all.map(({ session }) => session);
    for (const id of sessions)
      await waitFor(
        async () => (await three.a.call<{ endedAt: string | null }>('GET', `/api/sessions/${id}`)).endedAt !== null,
        longMs,
      );
    await waitFor(async () => (await phasesOf(sessions)).every((phases) => phases.includes('end')), longMs);
    expect(await phasesOf(sessions)).toEqual(sessions.map(() => ['end', 'start']));
    await chainsAreWhole();
  },
  longMs,
);

type Joined = { serverId: string; agentId: string; certificatePem: string };

/** Asks with one key until somebody answers, as lab-agent does. */
async function join(token: string, at: number): Promise<Joined> {
  const body = await joinBody(await generateKey(), token, `crowd-${at}`);
  const until = performance.now() + longMs;
  for (let tries = at; ; tries++) {
    const doors = three.live;
    const answer = await once(doors[tries % doors.length]!, body).catch(() => undefined);
    if (answer?.status === 200) return answer.json<Joined>();
    // A wrong answer is for ever; silence and "not now" are not.
    if ((answer !== undefined && answer.status < 500) || performance.now() > until)
      throw new Error(`crowd-${at}: ${answer?.status} ${answer?.body}`);
    await Bun.sleep(50);
  }
}

async function once(labd: RunningLabd, json: unknown) {
  using line = new HttpsLine(doorOf(labd.agents));
  return await line.call('POST', '/api/auth/enroll', { json });
}

test.skipIf(missing !== undefined)(
  `JT-4, JT-5 kill -9 during a storm of ${crowd} enrolments: each machine is there, once ${why}`,
  async () => {
    const token = { type: 'reusable', maxUses: crowd };
    const made = await three.c.call<{ token: string; id: string }>('POST', '/api/tokens', token);
    let done = 0;
    const joining = Array.from({ length: crowd }, (_, at) => join(made.token, at).finally(() => done++));
    const joined = Promise.all(joining);
    await Promise.race([joined, waitFor(() => done >= crowd / 5, longMs)]);
    await three.kill('a');
    const all = await joined;
    expect(new Set(all.map(({ serverId }) => serverId)).size).toBe(crowd);
    await three.start('a');
    const { items } = await three.a.call<{ items: { id: string; hostname: string }[] }>(
      'GET',
      '/api/servers?limit=500',
    );
    const there = items.filter(({ hostname }) => hostname.startsWith('crowd-'));
    const pairs = (list: readonly string[][]) => list.map((pair) => pair.join(' ')).toSorted();
    expect(pairs(there.map(({ hostname, id }) => [hostname, id]))).toEqual(
      pairs(all.map(({ serverId }, at) => [`crowd-${at}`, serverId])),
    );
    // As many uses as machines: one more would be refused, and none was counted twice.
    const extra = await once(three.b, await joinBody(await generateKey(), made.token, 'crowd-extra'));
    expect(extra.status).toBeGreaterThanOrEqual(400);
    const { items: certificates } = await three.b.call<{ items: { name: string; identity: string }[] }>(
      'GET',
      '/api/certificates?limit=500',
    );
    for (const { agentId } of all)
      expect(certificates.filter((one) => one.identity.includes(agentId) || one.name === agentId)).toHaveLength(1);
    await chainsAreWhole();
  },
  longMs,
);

type Ca = { phase: string; pins: string[]; behind: string[] };
const caOf = (labd: RunningLabd) => labd.call<Ca>('GET', '/api/ca');
// Forced: the crowd of before enrolled and never came, so it lacks the roots of now.
const stepForced = (labd: RunningLabd, to: string) => labd.call<Ca>('POST', '/api/ca/rotation', { to, force: true });

test.skipIf(missing !== undefined)(
  `CA-10 the replica that rotates is killed in each step: another one ends the step, agents work after each ${why}`,
  async () => {
    const before = (await caOf(three.a)).pins;
    await using client = openClient(() => [doorOf(three.a.api)], { identity: user });
    const serverBehind = async () => (await caOf(three.a)).behind.filter((name) => servers.includes(name));
    const moments = [0, 10, 20, 40];
    for (const [at, to] of (['init', 'update_clients', 'update_servers', 'standby'] as const).entries()) {
      await waitFor(async () => (await serverBehind()).length === 0, longMs);
      const asked = stepForced(three.c, to).catch(() => undefined);
      await Bun.sleep(moments[at]!);
      await three.kill('c');
      await asked;
      await waitFor(async () => {
        if ((await caOf(three.a)).phase !== to) await stepForced(three.a, to).catch(() => undefined);
        return (await caOf(three.a)).phase === to && (await caOf(three.b)).phase === to;
      }, longMs);
      // Who was with the one that is gone comes back by what it knows of roots at this moment.
      for (const name of servers) await waitFor(async () => (await refusalOf(client, name)) === undefined, longMs);
      await three.start('c');
    }
    await waitFor(async () => (await serverBehind()).length === 0, longMs);
    const states = await Promise.all(three.live.map(caOf));
    for (const { phase, pins } of states) expect([phase, pins]).toEqual(['standby', states[0]!.pins]);
    expect(states[0]!.pins).toHaveLength(before.length);
    expect(states[0]!.pins).not.toEqual(before);
    await allConnected();
    await chainsAreWhole();
  },
  longMs,
);
