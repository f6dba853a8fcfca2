/**
 * The disk under labd's store is full (P1, LD-7): what would write is refused and nothing of it is done, what reads is
 * answered, labd says so and lives; when there is room again it works by itself, and no row that it acknowledged is lost.
 */
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { waitFor } from './harness/fleet/look.ts';
import { canMount, SmallDisk } from './harness/small-disk.ts';
import { type RunningLabd, startAgent, startLabd } from './harness/start-labd.ts';
import { postgresAvailable, startPostgres } from './harness/start-postgres.ts';

const longMs = 300_000;
const isMissing = !canMount();
/** More than fit into what pages of the tables have left. */
const writesMax = 2_000;

type Ready = { status: string; checks: Record<string, string> };

const ask = (labd: RunningLabd, path: string, body?: unknown) =>
  fetch(`http://labd${path}`, {
    unix: labd.socket,
    ...(body !== undefined && {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    }),
  });
const readiness = async (labd: RunningLabd) => (await (await ask(labd, '/health/ready')).json()) as Ready;
const namesOf = async (labd: RunningLabd) =>
  (await labd.call<{ items: { name: string }[] }>('GET', '/api/users?limit=500')).items.map(({ name }) => name);

/** Makes users until one is refused; those that were made. */
async function writeUntilRefused(labd: RunningLabd): Promise<string[]> {
  const made: string[] = [];
  for (let at = 0; at < writesMax; at++) {
    const response = await ask(labd, '/api/users', { name: `user-${at}` });
    if (response.status !== 201) {
      expect(response.status).toBe(503);
      expect(await response.json()).toMatchObject({
        error: { code: expect.stringMatching(/^(STORE|AUDIT)_UNAVAILABLE$/) },
      });
      return made;
    }
    made.push(`user-${at}`);
  }
  throw new Error('nothing was refused');
}

async function worksAgain(labd: RunningLabd, made: readonly string[]): Promise<void> {
  await waitFor(async () => (await readiness(labd)).status === 'ok', longMs);
  await waitFor(async () => (await ask(labd, '/api/users', { name: 'after' })).status === 201, longMs);
  const ran = await labd.labctl('exec', 'web-1', '--local', '--', 'echo', 'here');
  expect(ran).toMatchObject({ exitCode: 0, stdout: 'here\n' });
  const names = await namesOf(labd);
  expect(names).toContain('after');
  expect(made.filter((name) => !names.includes(name))).toEqual([]);
  expect(await labd.call('POST', '/api/audit/verify', {})).toMatchObject({ ok: true });
}

test.skipIf(isMissing)(
  'LD-7 SQLite on a full disk of 8 MiB: nothing is done without its row, and all works when there is room (needs root, and leave to mount)',
  async () => {
    using disk = new SmallDisk(8);
    await using labd = await startLabd({ databaseUrl: `sqlite://${join(disk.path, 'labd.db')}` });
    await using agent = await startAgent(labd, 'web-1');
    disk.fill();
    const made = await writeUntilRefused(labd);
    await labd.daemon.says('database or disk is full');
    const marker = join(agent.folder, 'was-here');
    const refused = await labd.labctl('exec', 'web-1', '--local', '--', 'touch', marker);
    expect(refused).toMatchObject({ exitCode: 255, stderr: expect.stringContaining('AUDIT_UNAVAILABLE') });
    expect(await Bun.file(marker).exists()).toBe(false);
    // A balancer must not choose it, although it answers.
    await waitFor(async () => (await readiness(labd)).status === 'down', longMs);
    expect((await ask(labd, '/health/ready')).status).toBe(503);
    expect((await ask(labd, '/health/live')).status).toBe(200);
    expect((await ask(labd, '/api/servers')).status).toBe(200);
    disk.empty();
    await worksAgain(labd, made);
    expect(agent.daemon.said).not.toContain('the connection to labd ended');
  },
  longMs,
);

test.skipIf(isMissing || postgresAvailable() !== undefined)(
  'LD-7 PostgreSQL on a full disk of 96 MiB: the same (needs root, leave to mount, PostgreSQL)',
  async () => {
    using disk = new SmallDisk(96);
    disk.share();
    const settings = { max_wal_size: '32MB', min_wal_size: '32MB' };
    await using postgres = await startPostgres({ below: disk.path, settings });
    await using labd = await startLabd({ databaseUrl: postgres.url });
    await using _agent = await startAgent(labd, 'web-1');
    disk.fill();
    const made = await writeUntilRefused(labd);
    console.log(`users that were made on the full disk: ${made.length}`);
    expect((await ask(labd, '/health/live')).status).toBe(200);
    expect((await ask(labd, '/api/servers')).status).toBe(200);
    disk.empty();
    await worksAgain(labd, made);
  },
  longMs,
);
