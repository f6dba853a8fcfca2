/**
 * Acceptance 3 and 4 over the whole chain, labctl → labd → lab-agent as processes: thousands of commands whose every byte
 * and exit code is known, a copy that is cut at half, one command on five hundred servers.
 *
 *     LABMESH_TORTURE=1000 LABMESH_TORTURE_COPY_MIB=1024 bun test tests/fleet-torture.test.ts --timeout 1800000
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { FleetClient } from './harness/fleet/fleet-client.ts';
import { openClient } from './harness/fleet/fleet-exec.ts';
import { TortureCases } from './harness/torture/torture-cases.ts';
import { processRunner, sessionRunner, tortured } from './harness/torture/torture-runs.ts';
import { CutProxy } from './harness/fleet/cut-proxy.ts';
import { waitFor } from './harness/fleet/look.ts';
import { doorOf } from './harness/raw-https.ts';
import { type RunningLabd, startAgent, startLabd } from './harness/start-labd.ts';
import { startFakeAgents } from './simulators/fleet/start-fake-agents.ts';

/** Of each kind on pipes, and as many on a terminal. */
const runs = Number(process.env['LABMESH_TORTURE'] ?? 40);
/** Every exit code there is. */
const exits = Math.max(runs, 256);
const together = 8;
const copyMiB = Number(process.env['LABMESH_TORTURE_COPY_MIB'] ?? 48);
const fakeCount = 500;
const longMs = 1_800_000;
const servers = ['torture-1', 'torture-2'];

const toml = `
[hub]
accepts_per_s = 10000
[exec]
per_user_max = 2000
[limits]
anonymous_per_min = 1000000
enrol_per_min = 1000000
principal_per_min = 1000000
exec_per_min = 1000000
`;

let labd: RunningLabd;
let client: FleetClient;
const cases = new TortureCases();
const opened = new AsyncDisposableStack();

beforeAll(async () => {
  opened.defer(() => rmSync(cases.folder, { recursive: true, force: true }));
  labd = opened.use(await startLabd({ toml, labd: 'trusted_proxies = ["127.0.0.1"]', logLevel: 'info' }));
  for (const name of servers) opened.use(await startAgent(labd, name, { logLevel: 'info' }));
  client = opened.use(new FleetClient());
  await client.login(labd, labd.api, 'torturer', ['admin']);
}, 60_000);
afterAll(() => opened.disposeAsync(), 30_000);

const kinds = ['burst', 'eof', 'term', 'exit'] as const;

test.each(kinds)(
  `byte-exact over one login, on pipes and on a terminal: %s`,
  async (kind) => {
    await using link = openClient([{ socket: labd.socket }]);
    const count = kind === 'exit' ? exits : runs;
    const all = Array.from({ length: 2 * count }, (_, index) => cases[kind](index >> 1, index % 2 === 1));
    const from = performance.now();
    expect(await tortured(all, sessionRunner(link, servers), together)).toEqual([]);
    console.log(`${kind}: ${all.length} runs in ${((performance.now() - from) / 1_000).toFixed(1)} s`);
  },
  longMs,
);

test(
  'byte-exact as a person runs it: the program, on pipes and on a terminal',
  async () => {
    const rounds = Math.max(3, Math.floor(runs / 10));
    const all = Array.from({ length: rounds }, (_, round) =>
      kinds.flatMap((kind) => [false, true].map((tty) => cases[kind](kind === 'exit' ? 255 - round : round, tty))),
    ).flat();
    expect(await tortured(all, processRunner(client, servers), 4)).toEqual([]);
    console.log(`${all.length} runs of the program`);
  },
  longMs,
);

const sumOf = async (path: string) => {
  const hash = new Bun.CryptoHasher('sha256');
  for await (const part of Bun.file(path).stream()) hash.update(part);
  return hash.digest('hex');
};

/** Bytes of the part that a copy is building beside its target. */
async function partBytes(folder: string, name: string): Promise<number> {
  const parts = [...new Bun.Glob(`.${name}.labmesh-*`).scanSync({ cwd: folder, dot: true })];
  return parts.length === 0 ? 0 : Bun.file(join(folder, parts[0] ?? '')).size;
}

test(
  'CP-2 a copy that is cut at half, by its link and by its end, has equal sums, both ways',
  async () => {
    await using proxy = await CutProxy.open(doorOf(labd.api));
    using far = new FleetClient();
    await far.login(labd, `https://127.0.0.1:${proxy.door.port}`, 'copier', ['admin']);
    const bytes = copyMiB * 2 ** 20;
    const source = join(cases.folder, 'copied');
    await Bun.spawn(['sh', '-c', `head -c ${bytes} /dev/urandom > ${source}`]).exited;
    const sum = await sumOf(source);
    const half = async (name: string) => waitFor(async () => (await partBytes(cases.folder, name)) > bytes / 2, longMs);

    const cut = far.start('cp', source, `server/torture-1:${cases.folder}/by-link`);
    await half('by-link');
    proxy.cut();
    expect(await cut.ended).toMatchObject({ exitCode: 0 });
    expect(await sumOf(join(cases.folder, 'by-link'))).toBe(sum);

    const killed = far.start('cp', source, `server/torture-1:${cases.folder}/by-end`);
    await half('by-end');
    killed.signal('SIGKILL');
    await killed.ended;
    const resumed = await far.run('cp', source, `server/torture-1:${cases.folder}/by-end`);
    expect(resumed).toMatchObject({ exitCode: 0 });
    expect(Number(/went on at byte (\d+)/.exec(resumed.stderr)?.[1])).toBeGreaterThan(bytes / 2);
    expect(await sumOf(join(cases.folder, 'by-end'))).toBe(sum);

    await rename(source, join(cases.folder, 'there'));
    const back = far.start('cp', `server/torture-2:${cases.folder}/there`, join(cases.folder, 'back'));
    await half('back');
    proxy.cut();
    expect(await back.ended).toMatchObject({ exitCode: 0 });
    expect(await sumOf(join(cases.folder, 'back'))).toBe(sum);
  },
  longMs,
);

test(
  'FO-1 … FO-4 one command on five hundred servers: every line once, the summary and the exit code right',
  async () => {
    await using fakes = startFakeAgents();
    const token = { type: 'reusable', maxUses: fakeCount, ttlMs: 3_600_000, labels: { rack: 'wide' } };
    const made = await labd.call<{ token: string }>('POST', '/api/tokens', token);
    const bundlePem = await (await fetch('http://labd/ca/bundle', { unix: labd.socket })).text();
    await fakes.ask({ do: 'enrol', count: fakeCount, url: labd.agents, bundlePem, token: made.token });
    await fakes.ask({ do: 'connect' });
    for (const name of servers) await client.ask('label', `server/${name}`, 'rack=wide');
    const run = (shell: string) => client.run('exec', '-l', 'rack=wide', '--batch', '200', '--shell', shell);

    const from = performance.now();
    const all = await run('echo hello');
    console.log(`${fakeCount + servers.length} servers in ${Math.round(performance.now() - from)} ms`);
    const fakeLines = Array.from({ length: fakeCount }, (_, index) => `fake-${index + 1} | echo hello`);
    const lines = [...fakeLines, ...servers.map((name) => `${name} | hello`)];
    const shown = all.stdout.trimEnd().split('\n');
    expect(shown.map((line) => line.replace(/ +\| /, ' | ')).toSorted()).toEqual(lines.toSorted());
    expect(all).toMatchObject({ exitCode: 0, stderr: expect.stringContaining(`ok ${fakeCount + servers.length}:`) });

    const failed = await run('exit 3');
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toContain(`ok ${fakeCount}:`);
    expect(failed.stderr).toContain('failed 2: torture-1 (exit 3), torture-2 (exit 3)');

    await fakes.ask({ do: 'vanish', count: 5 });
    const gone = Array.from({ length: 5 }, (_, index) => `fake-${index + 1}`);
    await waitFor(async () => (await client.ask('get', 'servers', '-o', 'json')).includes('offline'));
    const partly = await run('echo hello');
    expect(partly.exitCode).toBe(255);
    expect(partly.stderr).toContain(`ok ${fakeCount + servers.length - gone.length}:`);
    for (const name of gone) expect(partly.stderr).toMatch(new RegExp(`unreachable 5: .*${name}\\b`));
  },
  longMs,
);
