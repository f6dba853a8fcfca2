/**
 * Packets of a TUN: read in bursts into one buffer, each with room around it in which it is sealed, and written from
 * wherever they lie (spec tunnel.md 5.9).
 *
 *     waiter thread: poll ──readable──▶ read, read, … until empty ──▶ the burst ends ──▶ waiter thread
 */
import { closeSync } from 'node:fs';
import { type Pointer, ptr } from 'bun:ffi';
import { roomBefore, roomBehind } from '../dataplane/data-plane.ts';
import { libc } from '../ffi/libc.ts';
import { type FromTunWaiter, type ToTunWaiter, waiterStates } from './tun-waiter-messages.ts';

/** Packets read before others get their turn. */
const burstMax = 32;
const setNonBlocking = 0x5421;

/** In the single-file program the waiter is an entry point of its own, under the repository's path. */
const waiterUrl = import.meta.dir.startsWith('/$bunfs/')
  ? '/$bunfs/root/packages/wireguard/src/native/tun-waiter.js'
  : new URL('./tun-waiter.ts', import.meta.url).href;

export type TunHandlers = {
  /** A packet at `buffer[start, start + length)`; the bytes stay until `burstEnded`. */
  packet(buffer: Uint8Array, start: number, length: number): void;
  burstEnded(): void;
};

export class TunPort implements AsyncDisposable {
  readonly #fd: number;
  readonly #mtu: number;
  readonly #handlers: TunHandlers;
  readonly #slotBytes: number;
  readonly #buffer: Uint8Array;
  readonly #place: number;
  readonly #cell = new Int32Array(new SharedArrayBuffer(4));
  readonly #waiter: Worker;
  readonly #ended = Promise.withResolvers<void>();
  readonly #libc = libc();
  #ending = false;
  #closed = false;

  /** Takes the descriptor over. */
  constructor(fd: number, mtu: number, handlers: TunHandlers) {
    this.#fd = fd;
    this.#mtu = mtu;
    this.#handlers = handlers;
    this.#slotBytes = Math.ceil((roomBefore + mtu + roomBehind) / 64) * 64;
    this.#buffer = new Uint8Array(burstMax * this.#slotBytes);
    this.#place = ptr(this.#buffer);
    this.#libc.ioctl(fd, setNonBlocking, Int32Array.of(1));
    this.#waiter = new Worker(waiterUrl);
    this.#waiter.addEventListener('message', ({ data }: MessageEvent<FromTunWaiter>) => this.#hear(data));
    this.#waiter.addEventListener('error', () => this.#hear('ended'));
    // An idle tunnel does not keep a process that is done alive.
    this.#waiter.unref();
    this.#waiter.postMessage({ fd, cell: this.#cell } satisfies ToTunWaiter, []);
    this.#arm();
  }

  /** False: the interface did not take it. */
  write(buffer: Uint8Array, start: number, length: number): boolean {
    return !this.#closed && this.#libc.write(this.#fd, ptr(buffer, start), length) === length;
  }

  /** Ends at once when the interface was deleted before, within half a second otherwise; then the descriptor is closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed || this.#ending) return this.#ended.promise;
    this.#ending = true;
    Atomics.store(this.#cell, 0, waiterStates.stopped);
    Atomics.notify(this.#cell, 0);
    // The descriptor must not be another file's while the waiter still looks at it: `#hear` closes it.
    await this.#ended.promise;
  }

  #arm(): void {
    Atomics.compareExchange(this.#cell, 0, waiterStates.paused, waiterStates.armed);
    Atomics.notify(this.#cell, 0);
  }

  #hear(message: FromTunWaiter): void {
    if (message === 'readable') return this.#burst();
    this.#ended.resolve();
    if (this.#closed) return;
    // Without its waiter, or without its interface, nothing more is read here. That the interface is gone, which this
    // makes sure of, is told by whoever watches interfaces.
    this.#close();
  }

  #close(): void {
    this.#closed = true;
    this.#waiter.terminate();
    closeSync(this.#fd);
    this.#buffer.fill(0);
  }

  #burst(): void {
    let empty = this.#ending || this.#closed;
    let packets = 0;
    while (!empty && packets < burstMax) {
      const start = packets * this.#slotBytes + roomBefore;
      const length = this.#libc.read(this.#fd, (this.#place + start) as Pointer, this.#mtu);
      empty = length <= 0;
      if (empty) break;
      packets += 1;
      this.#handlers.packet(this.#buffer, start, length);
    }
    if (packets > 0) this.#handlers.burstEnded();
    if (this.#ending || this.#closed) return;
    // A burst is seldom alone: another look costs less than waking the waiter.
    if (packets > 0) setImmediate(() => this.#burst());
    else this.#arm();
  }
}
