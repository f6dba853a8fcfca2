/**
 * Both ends of a tunnel on two hosts of a network lab, each by our own data plane or by wireguard-go, without any
 * isolation: what they do to one another is looked at, not what the host lets through.
 */
import { randomBytes } from 'node:crypto';
import { publicKeyOf } from '@labmesh/wireguard/noise/x25519';
import type { Endpoint } from '@labmesh/wireguard/tunnel-device';
import { UapiControl } from '@labmesh/wireguard/uapi/uapi-control';
import type { NetworkLab } from '../network-lab.ts';
import { JsonProcess } from './json-process.ts';
import type { NativeEndRequest, NativeEndSettings } from './native-end.ts';

export type EndKind = 'native' | 'wireguard-go';
export type EndStatus = {
  lastHandshakeMs: number | undefined;
  rxBytes: number;
  txBytes: number;
  endpoint: Endpoint | undefined;
  /** Of a native end. */
  drops: Record<string, number>;
};

export interface TunnelEnd {
  readonly kind: EndKind;
  readonly host: string;
  readonly address: string;
  readonly publicKey: Uint8Array;
  readonly pid: number;
  status(): Promise<EndStatus>;
  setPsk(key: Uint8Array): Promise<void>;
  /** Forgets its session and, being a node, asks for another one. */
  startOver(): Promise<void>;
  /** Asks a native end. */
  tell(request: NativeEndRequest): Promise<EndStatus>;
}

/** Addresses `PREFIX.1` (hub) and `PREFIX.2` (node) in the tunnel. */
export type TunnelPlan = {
  hub: EndKind;
  node: EndKind;
  hubHost: string;
  nodeHost: string;
  prefix?: string;
  port?: number;
  keepaliveS?: number;
};

export const proxyPort = 8080;
const mtu = 1420;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
export const freshKey = () => new Uint8Array(randomBytes(32));

type EndPlan = {
  name: string;
  host: string;
  address: string;
  peerAddress: string;
  privateKey: Uint8Array;
  peerPublicKey: Uint8Array;
  psk: Uint8Array;
  /** Of a hub. */
  listenPort?: number;
  /** Of a node. */
  endpoint?: Endpoint;
  keepaliveS: number;
};

async function run(command: readonly string[]): Promise<void> {
  const child = Bun.spawn([...command], { stdio: ['ignore', 'ignore', 'pipe'] });
  const [code, text] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (code !== 0) throw new Error(`${command.join(' ')}: ${text.trim()}`);
}

async function openNative(lab: NetworkLab, plan: EndPlan, owned: AsyncDisposableStack): Promise<TunnelEnd> {
  const { host, address, peerAddress, listenPort, endpoint, keepaliveS } = plan;
  const settings: NativeEndSettings = {
    name: plan.name,
    role: listenPort === undefined ? { kind: 'node', hubAddress: peerAddress, proxyPort } : { kind: 'hub' },
    address,
    privateKey: hex(plan.privateKey),
    ...(listenPort !== undefined && { listen: { addresses: ['0.0.0.0'], port: listenPort } }),
    peer: {
      publicKey: hex(plan.peerPublicKey),
      presharedKey: hex(plan.psk),
      address: peerAddress,
      ...(endpoint && { endpoint }),
      keepaliveS,
    },
    mtu,
  };
  const program = new URL('./native-end.ts', import.meta.url).pathname;
  const child = owned.use(new JsonProcess(lab.command(host, [process.execPath, program, JSON.stringify(settings)])));
  await child.next();
  const tell = async (request: NativeEndRequest) => (await child.ask(request)) as EndStatus;
  return {
    kind: 'native',
    host,
    address,
    publicKey: publicKeyOf(plan.privateKey),
    pid: child.pid,
    status: () => tell({}),
    setPsk: async (key) => void (await tell({ setPsk: hex(key) })),
    startOver: async () => void (await tell({ cut: hex(plan.psk) })),
    tell,
  };
}

/** Its own socket is there a moment after its start. */
async function waitForSocket(control: UapiControl): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    if (await control.read().catch(() => undefined)) return;
    await Bun.sleep(50);
  }
  throw new Error('wireguard-go did not open its socket');
}

async function openWireguardGo(lab: NetworkLab, plan: EndPlan, owned: AsyncDisposableStack): Promise<TunnelEnd> {
  const { host, name, address, peerAddress, listenPort, endpoint, keepaliveS } = plan;
  const child = owned.use(new JsonProcess(lab.command(host, ['wireguard-go', '-f', name])));
  const control = owned.use(new UapiControl(name));
  await waitForSocket(control);
  const publicKey = plan.peerPublicKey;
  const peer = () => ({
    publicKey,
    presharedKey: plan.psk.slice(),
    onlyAddress: peerAddress,
    ...(endpoint && { endpoint }),
    keepaliveS,
  });
  const privateKey = plan.privateKey.slice();
  await control.write({ privateKey, ...(listenPort !== undefined && { listenPort }), peers: [peer()] });
  await run(lab.command(host, ['ip', 'address', 'add', address, 'peer', peerAddress, 'dev', name]));
  await run(lab.command(host, ['ip', 'link', 'set', name, 'mtu', String(mtu), 'up']));
  const status = async (): Promise<EndStatus> => {
    const [peer] = (await control.read()).peers;
    if (peer === undefined) throw new Error('the peer is gone');
    const { lastHandshakeMs, rxBytes, txBytes, endpoint } = peer;
    return { lastHandshakeMs, rxBytes, txBytes, endpoint, drops: {} };
  };
  return {
    kind: 'wireguard-go',
    host,
    address,
    publicKey: publicKeyOf(plan.privateKey),
    pid: child.pid,
    status,
    startOver: () => control.write({ peers: [{ publicKey, remove: true }, peer()] }),
    setPsk: (key) => control.write({ peers: [{ publicKey, updateOnly: true, presharedKey: key }] }),
    tell: () => Promise.reject(new Error('wireguard-go takes no such request')),
  };
}

/** Both ends, configured and up, ended with `owned`. */
export async function openTunnelEnds(
  lab: NetworkLab,
  plan: TunnelPlan,
  owned: AsyncDisposableStack,
): Promise<{ hub: TunnelEnd; node: TunnelEnd; psk: Uint8Array }> {
  const { prefix = '10.90.0', port = 51820, keepaliveS = 25 } = plan;
  const [hubKey, nodeKey, psk] = [freshKey(), freshKey(), freshKey()];
  // Sockets of wireguard-go go by the name alone, whatever the namespace.
  const tag = hex(randomBytes(3));
  const open = (kind: EndKind, end: EndPlan) =>
    kind === 'native' ? openNative(lab, end, owned) : openWireguardGo(lab, end, owned);
  const hub = await open(plan.hub, {
    name: `th${tag}`,
    host: plan.hubHost,
    address: `${prefix}.1`,
    peerAddress: `${prefix}.2`,
    privateKey: hubKey,
    peerPublicKey: publicKeyOf(nodeKey),
    psk,
    listenPort: port,
    keepaliveS: 0,
  });
  const node = await open(plan.node, {
    name: `tn${tag}`,
    host: plan.nodeHost,
    address: `${prefix}.2`,
    peerAddress: `${prefix}.1`,
    privateKey: nodeKey,
    peerPublicKey: publicKeyOf(hubKey),
    psk,
    endpoint: { address: lab.address(plan.hubHost), port },
    keepaliveS,
  });
  return { hub, node, psk };
}

/** Why tunnels cannot be opened here, or undefined. */
export function wireguardGoMissing(): string | undefined {
  return Bun.which('wireguard-go') === null ? 'wireguard-go (Debian package wireguard-go)' : undefined;
}
