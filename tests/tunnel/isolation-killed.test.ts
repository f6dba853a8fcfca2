/**
 * A node's process that is killed takes its own table with it; its interface may stay. Nothing passes then, not even to
 * the proxy's port, and the next process or `labman post` leaves nothing behind (spec tunnel.md I4, I8, I13, N5; A11).
 */
import { thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { DeviceProcess } from '../harness/tunnel-device/device-process.ts';
import { takeSnapshot } from '../harness/tunnel-site/host-snapshot.ts';
import { isolationCases } from '../harness/tunnel-site/isolation-matrix.ts';
import { scanPorts } from '../harness/tunnel-site/scan-ports.ts';
import { addresses, proxyPort, TunnelSite } from '../harness/tunnel-site/tunnel-site.ts';
import { WatchedServices } from '../harness/tunnel-site/watched-services.ts';

const caseMs = 90_000;
const services = ['tcp/0.0.0.0/22', 'udp/0.0.0.0/53', `tcp/0.0.0.0/${proxyPort}`];

/** What `labman post` does about the interface. */
const remover = Bun.resolveSync('@labmesh/wireguard/devices/remove-leftovers', import.meta.dir);
const removal = `(await import(${JSON.stringify(remover)})).removeLeftovers({ name: 'labman0', alias: 'labmesh:labman' })`;

async function openKilled(backend: DeviceProcess['backend']) {
  const site = await TunnelSite.open(1);
  const before = await takeSnapshot(site.node);
  const device = await site.nodeDevice(backend, 'filter');
  await device.open();
  await device.ask('serve', {});
  await site.hostileHub(device);
  const url = `http://${addresses.nodeTunnel}:${proxyPort}/`;
  const call = () => site.hub.run('curl', '-sS', '-m', '3', url);
  for (let tries = 0; tries < 5 && (await call().catch(() => '')) !== 'proxy'; tries++);
  expect(await call()).toBe('proxy');
  await device.kill();
  return { site, before, device, call };
}

for (const { title, backend, isolation, missing } of isolationCases) {
  if (isolation !== 'filter') continue;
  describe.skipIf(missing !== undefined)(`${title}, killed`, () => {
    test(
      'nothing passes until a restart, which heals it and leaves nothing',
      async () => {
        const { site, before, device, call } = await openKilled(backend);
        await using _site = site;
        const stands = (await site.node.run('ip', '-oneline', 'link')).includes('labman0');
        // The interface of our own data plane ends with its process.
        expect(stands).toBe(backend !== 'native');
        const watched = await WatchedServices.start(site.node, services);
        expect(await thrower(call())).toThrow(/timed out|unreachable/i);
        const common = {
          from: site.hub,
          by: 'labhub0',
          sources: [addresses.hubTunnel],
          ports: [22, 53, proxyPort],
          paced: false,
        };
        const targets = [addresses.nodeTunnel, addresses.nodeLan, addresses.node, addresses.lan];
        for (const protocol of ['tcp', 'udp'] as const)
          expect((await scanPorts({ ...common, targets, protocol })).open).toEqual([]);
        expect(await thrower(site.hub.run('ping', '-c', '2', '-W', '1', addresses.nodeTunnel))).toThrow();
        expect(await watched.served()).toEqual([]);
        await watched[Symbol.asyncDispose]();
        const tables = (await site.node.run('nft', 'list', 'tables')).split('\n');
        expect(tables.filter((line) => line.includes('labman'))).toEqual(stands ? ['table inet labman-kept'] : []);

        const again = site.keep(await DeviceProcess.start(site.node, device.config, backend));
        await again.open();
        await again.ask('serve', {});
        await site.node.run('nft', 'list', 'table', 'inet', 'labman');
        await again.close();
        expect(await takeSnapshot(site.node)).toEqual(before);
      },
      caseMs,
    );

    // Our own data plane goes with its process: nothing is left that the table would hold.
    if (backend === 'native') return;
    test(
      'the kept table alone is what holds: without it the machine is open; `labman post` removes both',
      async () => {
        const { site, before, call } = await openKilled(backend);
        await using _site = site;
        await using watched = await WatchedServices.start(site.node, services);
        expect(await thrower(call())).toThrow('timed out');
        await site.node.run('nft', 'delete', 'table', 'inet', 'labman-kept');
        await call().catch(() => '');
        expect(await watched.served()).toEqual([`tcp/0.0.0.0/${proxyPort} from ${addresses.hubTunnel}`]);
        await site.node.run(process.execPath, '-e', removal);
        expect(await takeSnapshot(site.node)).toEqual(before);
      },
      caseMs,
    );
  });
}
