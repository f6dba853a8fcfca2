/**
 * One end of a native tunnel as a process of its own, in the network namespace it was started in. Takes its settings as
 * JSON in the first argument, says `{"ready":true}`, runs until it is ended.
 */
import { chooseAead } from '@labmesh/wireguard/aead/choose-aead';
import { openTun } from '@labmesh/wireguard/ffi/open-tun';
import { NativeEngine } from '@labmesh/wireguard/native/native-engine';
import { addAddress } from '@labmesh/wireguard/netlink/addresses';
import { findLink, setLinkUp } from '@labmesh/wireguard/netlink/links';
import { NetlinkSocket } from '@labmesh/wireguard/netlink/netlink-socket';
import type { DeviceRole, Endpoint } from '@labmesh/wireguard/tunnel-device';

export type NativeEndSettings = {
  name: string;
  role: DeviceRole;
  address: string;
  /** Keys are hex. */
  privateKey: string;
  listen?: { addresses: string[]; port: number };
  peer: { publicKey: string; presharedKey: string; address: string; endpoint?: Endpoint; keepaliveS: number };
  mtu: number;
  aead?: 'libcrypto' | 'wasm' | 'js';
};

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));

const settings = JSON.parse(Bun.argv[2] ?? '') as NativeEndSettings;
const { aead } = await chooseAead(settings.aead);
const tunFd = openTun(settings.name);
using route = new NetlinkSocket('route');
const index = findLink(route, settings.name)?.index ?? 0;
addAddress(route, index, settings.address, settings.peer.address);
setLinkUp(route, index, settings.mtu);
const config = {
  ...settings,
  alias: 'labmesh:bench',
  range: '10.90.0.0/16',
  privateKey: bytes(settings.privateKey),
  isolation: 'none' as const,
};
const timestamps = { load: () => undefined, save: () => {} };
const engine = await NativeEngine.open(config, { tunFd, aead, timestamps, onGone: () => {} });
const { publicKey, presharedKey } = settings.peer;
await engine.setPeer({ ...settings.peer, publicKey: bytes(publicKey), presharedKey: bytes(presharedKey) });
console.log(JSON.stringify({ ready: true }));
process.on('SIGTERM', () => {
  console.log(JSON.stringify({ drops: Object.fromEntries(engine.drops.all()) }));
  process.exit();
});
setInterval(() => {}, 60_000);
