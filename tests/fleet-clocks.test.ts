/**
 * RP-1, P4, acceptance 9: a replica whose machine's clock is a day off. Who lives, who may come in and what has expired
 * is judged by the database's clock, so that it is a replica like any other. The TLS library's own look at dates is not
 * part of this: with the machine's clock behind by more than `ca.backdate` it refuses certificates younger than that.
 */
import { expect, test } from 'bun:test';
import { execute, openClient } from './harness/fleet/fleet-exec.ts';
import { msUntil, waitFor } from './harness/fleet/look.ts';
import { startTwoReplicas, userOnBoth } from './harness/fleet/two-replicas.ts';
import { doorOf } from './harness/raw-https.ts';
import { type RunningLabd, startAgent } from './harness/start-labd.ts';
import { postgresAvailable } from './harness/start-postgres.ts';

const missing = postgresAvailable();
const longMs = 180_000;
const waitMs = 45_000;
const dayMs = 86_400_000;
const toml = '[hub]\nheartbeat = "1s"';
const quick = 'reconnect_min = "200ms"\nreconnect_max = "1s"';

const liveOn = async (labd: RunningLabd) => {
  const { items } = await labd.call<{ items: { live: boolean }[] }>('GET', '/api/replicas');
  return items.filter(({ live }) => live).length;
};

async function worksThrough(labd: RunningLabd, name: string): Promise<void> {
  const ran = await labd.labctl('exec', name, '--local', '--', 'echo', name);
  expect(ran).toMatchObject({ exitCode: 0, stdout: `${name}\n` });
}

test.skipIf(missing !== undefined).each([
  ['ahead', dayMs],
  ['behind', -dayMs],
])(
  'a replica whose clock is a day %s: agents, sessions and users on either side, and the other one killed (needs PostgreSQL)',
  async (_name, clockOffMs) => {
    await using two = await startTwoReplicas({ toml, redis: false, start: false });
    await two.start('a');
    await two.start('b', { clockOffMs });
    await using _onA = await startAgent(two.a, 'on-a', { toml: quick });
    await using _onB = await startAgent(two.b, 'on-b', { toml: quick });
    await two.b.daemon.says('this machine’s clock is not that of the database');

    for (const labd of [two.a, two.b]) {
      await waitFor(async () => (await liveOn(labd)) === 2, waitMs);
      for (const name of ['on-a', 'on-b']) {
        await msUntil(labd, name, 'online', waitMs);
        await worksThrough(labd, name);
      }
    }
    // Longer than a silence that counts: nobody was believed only for being new.
    await Bun.sleep(12_000);
    for (const labd of [two.a, two.b]) {
      expect(await liveOn(labd)).toBe(2);
      for (const name of ['on-a', 'on-b']) await msUntil(labd, name, 'online', waitMs);
    }
    // A certificate that one of them issued is good at the other.
    const user = await userOnBoth(two, 'uma', ['admin']);
    for (const labd of [two.a, two.b]) {
      await using client = openClient([doorOf(labd.api)], { identity: user });
      expect((await execute(client, 'on-b', 'true')).exit?.code).toBe(0);
    }

    await two.kill('a');
    await waitFor(async () => (await liveOn(two.b)) === 1, waitMs);
    await msUntil(two.b, 'on-a', 'online', waitMs);
    await worksThrough(two.b, 'on-a');
    expect(await two.b.call<{ ok: boolean }>('POST', '/api/audit/verify', {})).toMatchObject({ ok: true });
  },
  longMs,
);
