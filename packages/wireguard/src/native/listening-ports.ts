/** UDP of a device that peers dial: a socket for each address, all on one port. Answers leave by the socket asked. */
import { isIPv6 } from 'node:net';
import { plainAddress } from '../dataplane/ip-address.ts';
import type { Path } from '../dataplane/peer.ts';
import { libc } from '../ffi/libc.ts';
import { type DatagramPorts, type OnDatagram, widenBuffers } from './datagram-ports.ts';

type Outgoing = Uint8Array | number | string;
type Listener = { socket: Bun.udp.Socket<'uint8array'>; v6: boolean; waiting: Outgoing[] };

/** @throws what the bind says: EADDRINUSE, EADDRNOTAVAIL. */
export async function openListeningPorts(
  addresses: readonly string[],
  port: number,
  onDatagram: OnDatagram,
): Promise<DatagramPorts> {
  const listeners: Listener[] = [];
  const close = () => {
    for (const { socket } of listeners) socket.close();
  };
  let chosen = port;
  try {
    for (const [via, hostname] of addresses.entries()) {
      const handlers = {
        data: (_: unknown, datagram: Uint8Array, port: number, address: string) =>
          onDatagram(datagram, plainAddress(address), port, via),
        error: () => {},
      };
      const socket = await Bun.udpSocket({ hostname, port: chosen, binaryType: 'uint8array', socket: handlers });
      listeners.push({ socket, v6: isIPv6(hostname), waiting: [] });
      widenBuffers(libc().setsockopt, socket);
      chosen = socket.port;
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    port: chosen,
    reach: () => Promise.resolve(),
    moved: () => Promise.resolve(),
    renew: () => {},
    send: (datagram, path) => listenerFor(listeners, path)?.waiting.push(datagram, path.port, path.address),
    flush: () => listeners.reduce((lost, listener) => lost + flush(listener), 0),
    close,
  };
}

function listenerFor(listeners: readonly Listener[], path: Path): Listener | undefined {
  if (path.via >= 0) return listeners[path.via];
  const v6 = isIPv6(path.address);
  // The wildcard `::` reaches both families.
  return listeners.find((one) => one.v6 === v6) ?? listeners.find((one) => one.v6);
}

function flush(listener: Listener): number {
  const { socket, waiting } = listener;
  if (waiting.length === 0) return 0;
  listener.waiting = [];
  const count = waiting.length / 3;
  try {
    return count - socket.sendMany(waiting);
  } catch {
    return sendEach(socket, waiting);
  }
}

/** One place that cannot be reached must not cost the others their datagrams. */
function sendEach(socket: Bun.udp.Socket<'uint8array'>, waiting: readonly Outgoing[]): number {
  let lost = 0;
  for (let at = 0; at < waiting.length; at += 3) {
    const [datagram, port, address] = waiting.slice(at, at + 3) as [Uint8Array, number, string];
    try {
      if (!socket.send(datagram, port, address)) lost += 1;
    } catch {
      lost += 1;
    }
  }
  return lost;
}
