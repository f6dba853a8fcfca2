import type { AeadProvider } from '../aead/aead-provider.ts';
import type { Identity } from '../noise/handshake-state.ts';
import type { Drops } from './drops.ts';
import type { Path } from './peer.ts';

/** Where a data plane's datagrams and packets go. */
export type PlaneOutput = {
  /** Sends `buffer[start, start + length)`. The bytes stay as they are until the caller's burst has ended. */
  send(buffer: Uint8Array, start: number, length: number, path: Path): void;
  /** Hands in the checked inner packet at `buffer[start, start + length)`; it is gone when this returns. */
  deliver(buffer: Uint8Array, start: number, length: number): void;
  /** Two handshakes in a row to this path went unanswered. */
  unanswered(path: Path): void;
};

/** What a data plane is given from outside. */
export type PlaneContext = {
  own: Identity;
  aead: AeadProvider;
  output: PlaneOutput;
  drops: Drops;
  /** Cryptographically strong bytes. */
  random: (length: number) => Uint8Array;
  /** TAI64N above the last one. */
  timestamp: () => Uint8Array;
  /** Unix milliseconds. */
  wall: () => number;
  /** 0 ≤ x < 1, to spread timers. */
  jitter: () => number;
};
