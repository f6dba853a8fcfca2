import type { Path } from '../dataplane/peer.ts';
import type { Endpoint } from '../tunnel-device.ts';

/** A datagram that came: the sender's plain address, and the socket as `via` of a path to it. */
export type OnDatagram = (datagram: Uint8Array, address: string, port: number, via: number) => void;

/** The UDP side of a native device. Datagrams are collected and leave together. */
export interface DatagramPorts {
  /** UDP port. */
  readonly port: number;
  /** Makes sure that datagrams for a peer (by name) can go there. */
  reach(peer: string, endpoint: Endpoint): Promise<void>;
  /** The peer is gone. */
  leave(peer: string): void;
  /** Opens all sockets that lead somewhere anew: our own addresses changed. */
  moved(): Promise<void>;
  /** Handshakes to that place go unanswered: a socket may have lost its way when our own addresses changed. */
  renew(path: Path): void;
  /** Collects a datagram; the bytes stay as they are until `flush`. */
  send(datagram: Uint8Array, path: Path): void;
  /** Sends what was collected; gives how many the network did not take. */
  flush(): number;
  close(): void;
}

/** Bursts of a window that opens wide must fit in until the event loop comes round (spec tunnel.md 4). */
const bufferBytes = 4 * 2 ** 20;

const socketLevel = 1;
const options = { receiveBuffer: 8, sendBuffer: 7, receiveBufferForce: 33, sendBufferForce: 32 };

type SetOption = (fd: number, level: number, name: number, value: Int32Array, length: number) => number;

/** Past the machine's limit where the right is there, up to it otherwise. */
export function widenBuffers(setsockopt: SetOption, socket: object): void {
  // The runtime has it, its types do not.
  const { fd } = socket as { fd?: unknown };
  if (typeof fd !== 'number' || fd < 0) return;
  const value = Int32Array.of(bufferBytes);
  const set = (name: number) => setsockopt(fd, socketLevel, name, value, 4) === 0;
  if (!set(options.receiveBufferForce)) set(options.receiveBuffer);
  if (!set(options.sendBufferForce)) set(options.sendBuffer);
}

/**
 * Sends `count` datagrams. `sendFrom` sends those from an index on and gives how many went; it throws when the first of
 * them is refused. One that is refused must not cost the others behind it their way. Gives how many were refused, and how
 * many found the buffer full.
 */
export function sendPastFaults(count: number, sendFrom: (at: number) => number): { refused: number; full: number } {
  let [at, refused] = [0, 0];
  while (at < count) {
    try {
      const sent = sendFrom(at);
      if (sent === 0) break;
      at += sent;
    } catch {
      refused += 1;
      at += 1;
    }
  }
  return { refused, full: count - at };
}
