/** UDP of a device that peers dial: a socket for each address, all on one port. Answers leave by the socket asked. */
import { isIPv6 } from 'node:net';
import { plainAddress } from '../dataplane/ip-address.ts';
import type { Path } from '../dataplane/peer.ts';
import { libc } from '../ffi/libc.ts';
import { type DatagramPorts, type OnDatagram, sendPastFaults, widenBuffers } from './datagram-ports.ts';

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
    leave: () => {},
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
  const sendFrom = (at: number) => socket.sendMany(at === 0 ? waiting : waiting.slice(at * 3));
  const { refused, full } = sendPastFaults(waiting.length / 3, sendFrom);
  return refused + full;
}
