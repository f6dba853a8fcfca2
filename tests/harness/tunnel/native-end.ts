/**
 * One end of a native tunnel as a process of its own, in the network namespace it was started in. Takes its settings as
 * JSON in the first argument, says `{"ready":true}`, then answers each JSON line on stdin by one of its own.
 */
import { systemClock } from '@labmesh/kit/clock';
import { chooseAead } from '@labmesh/wireguard/aead/choose-aead';
import { openTun } from '@labmesh/wireguard/ffi/open-tun';
import { NativeEngine } from '@labmesh/wireguard/native/native-engine';
import { addAddress } from '@labmesh/wireguard/netlink/addresses';
import { findLink, setLinkUp } from '@labmesh/wireguard/netlink/links';
import { NetlinkSocket } from '@labmesh/wireguard/netlink/netlink-socket';
import type { DeviceRole, Endpoint } from '@labmesh/wireguard/tunnel-device';
import { linesOf } from './json-process.ts';

/** Keys are hex. */
export type NativeEndSettings = {
  name: string;
  role: DeviceRole;
  address: string;
  privateKey: string;
  listen?: { addresses: string[]; port: number };
  peer: { publicKey: string; presharedKey: string; address: string; endpoint?: Endpoint; keepaliveS: number };
  mtu: number;
};

/** `skipMs`: the monotonic clock jumps ahead, so that sessions grow old. Keys are hex. */
export type NativeEndRequest = { skipMs?: number; setPsk?: string; cut?: string };

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));

const settings = JSON.parse(Bun.argv[2] ?? '') as NativeEndSettings;
const { aead } = await chooseAead();
const tunFd = openTun(settings.name);
using route = new NetlinkSocket('route');
const index = findLink(route, settings.name)?.index ?? 0;
addAddress(route, index, settings.address, settings.peer.address);
setLinkUp(route, index, settings.mtu);
const config = {
  ...settings,
  alias: 'labmesh:test',
  range: '10.90.0.0/16',
  privateKey: bytes(settings.privateKey),
  isolation: 'none' as const,
};
let skippedMs = 0;
const clock = { now: () => systemClock.now() + skippedMs, wall: () => systemClock.wall() };
const timestamps = { load: () => undefined, save: () => {} };
const engine = await NativeEngine.open(config, { tunFd, aead, timestamps, clock });
const publicKey = bytes(settings.peer.publicKey);
await engine.setPeer({ ...settings.peer, publicKey, presharedKey: bytes(settings.peer.presharedKey) });

const say = (value: object) => console.log(JSON.stringify(value));
say({ ready: true });
for await (const line of linesOf(Bun.stdin.stream())) {
  const request = line as NativeEndRequest;
  skippedMs += request.skipMs ?? 0;
  if (request.setPsk !== undefined) engine.setPsk(publicKey, bytes(request.setPsk));
  if (request.cut !== undefined) engine.cutPeer(publicKey, bytes(request.cut));
  const { lastHandshakeMs, rxBytes, txBytes, endpoint } = engine.peer(publicKey) ?? {};
  say({ lastHandshakeMs, rxBytes, txBytes, endpoint, drops: Object.fromEntries(engine.drops.all()) });
}
