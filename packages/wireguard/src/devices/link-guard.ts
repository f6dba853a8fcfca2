/**
 * Watches the interface and puts right what others change (spec tunnel.md N9, I9, I13): gone, down, another MTU, an
 * added address, a lost route, forwarding switched on, a table removed.
 */
import { closeInterface, isForwarding } from '../isolation/interface-settings.ts';
import type { Isolation } from '../isolation/isolation.ts';
import { findLink, setLinkDown } from '../netlink/links.ts';
import { NetlinkSocket, openNetlink } from '../netlink/netlink-socket.ts';
import { NetlinkWatch } from '../netlink/netlink-watch.ts';
import { type NetlinkMessage, signedAt } from '../netlink/read-messages.ts';
import type { DeviceEvent } from '../tunnel-device.ts';
import { findFaults, type GuardedLink } from './link-faults.ts';

/**
 * Messages of the kernel are acted upon as they come; forwarding is off again within a few ms (I9 asks for 100). A table
 * without owner has no messages: one that was removed takes the device down within 1 s (I13), and whatever was missed is
 * seen then, too.
 */
const lookMs = 400;
/** Changes that come together are one change. */
const gatherMs = 30;
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
  #watch: NetlinkWatch | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #gathering: ReturnType<typeof setTimeout> | undefined;
  #repairsAtMs: number[] = [];
  /** The table is not in force: down on purpose until it is. */
  #suspended = false;
  #ended = false;

  private constructor(link: GuardedLink, isolation: Isolation, emit: (event: DeviceEvent) => void) {
    this.#link = link;
    this.#isolation = isolation;
    this.#emit = emit;
    this.#requests = isolation.inside(() => new NetlinkSocket('route'));
  }

  /** Looks at all once, then watches. @throws NetlinkError */
  static async open(link: GuardedLink, isolation: Isolation, emit: (event: DeviceEvent) => void): Promise<LinkGuard> {
    const guard = new LinkGuard(link, isolation, emit);
    try {
      await guard.#openWatch();
      guard.#guarded(() => guard.#inspect(true));
      guard.#lookLater();
      return guard;
    } catch (error) {
      guard[Symbol.dispose]();
      throw error;
    }
  }

  async #openWatch(): Promise<void> {
    const fd = this.#isolation.inside(() => openNetlink('route', groups));
    const onMessages = (messages: NetlinkMessage[]) => this.#guarded(() => this.#hear(messages));
    // The next look opens another one and looks at all.
    this.#watch = await NetlinkWatch.open(fd, onMessages, () => {});
    if (this.#ended) this.#watch[Symbol.dispose]();
  }

  #lookLater(): void {
    if (this.#ended) return;
    this.#timer = setTimeout(() => void this.#look(), lookMs);
    // The tunnel must not keep a process alive that has nothing else to do.
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    this.#guarded(() => this.#lookAtTable());
    const isBlind = this.#watch?.ended === true && !this.#ended;
    // An error here shows as a watch that is still missing at the next look.
    if (isBlind) await this.#openWatch().catch(() => {});
    this.#guarded(() => this.#inspect(isBlind));
    this.#lookLater();
  }

  #hear(messages: readonly NetlinkMessage[]): void {
    if (messages.some(({ type }) => type === types.settings)) this.#inspectForwarding();
    if (this.#gathering !== undefined || !messages.some((message) => this.#concernsUs(message))) return;
    this.#gathering = setTimeout(() => {
      this.#gathering = undefined;
      this.#guarded(() => this.#inspect(true));
    }, gatherMs);
  }

  #guarded(work: () => void): void {
    if (this.#ended) return;
    try {
      work();
    } catch (error) {
      // Half way through somebody else's change: the interface may be gone by now, and the next look shows it.
      const detail = error instanceof Error ? error.message : 'unknown';
      if (!this.#ended) this.#emit({ kind: 'changed', what: 'link', detail, restored: false });
    }
  }

  #concernsUs({ type, payload }: NetlinkMessage): boolean {
    if (type === types.deletedRoute) return this.#link.routes.size > 0;
    const known = [types.newLink, types.deletedLink, types.newAddress, types.deletedAddress];
    return known.includes(type) && signedAt(payload, 4, 4) === this.#link.index;
  }

  #lookAtTable(): void {
    const broken = this.#brokenIsolation();
    if (broken === undefined && !this.#suspended) {
      const mended = this.#isolation.mend();
      if (mended !== undefined) this.#emit({ kind: 'changed', what: 'table', detail: mended, restored: true });
      return;
    }
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
    const often = `more than ${repairsPerMinuteMax} repairs within a minute, now ${fault}`;
    // With the way out: wherever the fault is shown, whoever reads it there needs to know.
    const detail = `${often}; the interface stays down: end what makes the changes, then restart this daemon`;
    this.#emit({ kind: 'isolation_lost', detail });
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#gathering);
    this.#watch?.[Symbol.dispose]();
    this.#requests[Symbol.dispose]();
  }
}
