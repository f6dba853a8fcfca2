/**
 * TAI64N timestamps of initiations. A responder takes one above the last only, so what was sent must never go back, not
 * even over a restart of a machine without a clock (spec tunnel.md N7).
 */

export const timestampBytes = 12;

/** Whole steps of 2^24 ns: a timestamp tells the time no finer than 17 ms. */
const stepNs = 0x100_0000;
const stepsPerSecond = Math.floor(1e9 / stepNs) + 1;
/** How far ahead the kept one stands, hence at most one write in this time. */
const reserveS = 60;

type Moment = { seconds: number; step: number };

const epoch = 0x4000_0000_0000_000an;

function encode(moment: Moment): Uint8Array {
  const stamp = new Uint8Array(timestampBytes);
  const view = new DataView(stamp.buffer);
  view.setBigUint64(0, epoch + BigInt(moment.seconds));
  view.setUint32(8, moment.step * stepNs);
  return stamp;
}

function decode(stamp: Uint8Array): Moment | undefined {
  if (stamp.length !== timestampBytes) return undefined;
  const view = new DataView(stamp.buffer, stamp.byteOffset, timestampBytes);
  const seconds = view.getBigUint64(0) - epoch;
  if (seconds < 0n || seconds > 2n ** 40n) return undefined;
  return { seconds: Number(seconds), step: Math.min(Math.ceil(view.getUint32(8) / stepNs), stepsPerSecond - 1) };
}

const isBefore = (a: Moment, b: Moment) => a.seconds < b.seconds || (a.seconds === b.seconds && a.step < b.step);

function after(moment: Moment): Moment {
  const last = moment.step + 1 >= stepsPerSecond;
  return last ? { seconds: moment.seconds + 1, step: 0 } : { seconds: moment.seconds, step: moment.step + 1 };
}

/** The moment of a timestamp, Unix ms; undefined for what is none. */
export function timestampMs(stamp: Uint8Array): number | undefined {
  const moment = decode(stamp);
  return moment && moment.seconds * 1_000 + Math.floor((moment.step * stepNs) / 1e6);
}

/** Whether `stamp` is above `last`, both 12 bytes big-endian. */
export function isNewer(stamp: Uint8Array, last: Uint8Array): boolean {
  return Buffer.compare(stamp, last) > 0;
}

/** Where the highest timestamp that may have been sent is kept. `save` must have stored it when it returns. */
export type TimestampStore = { load(): Uint8Array | undefined; save(stamp: Uint8Array): void };

export class TimestampSource {
  readonly #store: TimestampStore;
  readonly #wall: () => number;
  #last: Moment;
  #reserved: Moment;

  /** `wall`: Unix milliseconds. An unreadable stored value counts as none. */
  constructor(store: TimestampStore, wall: () => number) {
    this.#store = store;
    this.#wall = wall;
    const kept = store.load();
    this.#last = (kept === undefined ? undefined : decode(kept)) ?? { seconds: 0, step: 0 };
    this.#reserved = this.#last;
  }

  /** The time now, or just above the last one when the clock stands behind it. */
  next(): Uint8Array {
    const wallMs = Math.max(0, this.#wall());
    const seconds = Math.floor(wallMs / 1000);
    const now: Moment = { seconds, step: Math.floor(((wallMs - seconds * 1000) * 1e6) / stepNs) };
    this.#last = isBefore(this.#last, now) ? now : after(this.#last);
    if (isBefore(this.#reserved, this.#last)) {
      this.#reserved = { seconds: this.#last.seconds + reserveS, step: this.#last.step };
      this.#store.save(encode(this.#reserved));
    }
    return encode(this.#last);
  }
}
