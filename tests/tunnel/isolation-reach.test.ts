/**
 * What a hub that is not to be trusted reaches of a site: the proxy, and nothing else (spec tunnel.md I4, I8, I9, I11;
 * A11). The hub thinks all of the world is behind the node, and writes its packets itself.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { publicKeyOf } from '@labmesh/wireguard/noise/x25519';
import type { DeviceProcess } from '../harness/tunnel-device/device-process.ts';
import { isolationCases, siteMissing } from '../harness/tunnel-site/isolation-matrix.ts';
import { type Scan, scanPorts } from '../harness/tunnel-site/scan-ports.ts';
import { addresses, freshKey, hubPort, proxyPort, TunnelSite } from '../harness/tunnel-site/tunnel-site.ts';
import { WatchedServices } from '../harness/tunnel-site/watched-services.ts';

const openMs = 60_000;
const scanMs = 90_000;

/** What runs on the node for everybody, for its LAN, for itself. */
const nodeServices = [
  'tcp/0.0.0.0/22',
  `tcp/${addresses.nodeLan}/9000`,
  'tcp/127.0.0.1/631',
  'udp/0.0.0.0/5353',
  `udp/${addresses.nodeLan}/5000`,
  'udp/127.0.0.1/53',
];
const lanServices = ['tcp/0.0.0.0/80', `tcp/0.0.0.0/${proxyPort}`, 'udp/0.0.0.0/53'];
const tcpPorts = [22, 80, 631, 8081, 9000, proxyPort];
const udpPorts = [53, 5000, 5353, proxyPort];
/** Our packets inside of WireGuard. */
const wireBytes = { tcp: 80, udp: 64 };

type Protocol = 'tcp' | 'udp';

class Attack implements AsyncDisposable {
  readonly site: TunnelSite;
  readonly #services: readonly WatchedServices[];

  private constructor(site: TunnelSite, services: readonly WatchedServices[]) {
    this.site = site;
    this.#services = services;
  }

  static async open(forwarding: 0 | 1): Promise<Attack> {
    const site = await TunnelSite.open(forwarding);
    const node = site.keep(await WatchedServices.start(site.node, nodeServices));
    const lan = site.keep(await WatchedServices.start(site.lan, lanServices));
    return new Attack(site, [node, lan]);
  }

  /** From the hub, by its tunnel address if no other source is given. */
  scan(targets: readonly string[], protocol: Protocol, ports: 'all' | readonly number[], more: Partial<Scan> = {}) {
    const common = { from: this.site.hub, by: 'labhub0', sources: [addresses.hubTunnel] };
    return scanPorts({ ...common, targets, protocol, ports, ...more });
  }

  /** Whom the services of the site served since the last time. */
  async served(): Promise<string[]> {
    return (await Promise.all(this.#services.map((each) => each.served()))).flat();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.site[Symbol.asyncDispose]();
  }
}

// What the other tests do not find is there to be found.
test.skipIf(siteMissing !== undefined)(
  `without our device the hub reaches the node and its LAN (needs ${siteMissing ?? 'root'})`,
  async () => {
    await using attack = await Attack.open(1);
    const { site } = attack;
    const [psk, hubKey, nodeKey] = [freshKey(), freshKey(), freshKey()];
    const [hub, node] = [addresses.hubTunnel, addresses.nodeTunnel];
    await site.hostilePeer(site.hub, {
      name: 'labhub0',
      own: hub,
      peer: node,
      privateKey: hubKey,
      peerKey: publicKeyOf(nodeKey),
      psk,
    });
    await site.hostilePeer(site.node, {
      name: 'labman0',
      own: node,
      peer: hub,
      privateKey: nodeKey,
      peerKey: publicKeyOf(hubKey),
      psk,
      endpoint: `${addresses.hub}:${hubPort}`,
    });
    const [more, targets] = [{ paced: false }, [node, addresses.nodeLan, addresses.lan]];
    // The first packets wait for a handshake.
    await attack.scan([node], 'tcp', [1], more);
    const overTcp = ['10.90.0.2:22', '192.168.7.10:80', '192.168.7.10:8080', '192.168.7.1:22', '192.168.7.1:9000'];
    expect((await attack.scan(targets, 'tcp', tcpPorts, more)).open).toEqual(overTcp);
    // What listens on all addresses answers by the nearest.
    const overUdp = ['10.90.0.2:5353', '192.168.7.10:53', '192.168.7.1:5000'];
    expect((await attack.scan(targets, 'udp', udpPorts, more)).open).toEqual(overUdp);
    expect(await attack.served()).not.toEqual([]);
  },
  openMs,
);

for (const { title, backend, isolation, missing } of isolationCases) {
  for (const forwarding of [0, 1] as const) {
    describe.skipIf(missing !== undefined)(`${title}, ip_forward ${forwarding}`, () => {
      let attack: Attack;
      let device: DeviceProcess;

      beforeAll(async () => {
        attack = await Attack.open(forwarding);
        device = await attack.site.nodeDevice(backend, isolation);
        await device.open();
        await device.ask('serve', {});
        await attack.site.hostileHub(device);
      }, openMs);
      afterAll(() => attack[Symbol.asyncDispose](), openMs);

      const askProxy = () =>
        attack.site.hub.run('curl', '-sS', '-m', '10', `http://${addresses.nodeTunnel}:${proxyPort}/`);
      const received = async () => (await device.peers())[0]?.rxBytes ?? 0;

      test('the proxy answers', async () => expect(await askProxy()).toBe('proxy'), openMs);

      test.each(['tcp', 'udp'] as const)(
        'ports of tunnel, LAN and loopback address show only the proxy by %s (I8)',
        async (protocol) => {
          // With forwarding on there is more to be reached; without it, the known services must do.
          const ports = forwarding === 1 ? 'all' : protocol === 'tcp' ? tcpPorts : udpPorts;
          const targets = [addresses.nodeTunnel, addresses.nodeLan, '127.0.0.1'];
          const before = await received();
          const { open, sent } = await attack.scan(targets, protocol, ports);
          expect(open).toEqual(protocol === 'tcp' ? [`${addresses.nodeTunnel}:${proxyPort}`] : []);
          expect(sent).toBe(3 * (ports === 'all' ? 65_535 : ports.length));
          // All of it came through the tunnel.
          expect((await received()) - before).toBeGreaterThanOrEqual(sent * wireBytes[protocol]);
        },
        scanMs,
      );

      test(
        'neither the LAN nor the world behind the node answers (I9)',
        async () => {
          const targets = [addresses.lan, addresses.node, '10.99.0.3', '192.168.7.255', '255.255.255.255'];
          expect((await attack.scan(targets, 'tcp', tcpPorts)).open).toEqual([]);
          expect((await attack.scan(targets, 'udp', udpPorts)).open).toEqual([]);
        },
        scanMs,
      );

      test(
        'a false sender is not answered, not even by the proxy (I11)',
        async () => {
          const sources = ['10.90.0.9', addresses.lan, addresses.nodeLan, '127.0.0.1', addresses.nodeTunnel];
          const { open } = await attack.scan([addresses.nodeTunnel], 'tcp', tcpPorts, { sources, paced: false });
          expect(open).toEqual([]);
        },
        scanMs,
      );

      test('no service was reached; the proxy still is', async () => {
        expect(await attack.served()).toEqual([]);
        expect(await askProxy()).toBe('proxy');
        expect(await device.events()).toEqual([]);
      });
    });
  }
}
