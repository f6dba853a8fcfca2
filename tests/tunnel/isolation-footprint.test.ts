/**
 * What a tunnel leaves on its host: one interface with one address and nothing else, while it runs and when it is gone,
 * however it went (spec tunnel.md I1, I2, I7, I12; N5; A11).
 */
import { errorOf, thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import type { DeviceProcess } from '../harness/tunnel-device/device-process.ts';
import { runInside } from '../harness/tunnel-device/inside-device.ts';
import { takeSnapshot } from '../harness/tunnel-site/host-snapshot.ts';
import { isolationCases } from '../harness/tunnel-site/isolation-matrix.ts';
import { addresses, proxyPort, TunnelSite } from '../harness/tunnel-site/tunnel-site.ts';

const caseMs = 60_000;
const ours = { name: 'labman0', table: 'labman' };

async function eventually(holds: () => Promise<boolean>, withinMs = 3_000): Promise<void> {
  for (const end = performance.now() + withinMs; performance.now() < end; await Bun.sleep(20))
    if (await holds()) return;
  throw new Error('it did not come to be');
}

/** The link, its one address, its two routes and its settings, as the kernel has them. */
async function checkInterface(device: DeviceProcess): Promise<void> {
  const inside = (...argv: string[]) => runInside(device, ...argv);
  const link = await inside('ip', '-details', 'link', 'show', 'labman0');
  expect(link).toContain('alias labmesh:labman');
  expect(link).toContain('mtu 1420');
  const found = await inside('ip', '-oneline', 'address', 'show', 'dev', 'labman0');
  expect(found.trim().split('\n')).toHaveLength(1);
  expect(found).toContain('inet 10.90.0.2 peer 10.90.0.1/32 ');
  const routes = await inside('ip', 'route', 'show', 'table', 'all', 'dev', 'labman0');
  const lines = routes.split('\n').map((line) => line.trim().replaceAll(/\s+/g, ' '));
  // The kernel made both by itself (I2).
  expect(lines.filter((line) => line !== '')).toEqual([
    '10.90.0.1 proto kernel scope link src 10.90.0.2',
    'local 10.90.0.2 table local proto kernel scope host src 10.90.0.2',
  ]);
  expect(await inside('ip', '-6', 'route', 'show', 'table', 'all', 'dev', 'labman0')).toBe('');
  expect(await inside('cat', '/proc/sys/net/ipv4/conf/labman0/forwarding')).toBe('0\n');
  expect(await changedSettings(device)).toEqual(new Set(['net.ipv6.conf.labman0.disable_ipv6']));
}

/** The interface's settings that are not as its namespace gives them to any interface, but for what was written to 0. */
async function changedSettings(device: DeviceProcess): Promise<Set<string>> {
  const text = await runInside(device, 'sh', '-c', 'sysctl -a 2>/dev/null | grep "^net.ipv[46].conf."');
  const all = new Map(text.split('\n').map((line) => line.split(' = ') as [string, string]));
  // The kernel itself gives an interface without link addresses no keys, and an MTU of its own.
  const natural = /\.(?:forwarding|mtu|stable_secret|addr_gen_mode|autoconf|accept_ra|accept_dad|use_tempaddr)$/;
  const own = [...all].filter(([name]) => name.includes('.labman0.') && !natural.test(name));
  expect(own.length).toBeGreaterThan(40);
  return new Set(
    own.flatMap(([name, value]) => (all.get(name.replace('.labman0.', '.default.')) === value ? [] : [name])),
  );
}

for (const { title, backend, isolation, missing } of isolationCases) {
  describe.skipIf(missing !== undefined)(title, () => {
    test.each([0, 1] as const)(
      'one interface, one address; all else is as it was before, while and after (I1, I2, I7), ip_forward %i',
      async (forwarding) => {
        await using site = await TunnelSite.open(forwarding);
        const before = await takeSnapshot(site.node);
        const device = await site.nodeDevice(backend, isolation);
        await device.open();
        await device.ask('serve', {});
        await site.hostileHub(device);
        const url = `http://${addresses.nodeTunnel}:${proxyPort}/`;
        expect(await site.hub.run('curl', '-sS', '-m', '10', url)).toBe('proxy');
        expect(await takeSnapshot(site.node, ours)).toEqual(before);
        await checkInterface(device);
        expect(await device.ask('strayThreads', {})).toEqual([]);
        if (isolation === 'netns') {
          expect(await site.node.run('ip', '-oneline', 'link')).not.toContain('labman0');
          expect((await runInside(device, 'ip', '-oneline', 'link')).trim().split('\n')).toHaveLength(2);
          expect(await runInside(device, 'cat', '/proc/sys/net/ipv4/ip_forward')).toBe('0\n');
        }
        await device.close();
        expect(await takeSnapshot(site.node)).toEqual(before);
        expect(await device.events()).toEqual([]);
      },
      caseMs,
    );

    test(
      'a /128 is the only address of an IPv6 tunnel, too (I1)',
      async () => {
        await using site = await TunnelSite.open(0);
        const before = await takeSnapshot(site.node);
        const [own, peer, range] = ['fd00:90::2', 'fd00:90::1', 'fd00:90::/64'];
        const hub = await site.hubDevice('native', { address: peer, range });
        await hub.open();
        const role = { kind: 'node', hubAddress: peer, proxyPort } as const;
        const device = await site.nodeDevice(backend, isolation, { address: own, range, role });
        await device.open();
        await device.ask('serve', {});
        await site.introduce(hub, device);
        const url = `http://[${own}]:${proxyPort}/`;
        expect(await site.hub.run('curl', '-sS', '-m', '20', '--retry', '3', '--retry-all-errors', url)).toBe('proxy');
        const found = await runInside(device, 'ip', '-oneline', 'address', 'show', 'dev', 'labman0');
        expect(found.trim().split('\n')).toHaveLength(1);
        expect(found).toContain(`inet6 ${own} peer ${peer}/128 `);
        expect(await runInside(device, 'cat', '/proc/sys/net/ipv6/conf/labman0/addr_gen_mode')).toBe('1\n');
        expect(await takeSnapshot(site.node, ours)).toEqual(before);
        await device.close();
        expect(await takeSnapshot(site.node)).toEqual(before);
      },
      caseMs,
    );

    test(
      'a killed process leaves nothing but what `post` removes (N5)',
      async () => {
        await using site = await TunnelSite.open(1);
        const before = await takeSnapshot(site.node);
        const device = await site.nodeDevice(backend, isolation);
        await device.open();
        await device.ask('serve', {});
        await site.hostileHub(device);
        const sweeper = await site.nodeDevice('native', 'none', { name: 'labsweep0' });
        await device.kill();
        const isLeft = isolation === 'filter' && backend !== 'native';
        const hasLink = async () => (await site.node.run('ip', '-oneline', 'link')).includes('labman0');
        if (!isLeft) await eventually(async () => !(await hasLink()));
        expect(await hasLink()).toBe(isLeft);
        const mark = { name: 'labman0', alias: 'labmesh:labman' };
        expect(await sweeper.ask('removeLeftovers', { ...mark, alias: 'labmesh:labd' })).toEqual([]);
        expect(await sweeper.ask('removeLeftovers', mark)).toEqual(
          isLeft ? ['interface labman0', 'nf_tables table inet labman-kept'] : [],
        );
        expect(await sweeper.ask('removeLeftovers', mark)).toEqual([]);
        expect(await takeSnapshot(site.node)).toEqual(before);
      },
      caseMs,
    );

    test(
      'a foreign interface of that name is never touched (I12)',
      async () => {
        await using site = await TunnelSite.open(0);
        const device = await site.nodeDevice(backend, isolation);
        if (backend === 'wireguard-go') await site.node.run('ip', 'link', 'del', 'labman0');
        await site.node.run('ip', 'link', 'add', 'labman0', 'type', 'bridge');
        await site.node.run('ip', 'address', 'add', '192.168.55.1/24', 'dev', 'labman0');
        const before = await takeSnapshot(site.node);
        const taken = { code: 'TUNNEL_NAME_TAKEN', exitCode: 6 };
        expect(await errorOf(device.open())).toMatchObject(taken);
        await site.node.run('ip', 'link', 'set', 'labman0', 'alias', 'labmesh:labd');
        const again = await site.nodeDevice('native', isolation);
        expect(await errorOf(again.open())).toMatchObject(taken);
        expect(await thrower(again.open())).toThrow("marked 'labmesh:labd'");
        for (const each of [device, again]) await each.close();
        await site.node.run('ip', 'link', 'set', 'labman0', 'alias', '');
        expect(await takeSnapshot(site.node)).toEqual(before);
        await again.ask('removeLeftovers', { name: 'labman0', alias: 'labmesh:labman' });
        expect(await takeSnapshot(site.node)).toEqual(before);
      },
      caseMs,
    );

    if (isolation === 'netns') return;
    test(
      'closing does not delete an interface that somebody put in our place (I12)',
      async () => {
        await using site = await TunnelSite.open(0);
        const device = await site.nodeDevice(backend, isolation);
        await device.open();
        process.kill(device.pid, 'SIGSTOP');
        await site.node.run('ip', 'link', 'del', 'labman0');
        await site.node.run('ip', 'link', 'add', 'labman0', 'type', 'bridge');
        const closing = device.close();
        process.kill(device.pid, 'SIGCONT');
        await closing;
        expect(await site.node.run('ip', '-details', 'link', 'show', 'labman0')).toContain('bridge');
      },
      caseMs,
    );
  });
}
