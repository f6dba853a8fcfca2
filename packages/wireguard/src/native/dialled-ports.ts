/**
 * UDP of a device that only dials: a connected socket for each place, so that the kernel drops whatever comes from
 * elsewhere and no port of ours is open to strangers (spec tunnel.md N3, P3).
 */
import { isIPv6 } from 'node:net';
import type { Path } from '../dataplane/peer.ts';
import { libc } from '../ffi/libc.ts';
import type { Endpoint } from '../tunnel-device.ts';
import { type DatagramPorts, type OnDatagram, sendPastFaults, widenBuffers } from './datagram-ports.ts';

type Socket = Bun.udp.ConnectedSocket<'uint8array'>;
type Place = {
  endpoint: Endpoint;
  /** Undefined while there is no way there. */
  socket: Socket | undefined;
  waiting: Uint8Array[];
  /** Copies of what was to leave while the socket was opened anew. */
  kept: Uint8Array[];
  dialledAtMs: number;
  dialling: Promise<void> | undefined;
};

/** Datagrams that are kept while a socket is opened anew. */
const keptMax = 128;
/** A socket that cannot send is opened anew, this often at most. */
const redialMs = 1_000;

const nameOf = ({ address, port }: Endpoint) => `${address}|${port}`;

export class DialledPorts implements DatagramPorts {
  readonly #onDatagram: OnDatagram;
  /** As many as there are peers, at most. */
  readonly #places = new Map<string, Place>();
  readonly #placeOf = new Map<string, string>();
  /** Of the first place, every time: routers on the way keep what they know of it. */
  readonly port: number;
  #closed = false;

  private constructor(port: number, onDatagram: OnDatagram) {
    this.port = port;
    this.#onDatagram = onDatagram;
  }

  static async open(onDatagram: OnDatagram): Promise<DialledPorts> {
    // Nothing is open before there is a place to dial; only the number is chosen.
    const chosen = await Bun.udpSocket({ hostname: '127.0.0.1' });
    const { port } = chosen;
    chosen.close();
    return new DialledPorts(port, onDatagram);
  }

  /** Never rejects: without a way there now, `renew` tries again. */
  async reach(peer: string, endpoint: Endpoint): Promise<void> {
    const name = nameOf(endpoint);
    if (this.#placeOf.get(peer) !== name) this.leave(peer);
    this.#placeOf.set(peer, name);
    const known = this.#places.get(name);
    if (known?.socket !== undefined) return;
    const place = known ?? {
      endpoint,
      socket: undefined,
      waiting: [],
      kept: [],
      dialledAtMs: -Infinity,
      dialling: undefined,
    };
    this.#places.set(name, place);
    await this.#dial(place);
  }

  leave(peer: string): void {
    const name = this.#placeOf.get(peer);
    this.#placeOf.delete(peer);
    if (name === undefined || [...this.#placeOf.values()].includes(name)) return;
    this.#places.get(name)?.socket?.close();
    this.#places.delete(name);
  }

  async moved(): Promise<void> {
    await Promise.all(Array.from(this.#places.values(), (place) => this.#dial(place)));
  }

  renew(path: Path): void {
    const place = this.#places.get(nameOf(path));
    if (place !== undefined) void this.#dial(place);
  }

  send(datagram: Uint8Array, path: Path): void {
    this.#places.get(nameOf(path))?.waiting.push(datagram);
  }

  flush(): number {
    let lost = 0;
    for (const place of this.#places.values()) {
      if (place.waiting.length > 0) lost += this.#flushPlace(place);
    }
    return lost;
  }

  close(): void {
    this.#closed = true;
    for (const { socket } of this.#places.values()) socket?.close();
    this.#places.clear();
  }

  #flushPlace(place: Place): number {
    const { socket, waiting } = place;
    place.waiting = [];
    if (socket === undefined && place.dialling !== undefined) return keep(place, waiting);
    const sendFrom = (at: number) => socket?.sendMany(at === 0 ? waiting : waiting.slice(at)) ?? 0;
    const { refused, full } = sendPastFaults(waiting.length, sendFrom);
    // Most likely the address it sends from is ours no longer.
    const isLost = refused > 0 || socket === undefined;
    if (isLost && performance.now() - place.dialledAtMs >= redialMs) void this.#dial(place);
    return refused + full;
  }

  /** Once at a time for each place. Never rejects. */
  #dial(place: Place): Promise<void> {
    place.dialledAtMs = performance.now();
    place.dialling ??= this.#open(place)
      .catch(() => {})
      .finally(() => {
        place.dialling = undefined;
        place.waiting = [...place.kept.splice(0), ...place.waiting];
        this.flush();
      });
    return place.dialling;
  }

  async #open(place: Place): Promise<void> {
    const isFirst = this.#places.values().next().value === place;
    // The same port cannot be had twice.
    place.socket?.close();
    place.socket = undefined;
    const connect = (port: number) => this.#connect(place.endpoint, port);
    const socket = await (isFirst ? connect(this.port).catch(() => connect(0)) : connect(0));
    const isWanted = !this.#closed && this.#places.get(nameOf(place.endpoint)) === place;
    if (!isWanted) return socket.close();
    widenBuffers(libc().setsockopt, socket);
    place.socket = socket;
  }

  #connect({ address, port }: Endpoint, ownPort: number): Promise<Socket> {
    return Bun.udpSocket({
      // It binds to IPv4 otherwise and could not reach IPv6 then.
      ...(isIPv6(address) && { hostname: '::' }),
      port: ownPort,
      connect: { hostname: address, port },
      binaryType: 'uint8array',
      socket: {
        data: (_, datagram) => this.#onDatagram(datagram, address, port, 0),
        // ECONNREFUSED: the other side is down, which its silence says as well.
        error: () => {},
      },
    });
  }
}

/** Gives how many found no room. A handshake that asks for another socket must not be lost with the old one. */
function keep(place: Place, datagrams: readonly Uint8Array[]): number {
  const kept = datagrams.slice(0, keptMax - place.kept.length);
  for (const datagram of kept) place.kept.push(new Uint8Array(datagram));
  return datagrams.length - kept.length;
}
