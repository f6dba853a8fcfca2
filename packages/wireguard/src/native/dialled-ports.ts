/**
 * UDP of a device that only dials: a connected socket for each place, so that the kernel drops whatever comes from
 * elsewhere and no port of ours is open to strangers (spec tunnel.md N3, P3).
 */
import { isIPv6 } from 'node:net';
import type { Path } from '../dataplane/peer.ts';
import { libc } from '../ffi/libc.ts';
import type { Endpoint } from '../tunnel-device.ts';
import { type DatagramPorts, type OnDatagram, widenBuffers } from './datagram-ports.ts';

type Dialled = {
  endpoint: Endpoint;
  socket: Bun.udp.ConnectedSocket<'uint8array'>;
  waiting: Uint8Array[];
  dialledAtMs: number;
};

/** Places that were dialled; the oldest is hung up for another one. A node has one hub. */
const placesMax = 64;

/** A socket that cannot send is opened anew, this often at most. */
const redialMs = 1_000;

const nameOf = ({ address, port }: Endpoint) => `${address}|${port}`;

export class DialledPorts implements DatagramPorts {
  readonly #onDatagram: OnDatagram;
  readonly #dialled = new Map<string, Dialled>();
  readonly #dialling = new Map<string, Promise<void>>();
  #closed = false;

  constructor(onDatagram: OnDatagram) {
    this.#onDatagram = onDatagram;
  }

  get port(): number {
    for (const { socket } of this.#dialled.values()) return socket.port;
    return 0;
  }

  /** Never rejects: without a way there now, `renew` tries again. */
  reach(endpoint: Endpoint): Promise<void> {
    return this.#dialled.has(nameOf(endpoint)) ? Promise.resolve() : this.#dial(endpoint);
  }

  async moved(): Promise<void> {
    await Promise.all(Array.from(this.#dialled.values(), ({ endpoint }) => this.#dial(endpoint)));
  }

  renew({ address, port }: Path): void {
    void this.#dial({ address, port });
  }

  send(datagram: Uint8Array, path: Path): void {
    this.#dialled.get(nameOf(path))?.waiting.push(datagram);
  }

  flush(): number {
    let lost = 0;
    for (const dialled of this.#dialled.values()) {
      const { socket, waiting } = dialled;
      if (waiting.length === 0) continue;
      dialled.waiting = [];
      try {
        lost += waiting.length - socket.sendMany(waiting);
      } catch {
        // Most likely the address it sends from is ours no longer.
        lost += waiting.length;
        this.#dialSoon(dialled);
      }
    }
    return lost;
  }

  close(): void {
    this.#closed = true;
    for (const { socket } of this.#dialled.values()) socket.close();
    this.#dialled.clear();
  }

  #dialSoon(dialled: Dialled): void {
    const now = performance.now();
    if (now - dialled.dialledAtMs < redialMs) return;
    dialled.dialledAtMs = now;
    void this.#dial(dialled.endpoint);
  }

  /** Once at a time for each place. The socket before it is used until the new one is there. */
  #dial(endpoint: Endpoint): Promise<void> {
    const name = nameOf(endpoint);
    const running = this.#dialling.get(name);
    if (running !== undefined) return running;
    const dialling = this.#open(endpoint)
      .catch(() => {})
      .finally(() => this.#dialling.delete(name));
    this.#dialling.set(name, dialling);
    return dialling;
  }

  async #open(endpoint: Endpoint): Promise<void> {
    const { address, port } = endpoint;
    const socket = await Bun.udpSocket({
      // It binds to IPv4 otherwise and could not reach IPv6 then.
      ...(isIPv6(address) && { hostname: '::' }),
      connect: { hostname: address, port },
      binaryType: 'uint8array',
      socket: {
        data: (_, datagram) => this.#onDatagram(datagram, address, port, 0),
        // ECONNREFUSED: the other side is down, which its silence says as well.
        error: () => {},
      },
    });
    if (this.#closed) return socket.close();
    widenBuffers(libc().setsockopt, socket);
    this.#dialled.get(nameOf(endpoint))?.socket.close();
    this.#dialled.set(nameOf(endpoint), { endpoint, socket, waiting: [], dialledAtMs: performance.now() });
    if (this.#dialled.size > placesMax) this.#hangUpOldest();
  }

  #hangUpOldest(): void {
    for (const [name, { socket }] of this.#dialled) {
      socket.close();
      this.#dialled.delete(name);
      return;
    }
  }
}
