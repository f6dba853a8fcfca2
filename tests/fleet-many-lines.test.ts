/**
 * A million lines of one command, each counted (teleport#6635, awx#14003), and servers that are dead among many: they are
 * named, and nobody waits for them (salt#2361).
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { FleetClient } from './harness/fleet/fleet-client.ts';
import { begin, openClient } from './harness/fleet/fleet-exec.ts';
import { waitFor } from './harness/fleet/look.ts';
import { type RunningLabd, startAgent, startLabd } from './harness/start-labd.ts';
import { type FakeAgents, startFakeAgents } from './simulators/fleet/start-fake-agents.ts';

const lines = 1_000_000;
const fleet = 200;
const dead = 5;
/** Times are compared where other work runs: so many rounds are tried. */
const roundsMax = 4;
const longMs = 300_000;
const toml = `[hub]\naccepts_per_s = 10000\n[limits]\nanonymous_per_min = 1000000\nenrol_per_min = 1000000
principal_per_min = 1000000\nexec_per_min = 1000000\n[exec]\nper_user_max = 2000`;

let labd: RunningLabd;
const opened = new AsyncDisposableStack();
beforeAll(async () => {
  labd = opened.use(await startLabd({ toml, labd: 'trusted_proxies = ["127.0.0.1"]', logLevel: 'info' }));
}, longMs);
afterAll(() => opened.disposeAsync(), longMs);

test(
  `T8 ${lines} lines of one command, each once and in order`,
  async () => {
    await using _agent = await startAgent(labd, 'web-1', { logLevel: 'info' });
    await using client = openClient([{ socket: labd.socket }]);
    const run = await begin(client, 'web-1', `seq ${lines}; exit 7`);
    const { exit } = await run.ended;
    const shown = run.out.split('\n');
    expect([exit?.code, shown.length, shown.pop()]).toEqual([7, lines + 1, '']);
    expect(shown.findIndex((line, at) => line !== String(at + 1))).toBe(-1);
  },
  longMs,
);

async function startFleet(): Promise<FakeAgents> {
  const fakes = opened.use(startFakeAgents());
  const token = { type: 'reusable', maxUses: fleet, labels: { rack: 'wide' } };
  const made = await labd.call<{ token: string }>('POST', '/api/tokens', token);
  const bundlePem = await (await fetch('http://labd/ca/bundle', { unix: labd.socket })).text();
  await fakes.ask({ do: 'enrol', count: fleet, url: labd.agents, bundlePem, token: made.token });
  await fakes.ask({ do: 'connect' });
  return fakes;
}

test(
  `T8 ${fleet} servers, ${dead} of them dead: as fast as all alive and a second, and the dead are named`,
  async () => {
    const fakes = await startFleet();
    const client = opened.use(new FleetClient());
    await client.login(labd, labd.api, 'ada', ['admin']);
    const timed = async () => {
      const from = performance.now();
      const done = await client.run('exec', '-l', 'rack=wide', '--batch', String(fleet), '--', 'hello');
      return { ...done, ms: performance.now() - from };
    };
    const alive: number[] = [];
    for (let round = 0; round < 2; round++) {
      const { exitCode, stderr, ms } = await timed();
      expect([exitCode, stderr]).toEqual([0, expect.stringContaining(`ok ${fleet}:`)]);
      alive.push(ms);
    }
    await fakes.ask({ do: 'vanish', count: dead });
    const names = Array.from({ length: dead }, (_, at) => `fake-${at + 1}`);
    type Servers = { items: { hostname: string; status: string }[] };
    await waitFor(async () => {
      const { items } = await labd.call<Servers>('GET', '/api/servers?limit=500');
      return items.filter(({ status, hostname }) => status === 'offline' && names.includes(hostname)).length === dead;
    }, longMs);
    const partly: number[] = [];
    const slowest = Math.max(...alive) + 1_000;
    while (partly.length < roundsMax && !partly.some((ms) => ms <= slowest)) {
      const { exitCode, stdout, stderr, ms } = await timed();
      expect(exitCode).toBe(255);
      expect(stderr).toContain(`ok ${fleet - dead}:`);
      for (const name of names) expect(stderr).toMatch(new RegExp(`unreachable ${dead}: .*${name}\\b`));
      expect(stdout.trimEnd().split('\n')).toHaveLength(fleet - dead);
      partly.push(ms);
    }
    console.log('ms, all alive and with dead ones:', alive.map(Math.round), partly.map(Math.round));
    expect(Math.min(...partly)).toBeLessThanOrEqual(slowest);
  },
  longMs,
);
