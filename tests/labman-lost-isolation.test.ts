/**
 * Somebody works against a tunnel's interface (tunnel N9), at a node and at its hub, over real daemons: three changes in a
 * minute are put right, the fourth takes the tunnel down; whoever asks is told so, and how to come back.
 */
import { expect, test } from 'bun:test';
import type { FleetNode } from '@labmesh/wire/fleet/resources/nodes';
import { waitFor } from './harness/fleet/look.ts';
import { insideTunnel } from './harness/tunnel-daemons/inside-tunnel.ts';
import type { SiteNode } from './harness/tunnel-daemons/site-node.ts';
import { tunnelBackends, TunnelLab, tunnelLabMissing } from './harness/tunnel-daemons/tunnel-lab.ts';
import { checksOf, labman } from './harness/tunnel/labman-command.ts';

const testMs = 240_000;
/** A heartbeat each second, a look at the device each five, a session; more is the load of this machine. */
const stepMs = 60_000;
const quick = ['heartbeat_s = 1'];
const repairs = 3;
const lost = /isolation_lost: more than 3 repairs within a minute, now .*end what makes the changes, then restart/;

/** `change` runs one command beside the interface; `told` counts what the daemon said of it. */
async function changeTooOften(change: (mtu: number) => Promise<unknown>, told: () => number): Promise<void> {
  const before = told();
  for (let times = 1; times <= repairs; times++) {
    await change(1_300 + times);
    await waitFor(() => told() >= before + times, stepMs);
  }
  await change(1_290);
}

async function nodeLosesIt(lab: TunnelLab, site: SiteNode, address: string): Promise<void> {
  const { name, settings } = site;
  const setMtu = (mtu: number) =>
    lab.run(name, ...insideTunnel(site, ['ip', 'link', 'set', settings.interfaceName, 'mtu', String(mtu)]));
  await changeTooOften(setMtu, () => site.said.split('changed by somebody else').length);
  await waitFor(async () => lost.test((await site.status())?.fault ?? ''), stepMs);
  expect(await site.hub()).toMatchObject({ pq: 'stale', pqReason: 'no_session' });
  const { stdout } = await labman(site, ['tunnel', 'status']);
  expect(stdout).toMatch(/^FAULT {6}isolation_lost: .*then restart this daemon$/m);
  expect(stdout).toContain(' NOT post-quantum: the interface is down, nothing passes');
  expect((await site.labman('tunnel', 'status', '--check')).exitCode).toBe(1);
  const { exitCode, failed } = await checksOf(site, ['tunnel', 'check']);
  const isolation = failed.find((one) => one.name === 'isolation');
  expect([exitCode, isolation?.detail, isolation?.fix]).toEqual([
    1,
    expect.stringMatching(lost),
    expect.stringContaining('restart labmand'),
  ]);
  const atHub = () => lab.labd.call<FleetNode>('GET', `/api/nodes/${name}`);
  await waitFor(async () => (await atHub()).state === 'error', stepMs);
  expect((await atHub()).error).toMatch(lost);
  expect(await lab.labctl('describe', `node/${name}`)).toMatch(lost);
  expect(await lab.reach(address, 1_000)).toBe(-1);
  // Nobody puts it right any more.
  const link = await lab.run(name, ...insideTunnel(site, ['ip', 'link', 'show', settings.interfaceName]));
  expect([link.includes('mtu 1290'), /[<,]UP[,>]/.test(link)]).toEqual([true, false]);
  await site.end('SIGTERM');
  await site.start();
  await site.untilActive(stepMs);
  expect(await lab.reach(address, stepMs)).toBeGreaterThanOrEqual(0);
  expect((await site.labman('tunnel', 'status', '--check')).exitCode).toBe(0);
  await waitFor(async () => (await atHub()).error === null, stepMs);
}

async function hubLosesIt(lab: TunnelLab, site: SiteNode, address: string): Promise<void> {
  const setMtu = (mtu: number) => lab.run('conplane', 'ip', 'link', 'set', lab.interfaceName, 'mtu', String(mtu));
  const { daemon } = lab.labd;
  await waitFor(async () => (await lab.peer(site.name))?.pq === 'active', stepMs);
  await changeTooOften(setMtu, () => daemon.said.split('changed by somebody else').length);
  await waitFor(async () => lost.test((await lab.view()).fault ?? ''), stepMs);
  expect(await lab.peer(site.name)).toMatchObject({ pq: 'stale', pqReason: 'no_session' });
  const status = await lab.labctl('tunnel', 'status');
  expect(status).toMatch(/^FAULT {6}isolation_lost: .*then restart this daemon$/m);
  expect(status).toContain(' NOT post-quantum: the interface is down, nothing passes');
  expect((await lab.labd.labctl('tunnel', 'status', '--check', '--local')).exitCode).toBe(1);
  const audit = JSON.stringify(await lab.labd.call('GET', '/api/audit?limit=500'));
  expect(audit).toContain('tunnel.device-isolation_lost');
  expect(await lab.reach(address, 1_000)).toBe(-1);
  await lab.endHub('SIGTERM');
  await lab.startHub();
  expect(await lab.reach(address, stepMs)).toBeGreaterThanOrEqual(0);
  expect(await lab.view()).not.toHaveProperty('fault');
  await site.untilActive(stepMs);
}

for (const backend of tunnelBackends) {
  const missing = tunnelLabMissing(backend);
  test.concurrent.skipIf(missing !== undefined)(
    `${backend}: the fourth change in a minute takes the tunnel down, and all say so${missing === undefined ? '' : ` (needs ${missing})`}`,
    async () => {
      await using lab = await TunnelLab.open(backend, ['site-a'], quick);
      const site = await lab.join('site-a');
      await site.start();
      await site.untilActive(stepMs);
      const address = (await lab.peer(site.name))?.address ?? '';
      await hubLosesIt(lab, site, address);
      await nodeLosesIt(lab, site, address);
      // By the session that this one began.
      await waitFor(async () => (await lab.peer(site.name))?.pq === 'active', stepMs);
    },
    testMs,
  );
}
