/** The kernel's WireGuard by generic netlink, family version 1 (spec tunnel.md 5.10). */
import { addressBytes } from '../dataplane/ip-address.ts';
import type { DeviceChange, DeviceReading, PeerChange, PeerReading } from '../wireguard-control.ts';
import type { Endpoint } from '../tunnel-device.ts';
import { addressText } from './address-text.ts';
import { genericHeaderBytes } from './generic-netlink.ts';
import type { MessageWriter } from './message-writer.ts';
import { type NetlinkExchange, requestFlags } from './netlink-socket.ts';
import { type Attribute, attributeOf, numberAt, readAttributes, signedAt } from './read-messages.ts';

const commands = { get: 0, set: 1 };
const device = { name: 2, privateKey: 3, flags: 5, listenPort: 6, peers: 8 };
const peer = { publicKey: 1, psk: 2, flags: 3, endpoint: 4, keepalive: 5, handshake: 6, rx: 7, tx: 8, allowedIps: 9 };
const allowedIp = { family: 1, address: 2, mask: 3 };
const replacePeersFlag = 1;
const peerFlags = { remove: 1, replaceAllowedIps: 2, updateOnly: 4 };
const families = { v4: 2, v6: 10 };
const keyBytes = 32;

/** A peer takes at most some 200 bytes; a message has room for 64 KiB. */
const peersPerMessage = 200;

function endpointBytes({ address, port }: Endpoint): Uint8Array {
  const bytes = addressBytes(address);
  const v4 = bytes.length === 4;
  const socketAddress = new Uint8Array(v4 ? 16 : 28);
  const view = new DataView(socketAddress.buffer);
  view.setUint16(0, v4 ? families.v4 : families.v6, true);
  view.setUint16(2, port, false);
  socketAddress.set(bytes, v4 ? 4 : 8);
  return socketAddress;
}

function writePeer(writer: MessageWriter, change: PeerChange): void {
  const { publicKey, presharedKey, endpoint, keepaliveS, onlyAddress } = change;
  writer.attribute(peer.publicKey, publicKey);
  if (presharedKey !== undefined) writer.attribute(peer.psk, presharedKey);
  const flags =
    (change.remove === true ? peerFlags.remove : 0) |
    (onlyAddress === undefined ? 0 : peerFlags.replaceAllowedIps) |
    (change.updateOnly === true ? peerFlags.updateOnly : 0);
  if (flags !== 0) writer.attributeU32(peer.flags, flags);
  if (endpoint !== undefined) writer.attribute(peer.endpoint, endpointBytes(endpoint));
  if (keepaliveS !== undefined) writer.attributeU16(peer.keepalive, keepaliveS);
  if (onlyAddress === undefined) return;
  const bytes = addressBytes(onlyAddress);
  writer.nest(peer.allowedIps, () =>
    writer.nest(0, () => {
      writer.attributeU16(allowedIp.family, bytes.length === 4 ? families.v4 : families.v6);
      writer.attribute(allowedIp.address, bytes).attributeU8(allowedIp.mask, bytes.length * 8);
    }),
  );
}

function writeDevice(writer: MessageWriter, name: string, change: DeviceChange, peers: readonly PeerChange[]): void {
  writer.u8(commands.set, 1, 0, 0).attributeText(device.name, name);
  if (change.privateKey !== undefined) writer.attribute(device.privateKey, change.privateKey);
  if (change.replacePeers === true) writer.attributeU32(device.flags, replacePeersFlag);
  if (change.listenPort !== undefined) writer.attributeU16(device.listenPort, change.listenPort);
  if (peers.length === 0) return;
  writer.nest(device.peers, () => {
    for (const one of peers) writer.nest(0, () => writePeer(writer, one));
  });
}

/** Long lists go in several messages; what is not of a peer stands in the first only. */
export function setDevice(socket: NetlinkExchange, family: number, name: string, change: DeviceChange): void {
  const peers = change.peers ?? [];
  for (let at = 0; at === 0 || at < peers.length; at += peersPerMessage) {
    const part = peers.slice(at, at + peersPerMessage);
    socket.exchange(`configure WireGuard on ${name}`, (writer, seq) => {
      writer.message(family, requestFlags.request | requestFlags.ack, seq, () =>
        writeDevice(writer, name, at === 0 ? change : {}, part),
      );
      return seq;
    });
  }
}

function readEndpoint(bytes: Uint8Array | undefined): Endpoint | undefined {
  const family = numberAt(bytes, 0, 2);
  if (bytes === undefined || bytes.length < (family === families.v6 ? 28 : 16)) return undefined;
  const port = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
  if (family === families.v4) return { address: addressText(bytes.subarray(4, 8)), port };
  return family === families.v6 ? { address: addressText(bytes.subarray(8, 24)), port } : undefined;
}

function readAllowedIps(bytes: Uint8Array | undefined): string[] {
  return readAttributes(bytes ?? new Uint8Array()).flatMap(({ data }) => {
    const found = readAttributes(data);
    const address = attributeOf(found, allowedIp.address);
    if (address === undefined || (address.length !== 4 && address.length !== 16)) return [];
    return [`${addressText(address)}/${numberAt(attributeOf(found, allowedIp.mask), 0, 1)}`];
  });
}

function readPeer(found: readonly Attribute[], publicKey: Uint8Array): PeerReading {
  const handshake = attributeOf(found, peer.handshake);
  const handshakeMs = signedAt(handshake, 0, 8) * 1000 + Math.floor(signedAt(handshake, 8, 8) / 1e6);
  return {
    publicKey: publicKey.slice(),
    presharedKey: attributeOf(found, peer.psk)?.slice() ?? new Uint8Array(keyBytes),
    endpoint: readEndpoint(attributeOf(found, peer.endpoint)),
    keepaliveS: numberAt(attributeOf(found, peer.keepalive), 0, 2),
    lastHandshakeMs: handshakeMs === 0 ? undefined : handshakeMs,
    rxBytes: numberAt(attributeOf(found, peer.rx), 0, 8),
    txBytes: numberAt(attributeOf(found, peer.tx), 0, 8),
    allowedIps: readAllowedIps(attributeOf(found, peer.allowedIps)),
  };
}

/** Merges the messages of a dump: a peer whose allowed IPs fill a message goes on in the next. */
export function deviceOf(payloads: readonly Uint8Array[]): DeviceReading {
  const peers = new Map<string, PeerReading>();
  const reading: DeviceReading = { privateKey: undefined, listenPort: 0, peers: [] };
  for (const payload of payloads) {
    const found = readAttributes(payload, genericHeaderBytes);
    const privateKey = attributeOf(found, device.privateKey);
    if (privateKey !== undefined && privateKey.some((byte) => byte !== 0)) reading.privateKey ??= privateKey.slice();
    reading.listenPort ||= numberAt(attributeOf(found, device.listenPort), 0, 2);
    for (const { data } of readAttributes(attributeOf(found, device.peers) ?? new Uint8Array())) {
      const inner = readAttributes(data);
      const publicKey = attributeOf(inner, peer.publicKey);
      if (publicKey?.length !== keyBytes) continue;
      const known = peers.get(publicKey.toHex());
      if (known !== undefined) known.allowedIps.push(...readAllowedIps(attributeOf(inner, peer.allowedIps)));
      else peers.set(publicKey.toHex(), readPeer(inner, publicKey));
    }
  }
  reading.peers = [...peers.values()];
  return reading;
}

export function getDevice(socket: NetlinkExchange, family: number, name: string): DeviceReading {
  const answers = socket.exchange(`read WireGuard on ${name}`, (writer, seq) => {
    writer.message(family, requestFlags.request | requestFlags.dump, seq, () => {
      writer.u8(commands.get, 1, 0, 0).attributeText(device.name, name);
    });
    return seq;
  });
  const payloads = answers.filter(({ type }) => type === family).map(({ payload }) => payload);
  try {
    return deviceOf(payloads);
  } finally {
    for (const payload of payloads) payload.fill(0);
  }
}
