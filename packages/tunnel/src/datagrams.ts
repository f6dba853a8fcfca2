/** UDP of the key exchange: a hub listens on the addresses that it was given, a node dials one place at a time (N3). */
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Endpoint } from '@labmesh/rosenpass/effects';
import { libc } from '@labmesh/wireguard/ffi/libc';
import { widenBuffers } from '@labmesh/wireguard/native/datagram-ports';

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
 * @throws what the bind says: EADDRINUSE, EADDRNOTAVAIL; TunnelError TUNNEL_BACKEND_MISSING without glibc
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
    // The system's own limit is a hundred datagrams: a flood fills that in 50 ms, and what nodes say is lost with it.
    widenBuffers(libc().setsockopt, socket);
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
/** Places dialled at a time: all addresses of a name, tried in turn, may still answer. */
const linesMax = 16;
/** A place that was left has this long to answer. */
const lateMs = 30_000;

type Line = {
  to: Endpoint;
  /** Undefined while it opens. */
  socket: Bun.udp.ConnectedSocket<'uint8array'> | undefined;
  waiting: Uint8Array[];
  usedAt: number;
};

/**
 * A connected socket for each place: the kernel drops what comes from elsewhere, and no port of ours takes anything from
 * strangers. One place is dialled at a time; those before it are listened to for a while.
 */
export class DialledDatagrams implements Datagrams {
  readonly #onDatagram: OnDatagram;
  /** By place, the last used last. */
  readonly #lines = new Map<string, Line>();
  /** What the last socket sent from. */
  #ownAddress: string | undefined;
  #isClosed = false;

  constructor(onDatagram: OnDatagram) {
    this.#onDatagram = onDatagram;
  }

  get port(): number {
    return [...this.#lines.values()].at(-1)?.socket?.port ?? 0;
  }
  /** The address that was sent from last is this machine's no longer. */
  get isStranded(): boolean {
    const all = Object.values(networkInterfaces()).flatMap((found = []) => found);
    return this.#ownAddress !== undefined && !all.some(({ address }) => address === this.#ownAddress);
  }

  send(to: Endpoint, bytes: Uint8Array): void {
    if (this.#isClosed) return;
    const line = this.#lineTo(to);
    const { socket, waiting } = line;
    if (socket !== undefined) {
      // Of an address that is ours no longer: the next datagram leaves from another socket.
      if (!trySend(() => socket.send(bytes))) this.reopen();
    } else if (waiting.length < waitingMax) waiting.push(bytes);
  }

  /** The next datagram leaves from a new socket: after a change of our own addresses. */
  reopen(): void {
    for (const line of this.#lines.values()) this.#drop(line);
  }

  #lineTo(to: Endpoint): Line {
    const usedAt = performance.now();
    const name = nameOf(to);
    const line = this.#lines.get(name) ?? { to, socket: undefined, waiting: [], usedAt };
    const isNew = !this.#lines.delete(name);
    const spare = this.#lines.size - (linesMax - 1);
    for (const [at, old] of [...this.#lines.values()].entries()) {
      if (at < spare || usedAt - old.usedAt >= lateMs) this.#drop(old);
    }
    line.usedAt = usedAt;
    this.#lines.set(name, line);
    if (isNew) this.#dial(line);
    return line;
  }

  #drop(line: Line): void {
    line.socket?.close();
    line.waiting = [];
    if (this.#lines.get(nameOf(line.to)) === line) this.#lines.delete(nameOf(line.to));
  }

  #dial(line: Line): void {
    const isWanted = () => !this.#isClosed && this.#lines.get(nameOf(line.to)) === line;
    this.#connect(line.to).then(
      (socket) => {
        if (!isWanted()) return socket.close();
        line.socket = socket;
        this.#ownAddress = plainEndpoint(socket.address.address, 0).address;
        for (const bytes of line.waiting.splice(0)) trySend(() => socket.send(bytes));
      },
      // No route now: the next resend dials again.
      () => this.#drop(line),
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

const nameOf = ({ address, port }: Endpoint) => `${address}|${port}`;
