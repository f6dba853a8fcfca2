/** What a device refuses before it touches anything: hostile addresses, missing rights (spec tunnel.md I5, I10, N6; A11, A17). */
import { errorOf } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { DeviceConfig } from '@labmesh/wireguard/tunnel-device';
import { type HostSnapshot, takeSnapshot } from '../harness/tunnel-site/host-snapshot.ts';
import { isolationCases, siteMissing } from '../harness/tunnel-site/isolation-matrix.ts';
import { addresses, freshKey, hubPort, proxyPort, TunnelSite } from '../harness/tunnel-site/tunnel-site.ts';

const caseMs = 60_000;
const refused = { code: 'TUNNEL_ADDRESS_REFUSED' };
const hubAt = (hubAddress: string): Partial<DeviceConfig> => ({ role: { kind: 'node', hubAddress, proxyPort } });
const wide = { range: '0.0.0.0/0' };

/** Answers of a hub that wants more than a tunnel (I10), and the rule that each breaks. */
const hostile: [rule: string, Partial<DeviceConfig>][] = [
  ['address outside of the range', { address: '192.168.1.5' }],
  ['hub outside of the range', hubAt('203.0.113.4')],
  ['address with a prefix', { address: '192.168.1.5/24', ...wide }],
  ['address in the LAN', { address: '192.168.7.99', ...wide }],
  ['address of this machine', { address: addresses.nodeLan, ...wide }],
  ['hub in the LAN', { ...hubAt(addresses.lan), ...wide }],
  ['hub is the gateway', { ...hubAt('10.99.0.3'), ...wide }],
  ['hub is the loopback address', { ...hubAt('127.0.0.1'), ...wide }],
  ['hub and own address are one', hubAt(addresses.nodeTunnel)],
  ['MTU too large', { mtu: 65_535 }],
  ['MTU too small', { mtu: 576 }],
  ['range that is none', { range: '10.90.0.0/99' }],
];

describe.skipIf(siteMissing !== undefined)(`a hub that wants more (needs ${siteMissing ?? 'root'})`, () => {
  let site: TunnelSite;
  let before: HostSnapshot;
  beforeAll(async () => {
    site = await TunnelSite.open(0);
    before = await takeSnapshot(site.node);
  }, caseMs);
  afterAll(() => site[Symbol.asyncDispose](), caseMs);

  test.each(hostile)(
    '%s: refused, nothing changed (I10)',
    async (_rule, wanted) => {
      await using device = await site.nodeDevice('native', 'netns', wanted);
      expect(await errorOf(device.open())).toMatchObject(refused);
      expect(await takeSnapshot(site.node)).toEqual(before);
    },
    caseMs,
  );

  test(
    'a peer gets its /32 and nothing more; an endpoint within the tunnel is refused',
    async () => {
      await using device = await site.nodeDevice('native', 'netns');
      await device.open();
      const peer = { publicKey: freshKey(), presharedKey: freshKey(), keepaliveS: 25 };
      for (const address of ['192.168.7.10', '0.0.0.0', addresses.nodeTunnel, '10.90.0.7']) {
        expect(await errorOf(device.setPeer({ ...peer, address }))).toMatchObject(refused);
      }
      for (const address of [addresses.nodeTunnel, addresses.hubTunnel, '10.90.3.4']) {
        const endpoint = { address, port: hubPort };
        const within = device.setPeer({ ...peer, address: addresses.hubTunnel, endpoint });
        expect(await errorOf(within)).toMatchObject(refused);
      }
      expect(await device.peers()).toEqual([]);
      await device.close();
      expect(await takeSnapshot(site.node)).toEqual(before);
    },
    caseMs,
  );
});

for (const { title, backend, isolation, missing } of isolationCases) {
  describe.skipIf(missing !== undefined || Bun.which('capsh') === null)(`${title} (needs capsh of libcap2-bin)`, () => {
    const rights: [string[], boolean][] = [
      [['cap_net_admin', 'cap_sys_admin'], false],
      [['cap_net_admin'], false],
      [['cap_sys_admin'], isolation === 'filter'],
    ];
    test.each(rights)(
      'without %j (N6)',
      async (dropped, opens) => {
        await using site = await TunnelSite.open(0);
        const before = await takeSnapshot(site.node);
        const prefix = ['capsh', `--drop=${dropped.join(',')}`, '--', '-c', 'exec "$@"', '-'];
        const device = await site.nodeDevice(backend, isolation, {}, prefix);
        if (opens) {
          await device.open();
          await device.close();
        } else {
          const failure: unknown = await device.open().then(
            () => undefined,
            (error: unknown) => error,
          );
          expect(failure).toMatchObject({ exitCode: 5 });
          expect((failure as Error).message).toMatch(/CAP_(?:NET|SYS)_ADMIN/);
          if (backend === 'wireguard-go') await site.node.run('ip', 'link', 'del', 'labman0').catch(() => undefined);
        }
        expect(await takeSnapshot(site.node)).toEqual(before);
      },
      caseMs,
    );
  });

  test.skipIf(missing !== undefined || Bun.which('strace') === null)(
    `${title}: no process is started (A17; needs strace)`,
    async () => {
      await using site = await TunnelSite.open(0);
      const trace = `/tmp/labmesh-execve-${crypto.randomUUID()}`;
      const prefix = ['strace', '-f', '-qq', '-e', 'trace=execve,execveat,fork,vfork', '-o', trace];
      const device = await site.nodeDevice(backend, isolation, {}, prefix);
      await device.open();
      await device.ask('serve', {});
      await site.hostileHub(device);
      const url = `http://${addresses.nodeTunnel}:${proxyPort}/`;
      expect(await site.hub.run('curl', '-sS', '-m', '20', '--retry', '3', '--retry-all-errors', url)).toBe('proxy');
      await device.close();
      await device[Symbol.asyncDispose]();
      const lines = (await Bun.file(trace).text()).split('\n').filter((line) => line.includes('exec'));
      await Bun.file(trace).delete();
      expect(lines).toHaveLength(1);
      expect(lines[0]).toContain('bun');
    },
    caseMs,
  );
}
