/**
 * A site and what is around it, each host in namespaces of its own:
 *
 *     stranger 10.99.0.3 ─┐
 *     hub      10.99.0.1 ─┼─ outside ── node 10.99.0.2 │ 192.168.7.1 ── LAN ── lan 192.168.7.10
 *     (node2   10.99.0.5 ─┘)
 *
 * The node has a firewall, a rule and routes of its operator. `hostileHub` is a WireGuard peer that thinks all of the
 * world is behind the node and sends what it likes.
 */
import { randomBytes } from 'node:crypto';
import { publicKeyOf } from '@labmesh/wireguard/noise/x25519';
import type { DeviceConfig, IsolationKind } from '@labmesh/wireguard/tunnel-device';
import { networkLabMissing, openNetworkLab } from '../network-lab.ts';
import { type DeviceBackend } from '../tunnel-device/device-wire.ts';
import { DeviceProcess } from '../tunnel-device/device-process.ts';
import { openTunnelHost, type TunnelHost } from './tunnel-host.ts';
import { startWireguardGo, tellWireguardGo } from '../tunnel-device/wireguard-go-process.ts';

export const proxyPort = 8080;
export const hubPort = 51820;
export const addresses = {
  hub: '10.99.0.1',
  node: '10.99.0.2',
  nodeLan: '192.168.7.1',
  lan: '192.168.7.10',
  hubTunnel: '10.90.0.1',
  nodeTunnel: '10.90.0.2',
} as const;

/** As the operator of the node has it; our own table must neither need nor touch it. */
const operatorsRules = `
table inet operators {
  chain input { type filter hook input priority filter; policy accept; tcp dport 3 drop; }
}
table ip nat {
  chain postrouting { type nat hook postrouting priority srcnat; oifname "eth0" masquerade; }
}`;

/** Without it, IPv6 addresses of a host appear a second or two after its links, in the midst of a test. */
const settleAtOnce = `cd /proc/sys/net/ipv6/conf
for each in all default eth0; do echo 0 > $each/accept_dad; done
echo 1 > eth0/disable_ipv6; echo 0 > eth0/disable_ipv6`;

/** What is missing for tests with these hosts, or undefined. */
export function tunnelSiteMissing(): string | undefined {
  const path = '/usr/sbin:/sbin:/usr/bin:/bin';
  if (Bun.which('nft', { PATH: path }) === null) return 'nft (Debian package nftables)';
  if (Bun.which('wireguard-go', { PATH: path }) === null) return 'wireguard-go (Debian package wireguard-go)';
  return networkLabMissing();
}

export const freshKey = () => new Uint8Array(randomBytes(32));

export type HostilePlan = {
  name: string;
  own: string;
  peer: string;
  privateKey: Uint8Array;
  peerKey: Uint8Array;
  psk: Uint8Array;
  /** `ADDRESS:PORT`; without one it listens. */
  endpoint?: string;
};

export class TunnelSite implements AsyncDisposable {
  readonly hub: TunnelHost;
  readonly node: TunnelHost;
  readonly stranger: TunnelHost;
  readonly lan: TunnelHost;
  readonly #owned: AsyncDisposableStack;

  private constructor(hosts: readonly [TunnelHost, TunnelHost, TunnelHost, TunnelHost], owned: AsyncDisposableStack) {
    [this.hub, this.node, this.stranger, this.lan] = hosts;
    this.#owned = owned;
  }

  /** @param forwarding the node's ip_forward: 1 as Docker leaves it. */
  static async open(forwarding: 0 | 1): Promise<TunnelSite> {
    await using owned = new AsyncDisposableStack();
    const names = ['labd', 'node', 'stranger', 'lan'];
    const lab = owned.use(await openNetworkLab(names));
    const [hub, node, stranger, lan] = await Promise.all(names.map((name) => openTunnelHost(lab, name)));
    if (hub === undefined || node === undefined || stranger === undefined || lan === undefined)
      throw new Error('no host');
    for (const host of [hub, node, stranger, lan]) owned.use(host);
    for (const host of [hub, node]) await host.run('sh', '-c', settleAtOnce);
    await connectLan(node, lan);
    await node.run('sh', '-c', `printf '%s' '${operatorsRules}' | nft -f -`);
    await node.run('ip', 'rule', 'add', 'from', '192.168.7.77', 'lookup', '77', 'priority', '700');
    await node.run('ip', 'route', 'add', '203.0.113.0/24', 'via', addresses.lan, 'table', '77');
    await node.run('ip', 'route', 'add', 'default', 'via', '10.99.0.3');
    await node.run('sh', '-c', `echo ${forwarding} > /proc/sys/net/ipv4/ip_forward`);
    await waitForLinks(node);
    return new TunnelSite([hub, node, stranger, lan], owned.move());
  }

  /** Ended with the site. */
  keep<T extends AsyncDisposable>(value: T): T {
    return this.#owned.use(value);
  }

  /**
   * A node's device in a process on this host (the node if none is given), not open yet; its wireguard-go runs.
   * @param prefix of the process's command line.
   */
  async nodeDevice(
    backend: DeviceBackend,
    isolation: IsolationKind,
    { host = this.node, name = 'labman0', ...rest }: { host?: TunnelHost } & Partial<DeviceConfig> = {},
    prefix: readonly string[] = [],
  ): Promise<DeviceProcess> {
    if (backend === 'wireguard-go') this.keep(await startWireguardGo(host, name));
    const config: DeviceConfig = {
      name,
      alias: 'labmesh:labman',
      role: { kind: 'node', hubAddress: addresses.hubTunnel, proxyPort },
      address: addresses.nodeTunnel,
      range: '10.90.0.0/16',
      mtu: 1420,
      privateKey: freshKey(),
      isolation,
      ...rest,
    };
    return this.keep(await DeviceProcess.start(host, config, backend, prefix));
  }

  /** A hub's device in a process on the hub, not open yet. */
  async hubDevice(backend: DeviceBackend, rest: Partial<DeviceConfig> = {}): Promise<DeviceProcess> {
    if (backend === 'wireguard-go') this.keep(await startWireguardGo(this.hub, 'labhub0'));
    const config: DeviceConfig = {
      name: 'labhub0',
      alias: 'labmesh:labd',
      role: { kind: 'hub' },
      address: addresses.hubTunnel,
      range: '10.90.0.0/16',
      mtu: 1420,
      privateKey: freshKey(),
      listen: { addresses: ['0.0.0.0'], port: hubPort },
      isolation: 'filter',
      ...rest,
    };
    return this.keep(await DeviceProcess.start(this.hub, config, backend));
  }

  /** Both ends know each other from now on, by the node's call. */
  async introduce(hub: DeviceProcess, node: DeviceProcess): Promise<void> {
    const presharedKey = freshKey();
    const nodeKey = publicKeyOf(node.config.privateKey);
    await hub.setPeer({ publicKey: nodeKey, presharedKey, address: node.config.address, keepaliveS: 0 });
    const endpoint = { address: addresses.hub, port: hubPort };
    const publicKey = publicKeyOf(hub.config.privateKey);
    await node.setPeer({ publicKey, presharedKey, address: hub.config.address, endpoint, keepaliveS: 5 });
  }

  /** A foreign end on a host: wireguard-go that takes every address from its peer and sends whatever it is told to. */
  async hostilePeer(host: TunnelHost, plan: HostilePlan): Promise<void> {
    const { name, own, peer, privateKey, peerKey, psk, endpoint } = plan;
    this.keep(await startWireguardGo(host, name));
    await tellWireguardGo(host, name, [
      'set=1',
      `private_key=${privateKey.toHex()}`,
      ...(endpoint === undefined ? [`listen_port=${hubPort}`] : []),
      `public_key=${peerKey.toHex()}`,
      `preshared_key=${psk.toHex()}`,
      ...(endpoint === undefined ? [] : [`endpoint=${endpoint}`, 'persistent_keepalive_interval=5']),
      'replace_allowed_ips=true',
      'allowed_ip=0.0.0.0/0',
      'allowed_ip=::/0',
    ]);
    await host.run('ip', 'address', 'add', own, 'peer', peer, 'dev', name);
    await host.run('ip', 'link', 'set', name, 'mtu', '1420', 'up');
  }

  /** A hub that is not to be trusted, and the node's device introduced to it. */
  async hostileHub(device: DeviceProcess): Promise<void> {
    const [psk, privateKey] = [freshKey(), freshKey()];
    const [own, peer] = [addresses.hubTunnel, device.config.address];
    const peerKey = publicKeyOf(device.config.privateKey);
    await this.hostilePeer(this.hub, { name: 'labhub0', own, peer, privateKey, peerKey, psk });
    const endpoint = { address: addresses.hub, port: hubPort };
    const publicKey = publicKeyOf(privateKey);
    await device.setPeer({ publicKey, presharedKey: psk, address: own, endpoint, keepaliveS: 5 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

/** The LAN is a cable between both; the lan host knows no other way out than the node. */
async function connectLan(node: TunnelHost, lan: TunnelHost): Promise<void> {
  await lan.run('ip', 'link', 'set', 'eth0', 'down');
  await node.run('ip', 'link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'lan0', 'netns', String(lan.pid));
  await node.run('ip', 'address', 'add', `${addresses.nodeLan}/24`, 'dev', 'lan0');
  await lan.run('ip', 'address', 'add', `${addresses.lan}/24`, 'dev', 'lan0');
  for (const host of [node, lan]) await host.run('ip', 'link', 'set', 'lan0', 'up');
  await lan.run('ip', 'route', 'add', 'default', 'via', addresses.nodeLan);
}

/** The kernel notices a moment later that a cable has both ends, and gives the link its IPv6 address then. */
async function waitForLinks(node: TunnelHost): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const [v4, v6] = [await node.run('ip', 'route'), await node.run('ip', '-6', 'route', 'show', 'table', 'local')];
    if (!v4.includes('linkdown') && (v6.match(/^local fe80::/gm) ?? []).length === 2) return;
    await Bun.sleep(25);
  }
  throw new Error('the links of the node did not come up');
}
