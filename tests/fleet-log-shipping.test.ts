/** AG-5, AG-7: logs from a machine to an OTLP collector, over a real labd and a real agent, while all of them go away. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rssMiB, waitFor } from './harness/fleet/look.ts';
import { freePorts, startTwoReplicas } from './harness/fleet/two-replicas.ts';
import { type RunningAgent, type RunningLabd, startAgent, startLabd } from './harness/start-labd.ts';
import { postgresAvailable } from './harness/start-postgres.ts';
import { OtlpCollectorSimulator } from './simulators/telemetry/otlp-collector.ts';

const folder = mkdtempSync(join(tmpdir(), 'labmesh-shipping-'));
const labdFolder = mkdtempSync(join(tmpdir(), 'labmesh-shipping-labd-'));
const file = join(folder, 'app.log');
const slowly = 60_000;
const longest = 240_000;

const collector = OtlpCollectorSimulator.start();
let ports: [number, number];
let labd: RunningLabd;
let agent: RunningAgent;
let written = 0;

const labdOf = (toml: string) => startLabd({ folder: labdFolder, ports, logLevel: 'info', toml });
const telemetry = () => `[telemetry]\notlp_url = "${collector.url}"\notlp_headers_file = "${join(folder, 'headers')}"`;
const shipping = `reconnect_min = "100ms"\nreconnect_max = "500ms"\nspool_max = "1MiB"\n`;

/** `count` further lines, each with its number. */
function write(count: number, path = file, pad = ''): void {
  const lines = Array.from({ length: count }, (_, i) => `${new Date().toISOString()} line ${written + i} ${pad}\n`);
  appendFileSync(path, lines.join(''));
  written += count;
}
const numbersOf = (texts: readonly string[]) =>
  texts.flatMap((text) => / line (\d+) /.exec(text)?.[1] ?? []).map(Number);
const seen = () => numbersOf(collector.texts).toSorted((a, b) => a - b);
const all = () => Array.from({ length: written }, (_, i) => i);
/** Every line, each under one id. */
async function expectAll(): Promise<void> {
  await waitFor(() => new Set(seen()).size === written, slowly).catch(() => undefined);
  expect(seen()).toEqual(all());
}

/** Said at least once, and not again and again. */
function expectFew(said: string, what: string): void {
  const times = said.split(what).length - 1;
  expect(times).toBeGreaterThanOrEqual(1);
  expect(times).toBeLessThanOrEqual(4);
}

type Status = {
  state: string;
  shipping?: { state: string; shippedLines: number; spooledBytes: number; droppedLines: number };
};
const statusOf = (one: RunningAgent) =>
  JSON.parse(readFileSync(join(one.folder, 'state', 'status.json'), 'utf8')) as Status;
const spoolOf = (one: RunningAgent) => join(one.folder, 'state', 'spool');
const isSpooled = (one: RunningAgent, text: string) =>
  readdirSync(spoolOf(one)).some((name) => {
    try {
      return readFileSync(join(spoolOf(one), name), 'utf8').includes(text);
    } catch {
      // Gone between the list and the look.
      return false;
    }
  });
const isFollowed = (one: RunningAgent) => waitFor(() => readdirSync(spoolOf(one)).includes('state.json'), slowly);

beforeAll(async () => {
  writeFileSync(join(folder, 'headers'), '# for the collector\nAuthorization: Bearer very-secret-word\n', {
    mode: 0o600,
  });
  writeFileSync(file, 'before shipping began\n');
  const [api = 0, agents = 0] = await freePorts(2);
  ports = [api, agents];
  labd = await labdOf(telemetry());
  agent = await startAgent(labd, 'web-1', {
    toml: `log_paths = ["${folder}/**"]\n${shipping}[agent.ship]\nenabled = true\nfiles = ["${file}"]`,
    token: { labels: { env: 'prod' } },
    logLevel: 'info',
  });
  await isFollowed(agent);
}, slowly);
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await labd?.[Symbol.asyncDispose]();
  await collector[Symbol.asyncDispose]();
  for (const path of [folder, labdFolder]) rmSync(path, { recursive: true, force: true });
});

describe('AG-7', () => {
  test(
    'what is written from now on arrives, with its id, its machine and what labd knows of that',
    async () => {
      write(100);
      await expectAll();
      const [first] = collector.taken.values();
      const server = await labd.call<{ id: string }>('GET', '/api/servers/web-1');
      expect(first?.resource).toMatchObject({
        'service.name': 'app.log',
        'host.name': 'web-1',
        'host.id': server.id,
        'labmesh.label.env': 'prod',
      });
      expect(first?.attributes).toEqual({
        'log.record.uid': expect.stringMatching(new RegExp(`^${server.id}/[0-9a-f-]{36}/0$`)),
        'log.file.path': file,
      });
      expect(collector.headers.get('authorization')).toBe('Bearer very-secret-word');
      expect(labd.daemon.said + agent.daemon.said).not.toContain('very-secret-word');
      expect(statSync(spoolOf(agent)).mode & 0o777).toBe(0o700);
      await waitFor(() => statusOf(agent).shipping?.shippedLines === 100, slowly);
      expect(statusOf(agent)).toMatchObject({ state: 'connected', shipping: { state: 'on', droppedLines: 0 } });
    },
    longest,
  );

  test(
    'the file is renamed, copied and truncated meanwhile',
    async () => {
      for (let round = 0; round < 6; round++) {
        write(200);
        if (round % 2 === 0) renameSync(file, `${file}.${round + 1}`);
        else {
          // Every writer of copytruncate loses what comes between; ours writes nothing there.
          copyFileSync(file, `${file}.${round + 1}`);
          truncateSync(file);
        }
        write(200);
        await Bun.sleep(300);
      }
      await expectAll();
    },
    longest,
  );

  test(
    'kill -9 of the agent, each time in the middle of it',
    async () => {
      for (let round = 0; round < 4; round++) {
        write(500);
        await Bun.sleep(round * 400);
        agent.daemon.signal('SIGKILL');
        await agent.daemon.exited;
        write(50);
        agent = await agent.again();
        write(50);
      }
      await expectAll();
    },
    longest,
  );

  test(
    'the answer to a batch is lost: it comes again under the same ids',
    async () => {
      const before = collector.repeats;
      let isLost = false;
      collector.answer = () => {
        isLost = true;
        return undefined;
      };
      write(300);
      await waitFor(() => isLost, slowly);
      // The collector has it; labd, or the agent, may not know that yet.
      labd.daemon.signal('SIGKILL');
      await labd.daemon.exited;
      collector.answer = undefined;
      write(100);
      labd = await labdOf(telemetry());
      await expectAll();
      expect(collector.repeats).toBeGreaterThanOrEqual(before);
    },
    longest,
  );

  test(
    'AG-7 the collector is away for 20 s: nothing is lost, exec and heartbeats go on, nothing fills',
    async () => {
      await collector.stop();
      const from = performance.now();
      write(2_000);
      await waitFor(() => labd.daemon.said.includes('the collector takes no logs'), slowly);
      const rss = rssMiB(labd.daemon.pid);
      const { exitCode, stdout } = await labd.labctl('exec', 'web-1', '--local', '--', 'echo', 'still here');
      expect([exitCode, stdout]).toEqual([0, 'still here\n']);
      await waitFor(() => (statusOf(agent).shipping?.spooledBytes ?? 0) > 100_000, slowly);
      await Bun.sleep(Math.max(0, 20_000 - (performance.now() - from)));
      write(500);
      expect((await labd.call<{ status: string }>('GET', '/api/servers/web-1')).status).toBe('online');
      expect(rssMiB(labd.daemon.pid) - rss).toBeLessThan(64);
      collector.again();
      await expectAll();
      await labd.daemon.says('the collector takes logs again');
      // Not each time that it was tried; a stall of the machine may look like another outage.
      expectFew(labd.daemon.said, 'the collector takes no logs');
      expect(statusOf(agent).shipping?.droppedLines).toBe(0);
    },
    longest,
  );

  test(
    'AG-5 labd is away: the oldest go, are counted, and what is left arrives; memory stays',
    async () => {
      // An answer that the agent has not got yet would count its batch as arrived, and as dropped.
      await waitFor(() => statusOf(agent).shipping?.spooledBytes === 0, slowly);
      labd.daemon.signal('SIGKILL');
      await labd.daemon.exited;
      const before = { rss: rssMiB(agent.daemon.pid), lines: seen().length };
      const pad = 'x'.repeat(400);
      const from = written;
      const enough = () => (statusOf(agent).shipping?.droppedLines ?? 0) > 2_000;
      for (let round = 0; round < 60 && !enough(); round++) {
        write(500, file, pad);
        await Bun.sleep(200);
      }
      await waitFor(enough, slowly);
      // All is read: a batch that is dropped while it is on its way would count twice, too.
      await waitFor(() => isSpooled(agent, ` line ${written - 1} `), slowly);
      const spooled = readdirSync(spoolOf(agent)).reduce(
        // One that is through is gone between the list and the look.
        (sum, name) => sum + (statSync(join(spoolOf(agent), name), { throwIfNoEntry: false })?.size ?? 0),
        0,
      );
      expect(spooled).toBeLessThan(1.1 * 1024 * 1024);
      const grownMiB = rssMiB(agent.daemon.pid) - before.rss;
      console.log(`offline: ${written - from} lines, agent grew ${grownMiB.toFixed(1)} MiB`);
      expect(grownMiB).toBeLessThan(64);
      labd = await labdOf(telemetry());
      const arrived = () => seen().length - before.lines;
      const droppedOf = () => statusOf(agent).shipping?.droppedLines ?? 0;
      await waitFor(() => arrived() + droppedOf() === written - from, slowly);
      // The newest are there, without a hole.
      expect(seen().slice(-arrived())).toEqual(all().slice(-arrived()));
      written = seen().length;
    },
    longest,
  );

  test(
    'no collector in the settings of labd: told once, nothing is kept; with one, it goes on where it was',
    async () => {
      const sent = new Set(seen());
      labd.daemon.signal('SIGKILL');
      await labd.daemon.exited;
      labd = await labdOf('');
      await agent.daemon.says('labd has no collector', slowly);
      const from = Math.max(...sent) + 1;
      const texts = Array.from({ length: 200 }, (_, i) => `off line ${from + i} \n`);
      appendFileSync(file, texts.join(''));
      await waitFor(() => statusOf(agent).shipping?.state === 'off', slowly);
      expect(collector.texts.filter((text) => text.startsWith('off line'))).toEqual([]);
      labd.daemon.signal('SIGKILL');
      await labd.daemon.exited;
      labd = await labdOf(telemetry());
      await waitFor(() => seen().filter((number) => number >= from).length === 200, slowly);
      expectFew(agent.daemon.said, 'labd has no collector');
    },
    longest,
  );
});

const missing = postgresAvailable();
test.skipIf(missing !== undefined)(
  'any replica forwards: the one that the agent is on is killed, the other takes the same batches (needs PostgreSQL)',
  async () => {
    await using two = await startTwoReplicas({ toml: telemetry(), redis: false });
    // The agent is told of the other replica as it comes, or it would know of none when its own is killed.
    const known = async () => (await two.a.call<{ replicas: unknown[] }>('GET', '/health/detailed')).replicas.length;
    await waitFor(async () => (await known()) === 2, slowly);
    const own = join(folder, 'two.log');
    const toml = `log_paths = ["${folder}/**"]\n${shipping}[agent.ship]\nenabled = true\nfiles = ["${own}"]`;
    await using one = await startAgent(two.a, 'web-2', { toml, logLevel: 'info' });
    await isFollowed(one);
    const texts = (from: number) => Array.from({ length: 300 }, (_, i) => `two ${from + i}`);
    const came = () => collector.texts.filter((text) => text.startsWith('two '));
    appendFileSync(own, `${texts(0).join('\n')}\n`);
    await waitFor(() => came().length === 300, slowly);
    await two.kill('a');
    appendFileSync(own, `${texts(300).join('\n')}\n`);
    await waitFor(() => new Set(came()).size === 600, slowly);
    expect(came().toSorted()).toEqual([...texts(0), ...texts(300)].toSorted());
    expect(two.b.daemon.said).not.toContain('very-secret-word');
  },
  longest,
);
