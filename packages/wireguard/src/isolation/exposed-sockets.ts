/** With isolation `none` a peer reaches every socket that listens beyond loopback: they are listed (spec tunnel.md I5, I8). */
import { readFileSync } from 'node:fs';
import { addressText } from '../netlink/address-text.ts';

export type ExposedSocket = { protocol: 'tcp' | 'udp'; address: string; port: number };

/** A machine with more is told about the first ones. */
export const exposedSocketsMax = 1_000;

const states = { listen: '0A', unconnected: '07' };

/** An IPv4 address of an IPv6 socket is written behind these (RFC 4291 2.5.5.2). */
const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** The kernel writes addresses as 32-bit words of the machine's byte order. */
function addressIn(hex: string): string | undefined {
  if (hex.length !== 8 && hex.length !== 32) return undefined;
  const bytes = Uint8Array.fromHex(hex);
  for (let word = 0; word < bytes.length; word += 4) bytes.subarray(word, word + 4).reverse();
  return addressText(mapped.every((byte, at) => bytes[at] === byte) ? bytes.subarray(mapped.length) : bytes);
}

const isLoopback = (address: string) => address.startsWith('127.') || address === '::1';

/** From the text of /proc/net/tcp, tcp6, udp or udp6: what listens on more than loopback. */
export function exposedIn(text: string, protocol: ExposedSocket['protocol']): ExposedSocket[] {
  const wanted = protocol === 'tcp' ? states.listen : states.unconnected;
  return text.split('\n').flatMap((line) => {
    const found = /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) \S+ ([0-9A-F]{2}) /.exec(line);
    if (found === null || found[3] !== wanted) return [];
    const address = addressIn(found[1] ?? '');
    if (address === undefined || isLoopback(address)) return [];
    return [{ protocol, address, port: Number.parseInt(found[2] ?? '0', 16) }];
  });
}

/** Of the caller's network namespace, save those that lead nowhere for a peer. */
export function exposedSockets(isHarmless: (socket: ExposedSocket) => boolean = () => false): ExposedSocket[] {
  const files = [
    ['tcp', 'tcp'],
    ['tcp6', 'tcp'],
    ['udp', 'udp'],
    ['udp6', 'udp'],
  ] as const;
  const found = files.flatMap(([file, protocol]) => {
    try {
      return exposedIn(readFileSync(`/proc/thread-self/net/${file}`, 'utf8'), protocol);
    } catch {
      return [];
    }
  });
  return found.filter((socket) => !isHarmless(socket)).slice(0, exposedSocketsMax);
}

/** Sockets that a line names; the rest is counted. */
const namedMax = 32;

/** What a peer of a tunnel without isolation reaches here, in words. */
export function exposedText(sockets: readonly ExposedSocket[] = exposedSockets()): string {
  if (sockets.length === 0) return 'nothing yet';
  const named = sockets.slice(0, namedMax).map(({ protocol, address, port }) => `${protocol} ${address} ${port}`);
  const more = sockets.length - named.length;
  return named.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
