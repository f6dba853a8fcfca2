/** UDP of the key exchange: a hub listens on the addresses that it was given, a node dials one place at a time (N3). */
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Endpoint } from '@labmesh/rosenpass/effects';

export type OnDatagram = (bytes: Uint8Array, source: Endpoint) => void;

export interface Datagrams extends AsyncDisposable {
  /** UDP port; 0 before a node's first dial. */
  readonly port: number;
  /** Sends, or drops: UDP promises nothing. */
  send(to: Endpoint, bytes: Uint8Array): void;
}

/**
 * Gives whether the socket took it. Sockets throw at a place that there is no way to, at one that the firewall forbids, and
 * at port 0, which anybody may name as the source of a datagram.
 */
function trySend(send: () => boolean): boolean {
  try {
    send();
    return true;
  } catch {
    return false;
  }
}

/** IPv4 that came over an IPv6 socket is IPv4 again. */
export const plainEndpoint = (address: string, port: number): Endpoint => ({
  address: address.replace(/^::ffff:(?=\d+\.)/i, ''),
  port,
});

const handlers = (onDatagram: OnDatagram) => ({
  data: (_: unknown, bytes: Uint8Array, port: number, address: string) =>
    onDatagram(bytes, plainEndpoint(address, port)),
  // ECONNREFUSED of a dialled socket: the other side is down, which its silence says as well.
  error: () => undefined,
});

/**
 * Listens on each address at one port.
 * @throws what the bind says: EADDRINUSE, EADDRNOTAVAIL
 */
export async function listenDatagrams(
  addresses: readonly string[],
  port: number,
  onDatagram: OnDatagram,
): Promise<Datagrams> {
  await using opening = new AsyncDisposableStack();
  const sockets: Array<{ isIpv6: boolean; socket: Bun.udp.Socket<'uint8array'> }> = [];
  let chosen = port;
  for (const hostname of addresses) {
    const socket = await Bun.udpSocket({
      hostname,
      port: chosen,
      binaryType: 'uint8array',
      socket: handlers(onDatagram),
    });
    opening.defer(() => socket.close());
    chosen = socket.port;
    sockets.push({ isIpv6: isIPv6(hostname), socket });
  }
  const opened = opening.move();
  return {
    port: chosen,
    send(to, bytes) {
      const isIpv6 = isIPv6(to.address);
      // The wildcard `::` takes both families.
      const own = sockets.find((one) => one.isIpv6 === isIpv6) ?? sockets.find((one) => one.isIpv6);
      if (own !== undefined) trySend(() => own.socket.send(bytes, to.port, to.address));
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** Datagrams that wait while a socket opens. */
const waitingMax = 4;

/**
 * A connected socket, opened anew when the other place is another one: the kernel drops what comes from elsewhere, and
 * no port of ours takes anything from strangers.
 */
export class DialledDatagrams implements Datagrams {
  readonly #onDatagram: OnDatagram;
  #at: Endpoint | undefined;
  #socket: Bun.udp.ConnectedSocket<'uint8array'> | undefined;
  #waiting: Uint8Array[] = [];
  /** What the last socket sent from. */
  #ownAddress: string | undefined;
  #isClosed = false;

  constructor(onDatagram: OnDatagram) {
    this.#onDatagram = onDatagram;
  }

  get port(): number {
    return this.#socket?.port ?? 0;
  }
  /** The address that was sent from last is this machine's no longer. */
  get isStranded(): boolean {
    const all = Object.values(networkInterfaces()).flatMap((found = []) => found);
    return this.#ownAddress !== undefined && !all.some(({ address }) => address === this.#ownAddress);
  }

  send(to: Endpoint, bytes: Uint8Array): void {
    if (this.#isClosed) return;
    if (to.address !== this.#at?.address || to.port !== this.#at.port) this.#dial(to);
    const socket = this.#socket;
    if (socket !== undefined) {
      // Of an address that is ours no longer: the next datagram leaves from another socket.
      if (!trySend(() => socket.send(bytes))) this.reopen();
    } else if (this.#waiting.length < waitingMax) this.#waiting.push(bytes);
  }

  /** The next datagram leaves from a new socket: after a change of our own addresses. */
  reopen(): void {
    this.#socket?.close();
    this.#socket = undefined;
    this.#at = undefined;
    this.#waiting = [];
  }

  #dial(to: Endpoint): void {
    this.reopen();
    this.#at = to;
    this.#connect(to).then(
      (socket) => {
        if (this.#isClosed || this.#at !== to) return socket.close();
        this.#socket = socket;
        this.#ownAddress = plainEndpoint(socket.address.address, 0).address;
        for (const bytes of this.#waiting.splice(0)) trySend(() => socket.send(bytes));
      },
      // No route now: the next resend dials again.
      () => {
        if (this.#at === to) this.reopen();
      },
    );
  }

  /** Async, since Bun throws some faults at once and rejects with others. */
  async #connect({ address, port }: Endpoint): Promise<Bun.udp.ConnectedSocket<'uint8array'>> {
    return Bun.udpSocket({
      // Bun binds to IPv4 otherwise and could not send to IPv6 then.
      ...(isIPv6(address) && { hostname: '::' }),
      connect: { hostname: address, port },
      binaryType: 'uint8array',
      socket: handlers(this.#onDatagram),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.reopen();
    await Promise.resolve();
  }
}
