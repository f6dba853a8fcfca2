/**
 * The text protocol of userspace WireGuard (spec tunnel.md 5.8): `key=value` lines, an empty line ends. Requests and
 * answers hold keys, so both stay bytes that can be zeroed and never become strings as a whole.
 */
import { isIPv6 } from 'node:net';
import { addressBytes } from '../dataplane/ip-address.ts';
import { addressText } from '../netlink/address-text.ts';
import { type Endpoint, TunnelError } from '../tunnel-device.ts';
import type { DeviceChange, DeviceReading, PeerChange, PeerReading } from '../wireguard-control.ts';

const keyBytes = 32;
const newline = 0x0a;
const equals = 0x3d;
const hexDigits = new TextEncoder().encode('0123456789abcdef');

/** Collects lines; the pieces are zeroed when they were joined. */
class Lines {
  readonly #pieces: Uint8Array[] = [];

  text(line: string): this {
    this.#pieces.push(new TextEncoder().encode(`${line}\n`));
    return this;
  }

  key(name: string, key: Uint8Array): this {
    if (key.length !== keyBytes) throw new RangeError('a key has 32 bytes');
    const hex = new Uint8Array(2 * keyBytes + 1);
    for (const [i, byte] of key.entries()) {
      hex[2 * i] = hexDigits[byte >> 4] ?? 0;
      hex[2 * i + 1] = hexDigits[byte & 15] ?? 0;
    }
    hex[2 * keyBytes] = newline;
    this.#pieces.push(new TextEncoder().encode(`${name}=`), hex);
    return this;
  }

  join(): Uint8Array {
    const whole = new Uint8Array(this.#pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, at);
      at += piece.length;
      piece.fill(0);
    }
    return whole;
  }
}

/** Written anew from its bytes: nothing of the text that came can break a line. */
function plain(address: string): string {
  return addressText(addressBytes(address));
}

function endpointText({ address, port }: Endpoint): string {
  const text = plain(address);
  return isIPv6(text) ? `[${text}]:${port}` : `${text}:${port}`;
}

function writePeer(lines: Lines, change: PeerChange): void {
  lines.key('public_key', change.publicKey);
  if (change.remove === true) lines.text('remove=true');
  if (change.updateOnly === true) lines.text('update_only=true');
  if (change.presharedKey !== undefined) lines.key('preshared_key', change.presharedKey);
  if (change.endpoint !== undefined) lines.text(`endpoint=${endpointText(change.endpoint)}`);
  if (change.keepaliveS !== undefined) lines.text(`persistent_keepalive_interval=${change.keepaliveS}`);
  if (change.onlyAddress === undefined) return;
  const bytes = addressBytes(change.onlyAddress);
  lines.text('replace_allowed_ips=true').text(`allowed_ip=${addressText(bytes)}/${bytes.length * 8}`);
}

/** `set=1` with this change. @throws RangeError for a key or an address that is none. */
export function writeSet(change: DeviceChange): Uint8Array {
  const lines = new Lines().text('set=1');
  if (change.privateKey !== undefined) lines.key('private_key', change.privateKey);
  if (change.listenPort !== undefined) lines.text(`listen_port=${change.listenPort}`);
  if (change.replacePeers === true) lines.text('replace_peers=true');
  for (const peer of change.peers ?? []) writePeer(lines, peer);
  return lines.text('').join();
}

export const getRequest = new TextEncoder().encode('get=1\n\n');

function bad(): TunnelError {
  return new TunnelError('UAPI_FAILED', 'the answer of wireguard-go cannot be read');
}

function keyIn(value: Uint8Array): Uint8Array {
  if (value.length !== 2 * keyBytes) throw bad();
  const digit = (byte: number | undefined) => {
    const found = hexDigits.indexOf((byte ?? 0) | ((byte ?? 0) >= 0x41 ? 0x20 : 0));
    if (found < 0) throw bad();
    return found;
  };
  return Uint8Array.from({ length: keyBytes }, (_, i) => digit(value[2 * i]) * 16 + digit(value[2 * i + 1]));
}

const textIn = (value: Uint8Array) => new TextDecoder('latin1').decode(value);

function numberIn(value: Uint8Array): number {
  const text = textIn(value);
  if (!/^-?\d{1,20}$/.test(text)) throw bad();
  return Number(text);
}

/** `1.2.3.4:5` or `[::1]:5`; undefined for anything else. */
function endpointIn(value: Uint8Array): Endpoint | undefined {
  const found = /^\[?([0-9a-fA-F.:%\w]+?)\]?:(\d{1,5})$/.exec(textIn(value));
  if (found === null) return undefined;
  try {
    return { address: plain(found[1] ?? ''), port: Number(found[2]) };
  } catch {
    return undefined;
  }
}

type Draft = PeerReading & { seconds: number; nanoseconds: number };

const peerLines: Record<string, (peer: Draft, value: Uint8Array) => void> = {
  preshared_key: (peer, value) => (peer.presharedKey = keyIn(value)),
  endpoint: (peer, value) => (peer.endpoint = endpointIn(value)),
  persistent_keepalive_interval: (peer, value) => (peer.keepaliveS = numberIn(value)),
  last_handshake_time_sec: (peer, value) => (peer.seconds = numberIn(value)),
  last_handshake_time_nsec: (peer, value) => (peer.nanoseconds = numberIn(value)),
  rx_bytes: (peer, value) => (peer.rxBytes = numberIn(value)),
  tx_bytes: (peer, value) => (peer.txBytes = numberIn(value)),
  allowed_ip: (peer, value) => peer.allowedIps.push(textIn(value)),
};

function newPeer(publicKey: Uint8Array): Draft {
  return {
    publicKey,
    presharedKey: new Uint8Array(keyBytes),
    endpoint: undefined,
    keepaliveS: 0,
    lastHandshakeMs: undefined,
    rxBytes: 0,
    txBytes: 0,
    allowedIps: [],
    seconds: 0,
    nanoseconds: 0,
  };
}

function* linesOf(bytes: Uint8Array): Generator<[name: string, value: Uint8Array]> {
  for (let at = 0; at < bytes.length;) {
    const found = bytes.indexOf(newline, at);
    const end = found < 0 ? bytes.length : found;
    if (end === at) return;
    const line = bytes.subarray(at, end);
    const cut = line.indexOf(equals);
    if (cut < 0) throw bad();
    yield [textIn(line.subarray(0, cut)), line.subarray(cut + 1)];
    at = end + 1;
  }
}

/** The number after `errno=`. @throws TunnelError UAPI_FAILED when there is none. */
export function errnoIn(answer: Uint8Array): number {
  for (const [name, value] of linesOf(answer)) if (name === 'errno') return numberIn(value);
  throw bad();
}

/** Keys of lines that are not known are passed over. @throws TunnelError UAPI_FAILED */
export function readGet(answer: Uint8Array): DeviceReading {
  const reading: DeviceReading = { privateKey: undefined, listenPort: 0, peers: [] };
  const drafts: Draft[] = [];
  for (const [name, value] of linesOf(answer)) {
    const peer = drafts.at(-1);
    if (name === 'public_key') drafts.push(newPeer(keyIn(value)));
    else if (peer !== undefined && Object.hasOwn(peerLines, name)) peerLines[name]?.(peer, value);
    else if (name === 'private_key') reading.privateKey = keyIn(value);
    else if (name === 'listen_port') reading.listenPort = numberIn(value);
  }
  if (reading.privateKey?.every((byte) => byte === 0) === true) reading.privateKey = undefined;
  reading.peers = drafts.map(({ seconds, nanoseconds, ...peer }) => {
    const handshakeMs = seconds * 1000 + Math.floor(nanoseconds / 1e6);
    return { ...peer, lastHandshakeMs: handshakeMs === 0 ? undefined : handshakeMs };
  });
  return reading;
}
