/**
 * Others change what the isolation stands on while the tunnel runs: it is put right, or the tunnel goes down (spec
 * tunnel.md N9, I9, I13; A11).
 */
import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { DeviceProcess } from '../harness/tunnel-device/device-process.ts';
import type { TimedEvent } from '../harness/tunnel-device/device-wire.ts';
import { runInside } from '../harness/tunnel-device/inside-device.ts';
import { isolationCases } from '../harness/tunnel-site/isolation-matrix.ts';
import { scanPorts } from '../harness/tunnel-site/scan-ports.ts';
import { addresses, proxyPort, TunnelSite } from '../harness/tunnel-site/tunnel-site.ts';
import { WatchedServices } from '../harness/tunnel-site/watched-services.ts';

const caseMs = 60_000;

async function openCase(
  backend: DeviceProcess['backend'],
  isolation: 'netns' | 'filter',
  { forwarding = 0, tableOwner = true }: { forwarding?: 0 | 1; tableOwner?: boolean } = {},
) {
  const site = await TunnelSite.open(forwarding);
  const device = await site.nodeDevice(backend, isolation);
  await device.open(tableOwner);
  await device.ask('serve', {});
  await site.hostileHub(device);
  const proxyAnswers = async () => {
    const url = `http://${addresses.nodeTunnel}:${proxyPort}/`;
    return (await site.hub.run('curl', '-sS', '-m', '20', '--retry', '3', '--retry-all-errors', url)) === 'proxy';
  };
  const inside = (...argv: string[]) => runInside(device, ...argv);
  return { site, device, proxyAnswers, inside };
}

/** Waits until an event fits; gives how long after `sinceMs` it was. */
async function eventAfter(
  device: DeviceProcess,
  sinceMs: number,
  fits: (event: TimedEvent) => boolean,
  withinMs: number,
): Promise<number> {
  const seen: TimedEvent[] = [];
  for (const end = Date.now() + withinMs; Date.now() < end; await Bun.sleep(20)) {
    seen.push(...(await device.events()));
    const found = seen.find(fits);
    if (found !== undefined) return found.atMs - sinceMs;
  }
  throw new Error(`no such event, but ${JSON.stringify(seen)}`);
}

const isChange = (what: string) => (event: TimedEvent) =>
  event.kind === 'changed' && event.what === what && event.restored;

for (const { title, backend, isolation, missing } of isolationCases) {
  if (isolation === 'none') continue;
  describe.skipIf(missing !== undefined)(title, () => {
    let opened: Awaited<ReturnType<typeof openCase>>;
    beforeAll(async () => {
      opened = await openCase(backend, isolation);
    }, caseMs);
    afterAll(() => opened.site[Symbol.asyncDispose](), caseMs);

    const changes: [what: string, argv: string[], repaired: (text: string) => boolean][] = [
      ['link', ['link', 'set', 'labman0', 'down'], (text) => /[<,]UP[,>]/.test(text)],
      ['mtu', ['link', 'set', 'labman0', 'mtu', '1300'], (text) => text.includes('mtu 1420')],
      ['address', ['address', 'add', '192.168.1.5/24', 'dev', 'labman0'], (text) => !text.includes('192.168.1.5')],
    ];
    test.each(changes)(
      'another %s is put right within 2 s (N9)',
      async (what, argv, repaired) => {
        const { device, inside, proxyAnswers } = opened;
        const since = Date.now();
        await inside('ip', ...argv);
        expect(await eventAfter(device, since, isChange(what), 2_000)).toBeLessThan(2_000);
        expect(repaired(await inside('ip', 'address', 'show', 'dev', 'labman0'))).toBe(true);
        expect(await proxyAnswers()).toBe(true);
      },
      caseMs,
    );

    test(
      'the fourth change in a minute takes the tunnel down (N9)',
      async () => {
        const { device, inside } = opened;
        const since = Date.now();
        await inside('ip', 'address', 'del', '10.90.0.2', 'peer', '10.90.0.1', 'dev', 'labman0');
        const isLost = (event: TimedEvent) => event.kind === 'isolation_lost';
        expect(await eventAfter(device, since, isLost, 2_000)).toBeLessThan(2_000);
        expect(await inside('ip', 'link', 'show', 'labman0')).not.toMatch(/[<,]UP[,>]/);
      },
      caseMs,
    );
  });

  describe.skipIf(missing !== undefined)(`${title}, others`, () => {
    test(
      'an interface that was deleted is told at once (N9); an IPv6 address of its own goes again (I1)',
      async () => {
        const { site, device, inside } = await openCase(backend, isolation);
        await using _site = site;
        await inside('sh', '-c', 'echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6');
        await inside('ip', 'address', 'add', 'fd77::1/64', 'dev', 'labman0').catch(() => undefined);
        const isQuiet = async () => !(await inside('ip', '-6', 'address', 'show', 'dev', 'labman0')).includes('inet6');
        for (let tries = 0; tries < 50 && !(await isQuiet()); tries++) await Bun.sleep(40);
        expect(await isQuiet()).toBe(true);
        const since = Date.now();
        await inside('ip', 'link', 'del', 'labman0');
        expect(await eventAfter(device, since, ({ kind }) => kind === 'gone', 2_000)).toBeLessThan(2_000);
        await device.close();
      },
      caseMs,
    );

    test(
      'forwarding that is switched on for all is off again within 100 ms, and passes nothing meanwhile (I9)',
      async () => {
        const { site, device, inside, proxyAnswers } = await openCase(backend, isolation);
        await using _site = site;
        const lan = site.keep(await WatchedServices.start(site.lan, ['tcp/0.0.0.0/80', 'udp/0.0.0.0/53']));
        const own = '/proc/sys/net/ipv4/conf/labman0/forwarding';
        const toggle = async () => {
          await inside('sh', '-c', 'echo 0 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/ip_forward');
          const since = Date.now();
          return eventAfter(device, since, isChange('forwarding'), 1_000);
        };
        for (let times = 0; times < 10; times++) expect(await toggle()).toBeLessThanOrEqual(100);
        expect(await inside('cat', own)).toBe('0\n');
        expect(await inside('cat', '/proc/sys/net/ipv4/ip_forward')).toBe('1\n');
        const common = { from: site.hub, by: 'labhub0', sources: [addresses.hubTunnel], targets: [addresses.lan] };
        const scanning = scanPorts({ ...common, protocol: 'udp', ports: 'all' });
        let ended = false;
        const end = () => {
          ended = true;
        };
        void scanning.then(end, end);
        while (!ended) await toggle();
        expect(await scanning).toMatchObject({ open: [], sent: 65_535 });
        expect(await lan.served()).toEqual([]);
        expect(await proxyAnswers()).toBe(true);
      },
      caseMs,
    );
  });

  if (isolation !== 'filter') continue;
  describe.skipIf(missing !== undefined)(`${title}, tables`, () => {
    test(
      '`nft flush ruleset` and deletion leave our table (I13)',
      async () => {
        const { site, device, proxyAnswers } = await openCase(backend, isolation, { forwarding: 1 });
        await using _site = site;
        const before = await site.node.run('nft', 'list', 'table', 'inet', 'labman');
        await site.node.run('nft', 'flush', 'ruleset');
        const deleting = site.node.run('nft', 'delete', 'table', 'inet', 'labman');
        expect(await thrower(deleting)).toThrow('Operation not permitted');
        // The one that is kept for after our end has no owner; it comes back. Our own data plane needs none.
        const kept = backend === 'native' ? [] : ['table inet labman-kept'];
        const tables = async () => (await site.node.run('nft', 'list', 'tables')).split('\n').filter(Boolean);
        const flushed = ['table inet labman', ...kept];
        for (let tries = 0; tries < 50 && (await tables()).length < flushed.length; tries++) await Bun.sleep(40);
        expect(await tables()).toEqual(flushed);
        expect(await site.node.run('nft', 'list', 'table', 'inet', 'labman')).toBe(before);
        expect(await proxyAnswers()).toBe(true);
        const events = (await device.events()).map((event) => (event.kind === 'changed' ? event.what : event.kind));
        expect(events).toEqual(kept.map(() => 'table'));
        await device.kill();
        expect(await tables()).toEqual(kept);
      },
      caseMs,
    );

    test.each([
      ['deleted', ['delete', 'table', 'inet', 'labman']],
      ['flushed', ['flush', 'ruleset']],
      ['opened', ['insert', 'rule', 'inet', 'labman', 'input', 'accept']],
    ])(
      'without owners, a table that is %s takes the tunnel down within 1 s until it is back (I13)',
      async (_how, argv) => {
        const { site, device, proxyAnswers } = await openCase(backend, isolation, { tableOwner: false });
        await using _site = site;
        const services = site.keep(await WatchedServices.start(site.node, ['tcp/0.0.0.0/22', 'udp/0.0.0.0/53']));
        expect(device.isolationDetail).toContain('watched');
        const since = Date.now();
        await site.node.run('nft', ...argv);
        const kinds: string[] = [];
        const isBack = ({ kind }: TimedEvent) => kinds.push(kind) > 0 && kind === 'isolation_restored';
        expect(await eventAfter(device, since, isBack, 2_000)).toBeLessThan(1_000);
        expect(kinds).toEqual(['isolation_lost', 'isolation_restored']);
        expect(await site.node.run('nft', 'list', 'ruleset')).toContain('table inet labman');
        expect(await proxyAnswers()).toBe(true);
        const common = { from: site.hub, by: 'labhub0', sources: [addresses.hubTunnel], ports: [22, 53] };
        const targets = [addresses.nodeTunnel, addresses.nodeLan];
        for (const protocol of ['tcp', 'udp'] as const) {
          expect((await scanPorts({ ...common, targets, protocol })).open).toEqual([]);
        }
        expect(await services.served()).toEqual([]);
      },
      caseMs,
    );
  });
}
