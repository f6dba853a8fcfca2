/**
 * Watches the interface and puts right what others change (spec tunnel.md N9, I9, I13): gone, down, another MTU, an
 * added address, a lost route, forwarding switched on, a table removed.
 */
import { closeInterface, isForwarding } from '../isolation/interface-settings.ts';
import type { Isolation } from '../isolation/isolation.ts';
import { findLink, setLinkDown } from '../netlink/links.ts';
import { NetlinkSocket } from '../netlink/netlink-socket.ts';
import { type NetlinkMessage, signedAt } from '../netlink/read-messages.ts';
import type { DeviceEvent } from '../tunnel-device.ts';
import { findFaults, type GuardedLink } from './link-faults.ts';

/** Forwarding must be off again within 100 ms (I9). */
const lookMs = 40;
/** A table without owner that was removed must take the device down within 1 s (I13). */
const tableLookMs = 400;
/** More repairs in a minute mean that somebody works against us. */
const repairsPerMinuteMax = 3;
const minuteMs = 60_000;

/** Links, addresses and routes of IPv4 and of IPv6 (a tunnel without IPv6 may be given some), settings of IPv4. */
const groups = [1, 5, 7, 9, 11, 24];
const types = { newLink: 16, deletedLink: 17, newAddress: 20, deletedAddress: 21, deletedRoute: 25, settings: 80 };

export class LinkGuard implements Disposable {
  readonly #link: GuardedLink;
  readonly #isolation: Isolation;
  readonly #emit: (event: DeviceEvent) => void;
  readonly #requests: NetlinkSocket;
  readonly #watch: NetlinkSocket;
  readonly #timer: ReturnType<typeof setInterval>;
  #tableLookedAtMs = 0;
  /** What changed before the watch began is seen by the first look. */
  #hasLooked = false;
  #repairsAtMs: number[] = [];
  /** The table is not in force: down on purpose until it is. */
  #suspended = false;

  constructor(link: GuardedLink, isolation: Isolation, emit: (event: DeviceEvent) => void) {
    this.#link = link;
    this.#isolation = isolation;
    this.#emit = emit;
    this.#requests = isolation.inside(() => new NetlinkSocket('route'));
    this.#watch = isolation.inside(() => new NetlinkSocket('route', groups));
    this.#timer = setInterval(() => this.#look(), lookMs);
    // The tunnel must not keep a process alive that has nothing else to do.
    this.#timer.unref();
  }

  #look(): void {
    const seen = this.#watch.drain();
    const isOverrun = seen === 'overrun' || !this.#hasLooked;
    this.#hasLooked = true;
    try {
      if (performance.now() - this.#tableLookedAtMs >= tableLookMs) this.#lookAtTable();
      if (isOverrun || seen.some((message) => this.#concernsUs(message))) {
        this.#inspect(isOverrun || seen.some(({ type }) => type === types.deletedRoute || type === types.newLink));
      }
    } catch (error) {
      // Half way through somebody else's change: the interface may be gone by now, and the next look shows it.
      const detail = error instanceof Error ? error.message : 'unknown';
      this.#emit({ kind: 'changed', what: 'link', detail, restored: false });
    }
  }

  #concernsUs({ type, payload }: NetlinkMessage): boolean {
    if (type === types.settings || type === types.deletedRoute) return true;
    const known = [types.newLink, types.deletedLink, types.newAddress, types.deletedAddress];
    return known.includes(type) && signedAt(payload, 4, 4) === this.#link.index;
  }

  #lookAtTable(): void {
    this.#tableLookedAtMs = performance.now();
    const broken = this.#brokenIsolation();
    if (broken === undefined && !this.#suspended) return;
    if (!this.#suspended) {
      this.#suspended = true;
      setLinkDown(this.#requests, this.#link.index);
      this.#emit({ kind: 'isolation_lost', detail: broken ?? '' });
    }
    try {
      this.#isolation.restore();
    } catch {
      // Still lost and still down; the next look tries again.
      return;
    }
    this.#suspended = false;
    this.#emit({ kind: 'isolation_restored' });
    this.#inspect(true);
  }

  #brokenIsolation(): string | undefined {
    try {
      return this.#isolation.broken();
    } catch (error) {
      return error instanceof Error ? error.message : 'unknown';
    }
  }

  #inspect(withRoutes: boolean): void {
    if (findLink(this.#requests, this.#link.index) === undefined) {
      this[Symbol.dispose]();
      this.#emit({ kind: 'gone' });
      return;
    }
    this.#inspectForwarding();
    if (this.#suspended) return;
    const faults = findFaults(this.#requests, this.#link, withRoutes);
    if (faults.length === 0) return;
    if (this.#isTooOften()) {
      this.#giveUp(faults[0]?.detail ?? '');
      return;
    }
    // Somebody who switched IPv6 on for all interfaces brings an address each time one is removed.
    this.#isolation.inside(() => closeInterface(this.#link.name, this.#link.isV6));
    for (const { what, detail, repair } of faults) {
      repair();
      this.#emit({ kind: 'changed', what, detail, restored: true });
    }
  }

  /** Writing ip_forward switches it on at every interface, as often as somebody likes: no sign of an attack. */
  #inspectForwarding(): void {
    const { name, isV6 } = this.#link;
    if (this.#isolation.inside(() => isForwarding(name)) !== true) return;
    this.#isolation.inside(() => closeInterface(name, isV6));
    this.#emit({ kind: 'changed', what: 'forwarding', detail: 'forwarding was switched on', restored: true });
  }

  #isTooOften(): boolean {
    const now = performance.now();
    this.#repairsAtMs = [...this.#repairsAtMs.filter((atMs) => now - atMs < minuteMs), now];
    return this.#repairsAtMs.length > repairsPerMinuteMax;
  }

  /** The interface stays down; whoever owns the device decides what comes next. */
  #giveUp(fault: string): void {
    setLinkDown(this.#requests, this.#link.index);
    this[Symbol.dispose]();
    const detail = `more than ${repairsPerMinuteMax} repairs within a minute, now ${fault}; the interface is down`;
    this.#emit({ kind: 'isolation_lost', detail });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#watch[Symbol.dispose]();
    this.#requests[Symbol.dispose]();
  }
}
