/**
 * Daemons that die, freeze, move and lose a port (tunnel P7, N3, N5, N7, H2, Q1, Q6, Q7): what is down comes back by itself,
 * and nothing passes without a key meanwhile.
 *
 *     LABMESH_FROZEN_S=600 bun test tests/tunnel-outages.test.ts --timeout 1800000
 */
import { expect, test } from 'bun:test';
import { waitFor } from './harness/fleet/look.ts';
import type { EngineSettings } from './harness/tunnel-daemons/engine-process.ts';
import type { SiteNode } from './harness/tunnel-daemons/site-node.ts';
import {
  dropAt,
  dropNothing,
  proxyPort,
  tunnelBackends,
  TunnelLab,
  tunnelLabMissing,
} from './harness/tunnel-daemons/tunnel-lab.ts';

/** How long labmand is suspended. */
const frozenS = Number(process.env['LABMESH_FROZEN_S'] ?? 20);
const testMs = 150_000 + 2 * frozenS * 1_000;
/** Q5, from a start or an exchange on. */
const healMs = 12_000;
/** A keepalive of the node's WireGuard tells the hub where it is now. */
const moveMs = 25_000 + healMs;
/** A heartbeat, a registration, an exchange and a handshake. */
const lostHubMs = 20_000;
/** A session that was lost would take longer; less is the load of this machine. */
const breakMs = 1_500;
const quick = ['heartbeat_s = 1'];

async function backWithin(lab: TunnelLab, address: string, what: string, withinMs: number): Promise<void> {
  const ms = await lab.reach(address, withinMs);
  console.log(`${lab.backend}: ${what}, back after ms:`, ms);
  expect(ms).toBeGreaterThanOrEqual(0);
}

async function openOne(lab: TunnelLab, engine?: EngineSettings): Promise<{ site: SiteNode; address: string }> {
  const site = await lab.join('site-a', { ...(engine && { engine }) });
  await site.start();
  await site.untilActive();
  return { site, address: (await lab.peer('site-a'))?.address ?? '' };
}

/** L3, N5: what a killed process left is dealt with, and the Conplane is not needed. */
async function labmandIsKilled(lab: TunnelLab, site: SiteNode, address: string): Promise<void> {
  await lab.run('conplane', 'nft', dropAt('tcp dport 3102'));
  await site.end('SIGKILL');
  await site.start();
  await backWithin(lab, address, 'labmand killed and started', healMs);
  await site.untilActive();
  await lab.run('conplane', 'nft', dropNothing);
  expect(await lab.peer('site-a')).toMatchObject({ address });
}

/** I4: its own table goes with the process, the interface may stay; nothing is reached by it, and the next labmand clears up. */
async function filteredLabmandIsKilled(lab: TunnelLab, site: SiteNode, address: string): Promise<void> {
  const stays = lab.backend === 'wireguard-go';
  const { interfaceName } = site.settings;
  const tables = async () => (await lab.run(site.name, 'nft', 'list', 'tables')).trim();
  const live = `table inet labmesh-${interfaceName}`;
  expect(await tables()).toBe(stays ? `${live}\n${live}-kept` : live);
  await site.end('SIGKILL');
  expect((await lab.run(site.name, 'ip', '-br', 'link')).includes(interfaceName)).toBe(stays);
  expect(await tables()).toBe(stays ? `${live}-kept` : '');
  // Whatever takes the proxy's port now is not the proxy.
  await lab.serve(site.name, proxyPort);
  await lab.serve(site.name, 2_222);
  expect(await lab.openPorts(address, [proxyPort, 2_222])).toEqual([]);
  expect(await lab.openPorts(lab.net.address(site.name), [2_222])).toEqual([2_222]);
}

/** N3. */
async function siteMoves(lab: TunnelLab, site: SiteNode, address: string): Promise<void> {
  const [old, moved] = [lab.net.address('site-a'), '10.99.0.77'];
  const exchanges = (await site.hub())?.exchanges ?? 0;
  await lab.run('site-a', 'ip', 'addr', 'flush', 'dev', 'eth0');
  await Bun.sleep(1_500);
  await lab.run('site-a', 'ip', 'addr', 'add', `${moved}/24`, 'dev', 'eth0');
  await waitFor(async () => ((await site.hub())?.exchanges ?? 0) > exchanges, healMs);
  await backWithin(lab, address, `moved from ${old} to ${moved}`, moveMs);
  // The device is looked at every 5 s.
  await waitFor(async () => (await lab.peer('site-a'))?.endpoint?.startsWith(`${moved}:`) === true);
}

/** As a container brings one: the session is none of its business. */
async function hostGetsAnotherAddress(lab: TunnelLab, site: SiteNode, address: string): Promise<void> {
  const cuts = () => site.said.split('traffic is cut').length;
  const before = cuts();
  const exchanges = (await site.hub())?.exchanges ?? 0;
  await lab.run('site-a', 'ip', 'link', 'add', 'box0', 'type', 'veth', 'peer', 'name', 'box1');
  await lab.run('site-a', 'ip', 'addr', 'add', '172.31.9.1/24', 'dev', 'box0');
  for (const end of ['box0', 'box1']) await lab.run('site-a', 'ip', 'link', 'set', end, 'up');
  await waitFor(async () => ((await site.hub())?.exchanges ?? 0) > exchanges);
  expect(await lab.reach(address, 0)).toBeGreaterThanOrEqual(0);
  expect(cuts()).toBe(before);
}

/** H2: the kernel's or wireguard-go's sessions outlive labd, whoever uses them meanwhile; our own end with it. */
async function labdRestartsInOrder(lab: TunnelLab, site: SiteNode, address: string): Promise<void> {
  const handshakeAt = async () => {
    const { handshakeAgeS } = (await lab.peer(site.name)) ?? {};
    return Date.now() / 1_000 - (handshakeAgeS ?? Number.NaN);
  };
  await waitFor(async () => (await lab.peer(site.name))?.pq === 'active', lostHubMs);
  const before = await handshakeAt();
  const reading = lab.chat(address);
  await Bun.sleep(1_000);
  await lab.endHub('SIGTERM');
  const stays = lab.backend === 'wireguard-go';
  const links = await lab.run('conplane', 'ip', '-br', 'link');
  expect(links.includes(lab.interfaceName)).toBe(stays);
  if (stays) {
    expect(await lab.reach(address, 0)).toBeGreaterThanOrEqual(0);
    expect((await lab.run('conplane', 'nft', 'list', 'tables')).trim()).toEndWith('-kept');
  }
  await lab.startHub();
  if (stays) {
    // The device is looked at every second for a while.
    await waitFor(async () => Number.isFinite(await handshakeAt()), healMs);
    expect(Math.abs((await handshakeAt()) - before)).toBeLessThan(1.5);
  }
  const seen = await reading;
  console.log(`${lab.backend}: a stream while labd restarts in order:`, seen);
  if (stays) expect(seen).toMatchObject({ status: 200, isWhole: true });
  if (stays) expect(seen.gapMs).toBeLessThan(breakMs);
  await backWithin(lab, address, 'labd ended and started', lostHubMs);
  await site.untilActive(lostHubMs);
  expect((await site.labman('tunnel', 'exchange')).exitCode).toBe(0);
  // V1: this labd has seen no handshake with its key yet, where the session is older than it; and says so.
  const verdict = async () => {
    const { pq, pqReason } = (await lab.peer(site.name)) ?? {};
    return `${pq}: ${pqReason}`;
  };
  // A moment after the site has its key the hub has it.
  await waitFor(async () => (await verdict()) !== 'stale: no_exchange', lostHubMs);
  expect(await verdict()).toBe(stays ? 'stale: session_predates_key' : 'active: ok');
}

async function labmandIsFrozen(lab: TunnelLab, site: SiteNode, address: string): Promise<void> {
  site.daemon.signal('SIGSTOP');
  await Bun.sleep(frozenS * 1_000);
  site.daemon.signal('SIGCONT');
  await backWithin(lab, address, `frozen for ${frozenS} s`, healMs);
  await site.untilActive();
}

/** Nothing has passed: no handshake ended, nothing is answered, and both ends say so. */
async function passesNothing(lab: TunnelLab, site: SiteNode): Promise<void> {
  const [hub, peer] = [await site.hub(), await lab.peer(site.name)];
  for (const seen of [hub, peer]) expect(seen).toMatchObject({ handshakeAgeS: null, exchanges: 0 });
  expect(await lab.reach(peer?.address ?? '', 1_000)).toBe(-1);
  expect((await site.labman('tunnel', 'status', '--check')).exitCode).toBe(1);
}

for (const backend of tunnelBackends) {
  const missing = tunnelLabMissing(backend);
  const needs = missing === undefined ? '' : ` (needs ${missing})`;
  const story = (name: string, hosts: readonly string[], run: (lab: TunnelLab) => Promise<void>) =>
    test.concurrent.skipIf(missing !== undefined)(
      `${backend}: ${name}${needs}`,
      async () => {
        await using lab = await TunnelLab.open(backend, hosts, quick);
        await run(lab);
      },
      testMs,
    );

  story('labmand is killed, then moved, and comes back', ['site-a'], async (lab) => {
    const { site, address } = await openOne(lab);
    await labmandIsKilled(lab, site, address);
    await hostGetsAnotherAddress(lab, site, address);
    await siteMoves(lab, site, address);
  });

  story('labd is killed, labmand frozen: sessions come back by themselves', ['site-a'], async (lab) => {
    const { site, address } = await openOne(lab);
    const { pid } = site.daemon;
    await lab.endHub('SIGKILL');
    await lab.startHub();
    await backWithin(lab, address, 'labd killed and started', lostHubMs);
    expect(site.daemon.pid).toBe(pid);
    await labmandIsFrozen(lab, site, address);
  });

  story('labmand is killed behind its filter: nothing passes', ['site-a', 'site-b'], async (lab) => {
    const sites = [];
    for (const name of ['site-a', 'site-b']) {
      const site = await lab.join(name, { wireguard: ['isolation = "filter"'] });
      await site.start();
      await site.untilActive();
      sites.push({ site, address: (await lab.peer(name))?.address ?? '' });
    }
    const [first, second] = sites;
    if (first === undefined || second === undefined) throw new Error('two sites were joined');
    await filteredLabmandIsKilled(lab, first.site, first.address);
    await second.site.end('SIGKILL');
    await second.site.start();
    await backWithin(lab, second.address, 'labmand killed behind its filter and started', healMs);
    await second.site.end('SIGTERM');
    expect((await lab.run('site-b', 'nft', 'list', 'tables')).trim()).toBe('');
    // wireguard-go's service has a fresh one ready, which bears no mark of ours.
    expect(await lab.run('site-b', 'ip', '-details', 'link')).not.toContain('labmesh:labman');
  });

  story('labd is ended and started in order: sessions stay where they can', ['site-a'], async (lab) => {
    const { site, address } = await openOne(lab, { tokens: 150, tokenDelayMs: 100 });
    await labdRestartsInOrder(lab, site, address);
  });

  story(
    'without an exchange nothing passes, strict or permissive at one end',
    ['strict', 'permissive'],
    async (lab) => {
      await lab.run('conplane', 'nft', dropAt('udp dport 9999'));
      const sites = [await lab.join('strict')];
      sites.push(await lab.join('permissive', { wireguard: ['require_pq = false', 'fallback_after_s = 10'] }));
      await Promise.all(sites.map((site) => site.start()));
      await sites[1]?.daemon.says('fell back to plain WireGuard');
      await Bun.sleep(6_000);
      for (const site of sites) await passesNothing(lab, site);
      await lab.run('conplane', 'nft', dropNothing);
      for (const site of sites) {
        await site.labman('tunnel', 'exchange');
        await site.untilActive();
        await backWithin(lab, (await lab.peer(site.name))?.address ?? '', 'UDP 9999 let through', healMs);
      }
    },
  );
}
