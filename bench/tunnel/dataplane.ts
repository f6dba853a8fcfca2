/**
 * The native data plane against wireguard-go (spec tunnel.md A16): two hosts as network namespaces on one bridge, both
 * tunnels between them, one TCP stream at a time, runs in turns.
 */
import { randomBytes } from 'node:crypto';
import { publicKeyOf } from '@labmesh/wireguard/noise/x25519';
import { UapiControl } from '@labmesh/wireguard/uapi/uapi-control';
import { type NetworkLab, networkLabMissing, openNetworkLab } from '../../tests/harness/network-lab.ts';
import { median } from '../percentile.ts';
import { readStats, sumTree } from '../process-tree.ts';
import { type AeadRate, measureAead } from './aead-rate.ts';
import { LineProcess } from './line-process.ts';
import type { NativeEndSettings } from './native-end.ts';

/** `toNode`: the hub sends; `toHub`: the node sends. */
export type Direction = 'toNode' | 'toHub';
/** CPU of both tunnel processes together, seconds per 10^9 bytes of the stream. */
export type StreamFigures = { mbitPerS: number; cpuSPerGb: number };
export type DataPlaneFigures = {
  /** Medians. */
  native: Record<Direction, StreamFigures>;
  wireguardGo: Record<Direction, StreamFigures>;
  aead: AeadRate[];
};

export type DataPlaneEffort = { repeats: number; seconds: number };

const mtu = 1420;
const proxyPort = 8080;
const [hubHost, nodeHost] = ['a', 'b'];
const tool = (name: string) => new URL(`./${name}`, import.meta.url).pathname;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** A tunnel between both hosts: its processes and the node's address in it. */
type Tunnel = { processes: LineProcess[]; hubAddress: string; nodeAddress: string };

type Keys = { hub: Uint8Array; node: Uint8Array; psk: Uint8Array };
const fresh = () => new Uint8Array(randomBytes(32));

/** Why this cannot be measured here, or undefined. */
export function dataPlaneMissing(): string | undefined {
  if (Bun.which('wireguard-go') === null) return 'wireguard-go (Debian package wireguard-go)';
  return networkLabMissing();
}

/** @throws Error when a tunnel does not come up; nothing is left then. */
export async function measureDataPlane({ repeats, seconds }: DataPlaneEffort): Promise<DataPlaneFigures> {
  const aead = await measureAead();
  await using lab = await openNetworkLab([hubHost, nodeHost]);
  await using owned = new AsyncDisposableStack();
  const keys: Keys = { hub: fresh(), node: fresh(), psk: fresh() };
  const native = await openNative(lab, keys, owned);
  const wireguardGo = await openWireguardGo(lab, keys, owned);
  const runs = { native: emptyRuns(), wireguardGo: emptyRuns() };
  for (let round = 0; round < repeats; round += 1) {
    for (const direction of ['toNode', 'toHub'] as const) {
      runs.native[direction].push(await stream(lab, native, direction, seconds));
      runs.wireguardGo[direction].push(await stream(lab, wireguardGo, direction, seconds));
    }
  }
  return { native: medians(runs.native), wireguardGo: medians(runs.wireguardGo), aead };
}

type Runs = Record<Direction, StreamFigures[]>;
const emptyRuns = (): Runs => ({ toNode: [], toHub: [] });

function medians(runs: Runs): Record<Direction, StreamFigures> {
  const middle = (figures: StreamFigures[]): StreamFigures => ({
    mbitPerS: median(figures.map((one) => one.mbitPerS)),
    cpuSPerGb: median(figures.map((one) => one.cpuSPerGb)),
  });
  return { toNode: middle(runs.toNode), toHub: middle(runs.toHub) };
}

async function openNative(lab: NetworkLab, keys: Keys, owned: AsyncDisposableStack): Promise<Tunnel> {
  const [hubAddress, nodeAddress, port] = ['10.90.0.1', '10.90.0.2', 51820];
  const presharedKey = hex(keys.psk);
  const start = async (host: string, settings: NativeEndSettings) => {
    const command = [process.execPath, tool('native-end.ts'), JSON.stringify(settings)];
    const end = owned.use(new LineProcess(lab.command(host, command)));
    await end.next();
    return end;
  };
  const hub = await start(hubHost, {
    name: 'bnhub0',
    role: { kind: 'hub' },
    address: hubAddress,
    privateKey: hex(keys.hub),
    listen: { addresses: [lab.address(hubHost)], port },
    peer: { publicKey: hex(publicKeyOf(keys.node)), presharedKey, address: nodeAddress, keepaliveS: 0 },
    mtu,
  });
  const endpoint = { address: lab.address(hubHost), port };
  const node = await start(nodeHost, {
    name: 'bnnode0',
    role: { kind: 'node', hubAddress, proxyPort },
    address: nodeAddress,
    privateKey: hex(keys.node),
    peer: { publicKey: hex(publicKeyOf(keys.hub)), presharedKey, address: hubAddress, endpoint, keepaliveS: 25 },
    mtu,
  });
  return { processes: [hub, node], hubAddress, nodeAddress };
}

async function openWireguardGo(lab: NetworkLab, keys: Keys, owned: AsyncDisposableStack): Promise<Tunnel> {
  const [hubAddress, nodeAddress, port] = ['10.91.0.1', '10.91.0.2', 51821];
  // Sockets of wireguard-go are by name and not by namespace.
  const tag = hex(randomBytes(2));
  const start = async (host: string, address: string, peerAddress: string) => {
    const name = `bg${host}${tag}`;
    const end = owned.use(new LineProcess(lab.command(host, ['wireguard-go', '-f', name])));
    await appears(name);
    const own = host === hubHost ? keys.hub : keys.node;
    const other = publicKeyOf(host === hubHost ? keys.node : keys.hub);
    const endpoint = { address: lab.address(hubHost), port };
    const peer = { publicKey: other, presharedKey: keys.psk, onlyAddress: peerAddress };
    using control = new UapiControl(name);
    await control.write({
      privateKey: own,
      listenPort: host === hubHost ? port : undefined,
      peers: [host === hubHost ? peer : { ...peer, endpoint, keepaliveS: 25 }],
    });
    await run(lab.command(host, ['ip', 'address', 'add', address, 'peer', peerAddress, 'dev', name]));
    await run(lab.command(host, ['ip', 'link', 'set', name, 'mtu', String(mtu), 'up']));
    return end;
  };
  const hub = await start(hubHost, hubAddress, nodeAddress);
  const node = await start(nodeHost, nodeAddress, hubAddress);
  return { processes: [hub, node], hubAddress, nodeAddress };
}

async function appears(name: string): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    using control = new UapiControl(name);
    if (await control.read().catch(() => undefined)) return;
    await Bun.sleep(50);
  }
  throw new Error('wireguard-go did not open its socket');
}

async function run(command: readonly string[]): Promise<void> {
  const code = await Bun.spawn([...command], { stdio: ['ignore', 'ignore', 'inherit'] }).exited;
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}`);
}

/** One stream of some seconds. The hub always calls, as a node takes no calls but to its proxy. */
async function stream(lab: NetworkLab, tunnel: Tunnel, direction: Direction, seconds: number): Promise<StreamFigures> {
  const toNode = direction === 'toNode';
  const command = (opens: string, does: string) => [
    process.execPath,
    tool('stream-end.ts'),
    opens,
    does,
    tunnel.nodeAddress,
    String(proxyPort),
    String(seconds),
  ];
  await using node = new LineProcess(lab.command(nodeHost, command('listen', toNode ? 'receive' : 'send')));
  await node.next();
  await using hub = new LineProcess(lab.command(hubHost, command('connect', toNode ? 'send' : 'receive')));
  const receiver = toNode ? node : hub;
  await receiver.next();
  const before = cpuUs(tunnel);
  const { bytes, ms } = await receiver.next();
  const spentUs = cpuUs(tunnel) - before;
  return { mbitPerS: (Number(bytes) * 8) / 1000 / Number(ms), cpuSPerGb: (spentUs * 1e3) / Number(bytes) };
}

function cpuUs({ processes }: Tunnel): number {
  const stats = readStats();
  return processes.reduce((sum, one) => sum + sumTree(one.pid, stats).cpuUs, 0);
}
