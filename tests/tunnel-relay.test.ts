/**
 * A node has one hub, and is reached from the machines of all replicas that have one (tunnel H6): through the replica that
 * has it, at its own address, and nothing else with it. The holder is killed, the node moves, the holder comes back.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'bun:test';
import { waitFor } from './harness/fleet/look.ts';
import { openNetworkLab } from './harness/network-lab.ts';
import { placed, run, type RunningLabd } from './harness/start-labd.ts';
import { postgresAvailable, startPostgres } from './harness/start-postgres.ts';
import type { SeenStream } from './harness/tunnel-daemons/hub-client.ts';
import {
  asClient,
  type HubGround,
  joinAt,
  moveTo,
  reaches,
  startHub,
  viewOf,
} from './harness/tunnel-daemons/hub-pair.ts';
import { proxyPort, tunnelLabMissing } from './harness/tunnel-daemons/tunnel-lab.ts';

const reachMs = 60_000;
const ports = [22, 80, 3100, 3101, 3102, proxyPort, 8081, 9090, 9999].map(String);

const replicaOf = async (labd: RunningLabd) =>
  (await labd.call<{ replicaId: string }>('GET', '/health/detailed')).replicaId;

async function onHost({ lab, folder }: HubGround, host: string, ...argv: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await run(placed(argv, { lab, host }), { cwd: folder, env: {} });
  if (exitCode !== 0) throw new Error(stderr);
  return stdout;
}

/** From the other hub's machine: a stream whole, and of all ports the proxy's; from a neighbour of that machine: nothing. */
async function expectWayOfOne(ground: HubGround, host: string, address: string): Promise<void> {
  expect(await reaches(ground, host, address, reachMs)).toBeGreaterThanOrEqual(0);
  const stream = await asClient<SeenStream>(ground, host, 'chat', `http://${address}:${proxyPort}`);
  expect(stream).toMatchObject({ status: 200, isWhole: true });
  expect(await asClient<object>(ground, host, 'ports', address, ...ports)).toEqual({ open: [proxyPort] });
  await onHost(ground, 'lan', '/sbin/ip', 'route', 'replace', `${address}/32`, 'via', ground.lab.address(host));
  expect(await reaches(ground, 'lan', address, 1_500)).toBe(-1);
  // I1: the interface has its one address still.
  const addresses = await onHost(ground, host, '/sbin/ip', '-o', 'address', 'show', 'dev', 'labhub0');
  expect(addresses.trim().split('\n')).toHaveLength(1);
}

/** The replica with the node's hub was killed: who asks is told which, and how the node is reached again. */
async function expectHolderMissed(
  ground: HubGround,
  asking: RunningLabd,
  address: string,
  holder: string,
): Promise<void> {
  const url = `http://${address}:${proxyPort}/v1/models`;
  const told = await asClient<{ status: number; text: string }>(ground, 'hub-b', 'get', url);
  expect(told.status).toBe(503);
  const { error } = JSON.parse(told.text) as { error: { code: string; message: string } };
  expect([error.code, error.message.includes(holder)]).toEqual(['node_hub_unreachable', true]);
  expect((await viewOf(asking)).relayed).toMatchObject([
    { name: 'site-a', address, replicaId: holder, error: error.message },
  ]);
  expect((await asking.labctl('tunnel', 'status', '--local')).stdout).toContain(
    `elsewhere  site-a ${address}:${proxyPort}`,
  );
}

/** It moves to the hub beside its client, and nothing of it can say so: who has a connection open does not wait for ever. */
async function expectOpenReset(
  ground: HubGround,
  to: RunningLabd,
  site: Parameters<typeof moveTo>[1],
  address: string,
): Promise<void> {
  const held = asClient<object>(ground, 'hub-a', 'hold', address, String(proxyPort), '150000');
  await waitFor(async () => (await viewOf(to)).relayed?.some((one) => one.connections === 1) === true, reachMs);
  await moveTo(to, site, 'SIGKILL');
  expect(await held).toEqual({ ended: 'ECONNRESET' });
  await site.untilActive(reachMs);
  expect(await reaches(ground, 'hub-a', address, reachMs)).toBeGreaterThanOrEqual(0);
}

const missing = tunnelLabMissing('native') ?? postgresAvailable();
test.skipIf(missing !== undefined)(
  `native: a node is reached through the replica that has its hub, and moves${missing === undefined ? '' : ` (needs ${missing})`}`,
  async () => {
    await using stack = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), 'labmesh-relay-'));
    stack.defer(() => rmSync(folder, { recursive: true, force: true }));
    const lab = stack.use(await openNetworkLab(['hub-a', 'hub-b', 'db', 'site-a', 'site-b', 'lan']));
    const postgres = stack.use(await startPostgres({ place: { lab, host: 'db' } }));
    const ground = { lab, folder, databaseUrl: postgres.url };
    const [one, two] = [stack.use(await startHub(ground, 'hub-a')), stack.use(await startHub(ground, 'hub-b'))];
    const siteA = stack.use(await joinAt(ground, one, 'site-a'));
    const siteB = stack.use(await joinAt(ground, two, 'site-b'));
    const [a, b] = [(await siteA.status())?.address ?? '', (await siteB.status())?.address ?? ''];

    await expectWayOfOne(ground, 'hub-b', a);
    await expectWayOfOne(ground, 'hub-a', b);
    expect((await viewOf(one)).relayed).toMatchObject([
      { name: 'site-b', replicaId: await replicaOf(two), error: null },
    ]);

    const holder = await replicaOf(one);
    one.daemon.signal('SIGKILL');
    await one.daemon.exited;
    await expectHolderMissed(ground, two, a, holder);
    expect(await reaches(ground, 'hub-b', b, reachMs)).toBeGreaterThanOrEqual(0);

    await moveTo(two, siteA);
    await siteA.untilActive(reachMs);
    expect((await siteA.status())?.address).toBe(a);
    expect(await reaches(ground, 'hub-b', a, reachMs)).toBeGreaterThanOrEqual(0);
    await waitFor(async () => (await viewOf(two)).relayed === undefined, reachMs);
    expect((await viewOf(two)).peers.map(({ name }) => name).toSorted()).toEqual(['site-a', 'site-b']);

    // Who had it finds it elsewhere when it is back, and has no peer of it left.
    const again = stack.use(await startHub(ground, 'hub-a'));
    await expectWayOfOne(ground, 'hub-a', a);
    expect((await viewOf(again)).peers).toEqual([]);
    await expectOpenReset(ground, again, siteA, a);
  },
  400_000,
);
