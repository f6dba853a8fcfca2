/**
 * The fleet as an operator has it: two replicas of labd behind one address, PostgreSQL and Redis, three servers and a
 * desk, each in a network of its own. From the first join token to the last look at the audit log, with labctl alone; and
 * replicas that are killed in the middle of it (RP-1, RP-2, P5).
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FleetClient } from './harness/fleet/fleet-client.ts';
import { counting } from './harness/fleet/fleet-exec.ts';
import { waitFor } from './harness/fleet/look.ts';
import { type NetworkLab, networkLabMissing, openNetworkLab } from './harness/network-lab.ts';
import { Daemon, type RunningAgent, startAgent } from './harness/start-labd.ts';
import { postgresAvailable } from './harness/start-postgres.ts';
import { hasRedis } from './harness/start-redis.ts';
import { type ReplicaName, startTwoReplicas, type TwoReplicas } from './harness/fleet/two-replicas.ts';

const isMissing = networkLabMissing() !== undefined || postgresAvailable() !== undefined || !hasRedis;
const needs = '(needs root, PostgreSQL, redis-server)';
const hosts = ['front', 'db', 'redis', 'labd-a', 'labd-b', 'web-1', 'web-2', 'web-3', 'desk'];
const toml = '[hub]\nheartbeat = "1s"\naccepts_per_s = 1000';

let lab: NetworkLab;
let two: TwoReplicas;
let desk: FleetClient;
let front: string;
let folder: string;
const agents = new Map<string, RunningAgent>();
const opened = new AsyncDisposableStack();

/** The one address of labd; it leads to B as long as B takes connections. */
async function openFront(): Promise<void> {
  const replicas = ['labd-b', 'labd-a'].map((host) => `${lab.address(host)}:3100`);
  const balancer = fileURLToPath(import.meta.resolve('./harness/proxies/tcp-balancer.ts'));
  const listen = `${lab.address('front')}:3100`;
  const command = lab.command('front', [process.execPath, balancer, listen, ...replicas]);
  const daemon = opened.use(new Daemon(command, { cwd: folder, env: { PATH: process.env['PATH'] ?? '' } }));
  await daemon.says('balancing');
}

beforeAll(async () => {
  if (isMissing) return;
  folder = mkdtempSync(join(tmpdir(), 'labmesh-story-'));
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  lab = opened.use(await openNetworkLab(hosts));
  front = `https://${lab.address('front')}:3100`;
  await openFront();
  two = opened.use(await startTwoReplicas({ lab, toml, publicUrl: front }));
  desk = opened.use(new FleetClient({ place: { lab, host: 'desk' } }));
}, 40_000);
afterAll(() => opened.disposeAsync(), 20_000);

type Server = { hostname: string; status: string; labels: Record<string, string> };
const servers = async (): Promise<Server[]> =>
  (JSON.parse(await desk.ask('get', 'servers', '-o', 'json')) as { items: Server[] }).items;

test.skipIf(isMissing)(
  `JT-1, ID-2 join tokens, three servers on two replicas, a login, and the fleet in one table ${needs}`,
  async () => {
    await desk.login(two.a, front, 'ada', ['admin']);
    expect(await desk.ask('whoami')).toContain('ada');
    // The other replica hears of a new user's rights within two seconds (RB-11).
    await waitFor(async () => (await desk.run('auth', 'can-i', 'create', 'tokens')).exitCode === 0);
    for (const [name, at] of [
      ['web-1', 'a'],
      ['web-2', 'a'],
      ['web-3', 'b'],
    ] as const) {
      const made = await desk.ask('create', 'token', '--label', `on=${at}`);
      const token = /lmj_[0-9A-Za-z]{8}_[\w-]{43}/.exec(made)?.[0];
      expect(token).toBeDefined();
      const settings = { place: { lab, host: name }, toml: `log_paths = ["${folder}/**"]`, joinToken: token! };
      agents.set(name, opened.use(await startAgent(two[at], name, settings)));
    }
    const found = await servers();
    expect(found.map(({ hostname, status, labels }) => [hostname, status, labels['on']])).toEqual([
      ['web-1', 'online', 'a'],
      ['web-2', 'online', 'a'],
      ['web-3', 'online', 'b'],
    ]);
  },
  90_000,
);

test.skipIf(isMissing)(
  `RP-1, EX-1 … EX-6 exec through the other replica: bytes, exit codes, stdin, a terminal, many at once ${needs}`,
  async () => {
    const hello = await desk.run('exec', 'web-1', '--', 'sh', '-c', 'echo out; echo err >&2; exit 3');
    expect(hello).toEqual({ exitCode: 3, stdout: 'out\n', stderr: 'err\n' });
    const killed = await desk.run('exec', 'server/web-2', '--', 'sh', '-c', 'kill -9 $$');
    expect(killed.exitCode).toBe(137);
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    const sum = new Bun.CryptoHasher('sha256').update(bytes).digest('hex');
    expect((await desk.runWith(bytes, 'exec', 'web-1', '--', 'sha256sum')).stdout).toStartWith(sum);
    const shown = await desk.inTerminal(
      { cols: 100, rows: 30 },
      '',
      'exec',
      '-t',
      'web-1',
      '--',
      'sh',
      '-c',
      'stty size; exit 4',
    );
    expect(shown).toMatchObject({ exitCode: 4, shown: expect.stringContaining('30 100') });
    const many = await desk.run('exec', '--all', '--yes', '--', 'hostname', '-I');
    expect(many.exitCode).toBe(0);
    for (const host of ['web-1', 'web-2', 'web-3']) expect(many.stdout).toContain(`${host} | ${lab.address(host)}`);
  },
  90_000,
);

test.skipIf(isMissing)(
  `CP-1, LG-1 a file there and back, and a log that is followed ${needs}`,
  async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(300_000));
    writeFileSync(join(desk.home, 'sent'), bytes);
    await desk.ask('cp', join(desk.home, 'sent'), `server/web-1:${folder}/there`);
    expect(readFileSync(join(folder, 'there')).equals(bytes)).toBe(true);
    await desk.ask('cp', `server/web-1:${folder}/there`, join(desk.home, 'back'));
    expect(readFileSync(join(desk.home, 'back')).equals(bytes)).toBe(true);
    const log = join(folder, 'app.log');
    writeFileSync(log, 'first line\n');
    await using follow = desk.start('logs', 'server/web-1', '--file', log, '-f');
    await follow.says('first line');
    appendFileSync(log, 'second line\n');
    await follow.says('second line');
  },
  90_000,
);

for (const [name, what] of [
  ['b', 'of the client'],
  ['a', 'of agent and client'],
] as [ReplicaName, string][])
  test.skipIf(isMissing)(
    `RP-2, P5 kill -9 the replica ${what} while output flows: no byte lost, the true exit code ${needs}`,
    async () => {
      const { shell, out } = counting(150, 7);
      await using run = desk.start('exec', 'web-1', '--', 'sh', '-c', shell);
      await run.hasOutput(200);
      // With B away the front leads to A, so the next one is of both.
      if (name === 'a') await two.kill('b');
      await run.hasOutput(400);
      if (name === 'a') await two.start('b');
      const from = performance.now();
      const bytes = run.stdoutBytes;
      await two.kill(name);
      await run.hasOutput(bytes + 200);
      console.log(`replica ${what} killed; output again after ms:`, Math.round(performance.now() - from));
      const { exitCode, stdout, stderr } = await run.ended;
      expect({ exitCode, stdout: stdout.toString() }).toEqual({ exitCode: 7, stdout: out });
      expect(stderr).not.toContain('error');
      await two.start(name);
      await waitFor(async () => (await servers()).every(({ status }) => status === 'online'), 20_000);
    },
    40_000,
  );

test.skipIf(isMissing)(
  `CA-8, acceptance 8 without Redis, and the replicas out of each other's sight: agent and user cut ${needs}`,
  async () => {
    using other = new FleetClient({ place: { lab, host: 'desk' } });
    await other.login(two.a, front, 'otto', ['operator']);
    await waitFor(async () => (await other.run('exec', 'web-3', '--', 'true')).exitCode === 0);
    await using run = other.start('exec', 'web-3', '--', 'sh', '-c', 'while :; do echo on; sleep 0.05; done');
    await run.hasOutput(30);
    await two.redis?.kill();
    const between = (verb: string) =>
      Promise.all(['a', 'b'].map((one) => hide(verb, `labd-${one}`, `labd-${one === 'a' ? 'b' : 'a'}`)));
    await between('add');
    const [certificate] = await two.a
      .call<{ items: { serial: string }[] }>('GET', '/api/certificates?identity=otto')
      .then(({ items }) => items);
    const from = performance.now();
    await two.a.call('POST', `/api/certificates/${certificate!.serial}/revoke`, { reason: 'left' });
    await two.a.call('DELETE', '/api/agents/web-2');
    const { exitCode, stderr } = await run.ended;
    const userMs = performance.now() - from;
    expect(exitCode).toBe(255);
    await agents.get('web-2')?.daemon.says('4403', 3_000);
    console.log('user and agent cut after ms:', Math.round(userMs), Math.round(performance.now() - from));
    expect(userMs).toBeLessThan(2_000);
    expect(stderr).toMatch(/REVOKED|revoked/);
    await between('del');
    await two.redis?.start();
    const again = await other.run('exec', 'web-3', '--', 'true');
    expect(again.exitCode).toBe(255);
  },
  90_000,
);

/** Packets to the other host end nowhere. */
async function hide(verb: string, host: string, from: string): Promise<void> {
  const words = lab.command(host, ['ip', 'route', verb, 'blackhole', `${lab.address(from)}/32`]);
  expect(await Bun.spawn(words).exited).toBe(0);
}

test.skipIf(isMissing)(`AU-7 every chain is whole, and each command has its start and its end ${needs}`, async () => {
  expect(await desk.ask('audit', 'verify')).toContain('ok');
  const lines = (await desk.ask('audit', 'export')).split('\n').filter(Boolean);
  const rows = lines.map((line) => JSON.parse(line) as { action: string; phase: string; session?: string });
  const phases = Map.groupBy(
    rows.filter(({ action, session }) => action === 'exec.open' && session !== undefined),
    ({ session }) => session,
  );
  expect(phases.size).toBeGreaterThan(8);
  for (const [, own] of phases) expect(own.map(({ phase }) => phase).toSorted()).toEqual(['end', 'start']);
});
