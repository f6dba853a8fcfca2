/**
 * TLS handshakes under way at a door. Their number is bounded, since each costs memory before anybody is known. When
 * there is no room for one more, somebody goes:
 *
 *     the oldest, if it is slow ─ else one of the address that holds most, unless the newcomer's own holds as many
 *
 * So one address that opens sockets and says nothing pushes out itself and nobody else, and a rack behind one address
 * that comes back at once is not driven in a circle: of those the newest has to try again.
 */
export class Handshakes<S extends object> {
  readonly #max: number;
  readonly #slowMs: number;
  /** In the order in which they began. */
  readonly #under = new Map<S, { since: number; place: string }>();

  constructor(bounds: { max: number; slowMs: number }) {
    this.#max = bounds.max;
    this.#slowMs = bounds.slowMs;
  }

  get size(): number {
    return this.#under.size;
  }

  delete(socket: S): void {
    this.#under.delete(socket);
  }

  /** Takes it in, at `now` (ms). Gives who has to end: another that is out by now, the newcomer itself, or nobody. */
  add(socket: S, address: string | undefined, now: number): S | undefined {
    const place = placeOf(address ?? '');
    const victim = this.#under.size < this.#max ? undefined : this.#victim(place, now, socket);
    if (victim === socket) return socket;
    if (victim !== undefined) this.#under.delete(victim);
    this.#under.set(socket, { since: now, place });
    return victim;
  }

  #victim(place: string, now: number, newcomer: S): S {
    const [oldest] = this.#under;
    if (oldest !== undefined && now - oldest[1].since >= this.#slowMs) return oldest[0];
    const held = new Map<string, number>();
    for (const one of this.#under.values()) held.set(one.place, (held.get(one.place) ?? 0) + 1);
    const most = Math.max(...held.values());
    if ((held.get(place) ?? 0) >= most) return newcomer;
    for (const [socket, one] of this.#under) if (held.get(one.place) === most) return socket;
    return newcomer;
  }
}

/** Who counts as one: an IPv4 address, or the /64 of an IPv6 one, which a single machine has whole. */
export function placeOf(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address.slice(address.lastIndexOf(':') + 1);
  const [head = '', tail] = address.split('::', 2);
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  return [...first, ...Array.from({ length: zeros }, () => '0'), ...last].slice(0, 4).join(':');
}
