/**
 * What one replica of labd decides holds on the other (CA-8, CA-9, RB-11, EX-11, HB-10). Agents and clients hang on B, decisions
 * are made on A; the two know each other by the database alone.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { cpSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClientLink } from '@labmesh/labctl/session/client-link';
import { begin, execute, openClient, refusalOf, type SessionRun } from './harness/fleet/fleet-exec.ts';
import type { Identity } from './harness/fleet/fleet-identities.ts';
import { clientLink } from './harness/fleet/fleet-sockets.ts';
import { msUntil, waitFor } from './harness/fleet/look.ts';
import { doorOf } from './harness/raw-https.ts';
import { type RunningLabd, startAgent } from './harness/start-labd.ts';
import { postgresAvailable } from './harness/start-postgres.ts';
import { startTwoReplicas, type TwoReplicas, userOnBoth } from './harness/fleet/two-replicas.ts';

const missing = postgresAvailable();
const why = '(needs PostgreSQL)';
const toml = '[hub]\nheartbeat = "1s"\naccepts_per_s = 1000';
const quick = 'reconnect_min = "200ms"\nreconnect_max = "1s"';
/** CA-8, RB-11. */
const cutMs = 2_000;
const forever = 'i=0; while :; do i=$((i+1)); echo "line $i"; sleep 0.05; done';

let two: TwoReplicas;
const opened = new AsyncDisposableStack();

beforeAll(async () => {
  if (missing !== undefined) return;
  two = opened.use(await startTwoReplicas({ toml }));
  opened.use(await startAgent(two.b, 'web-1', { toml: quick }));
}, 90_000);
afterAll(() => opened.disposeAsync(), 20_000);

const clientOf = (labd: RunningLabd, identity: Identity): ClientLink => openClient([doorOf(labd.api)], { identity });

const userOf = (name: string, roles: readonly string[]) => userOnBoth(two, name, roles);

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
      // It was told, and did not only find it by its own look.
      await two.b.daemon.says('another replica has changed the deny list');

      const from = performance.now();
      await two.a.call('DELETE', `/api/agents/gone-${name}`);
      await agent.daemon.says('4403', cutMs);
      console.log('revoked agent cut after ms', Math.round(performance.now() - from));
      if (!redis) await two.redis?.start();
    },
    90_000,
  );

test.skipIf(missing !== undefined)(
  `CA-10 a step on A reaches the agents of B: nobody is left behind ${why}`,
  async () => {
    const behind = async () => (await two.a.call<{ behind: string[] }>('GET', '/api/ca')).behind;
    await two.a.call('POST', '/api/ca/rotation', { to: 'init' });
    await waitFor(async () => (await behind()).length === 0, 20_000);
    await two.b.call('POST', '/api/ca/rotation', { to: 'rollback' });
    await waitFor(async () => (await behind()).length === 0, 20_000);
  },
  60_000,
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
  90_000,
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
    // Without a right from the first moment on, and without a socket when the deny list has come.
    expect(await refusalOf(second, 'web-1')).toBeDefined();
    await waitFor(async () => (await clientLink(doorOf(two.b.api), { identity: other })) === 403, 2_000);
  },
  90_000,
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
  90_000,
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

test.skipIf(missing !== undefined)(`AU-7 after all of it every chain is whole ${why}`, async () => {
  expect(await two.a.call('POST', '/api/audit/verify', {})).toMatchObject({ ok: true });
  expect(await execute(openClient([{ socket: two.a.socket }]), 'web-1', 'echo hi')).toMatchObject({
    out: 'hi\n',
    exit: { code: 0 },
  });
});
