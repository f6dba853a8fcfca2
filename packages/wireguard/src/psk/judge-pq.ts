/**
 * The honest indicator (spec tunnel.md V1-V3): whether the traffic of a peer is protected by a fresh post-quantum key, said
 * from what was seen and never from what is hoped. Pure: history in, verdict out.
 *
 * Ages of exchanges are monotonic. WireGuard tells handshakes in wall-clock time, so a jump of the wall clock makes them
 * worthless until the next one.
 */

export const pqFreshMs = 180_000;
/** Between our note of a write and the kernel's clock nothing is certain. */
const writeDoubtMs = 100;

export type PskKind = 'random' | 'rosenpass' | 'none';

/** One write of the PSK, in wall-clock milliseconds: noted before the request and after its read-back (Q2). */
export type PskWrite = { kind: PskKind; before: number; after: number };

export type PqHistory = {
  /** A Rosenpass key of the peer is known. */
  hasRosenpass: boolean;
  /** The permissive mode gave up waiting and took the PSK away. */
  isFallback: boolean;
  /** Monotonic; undefined before the first exchange. */
  lastExchangeAt: number | undefined;
  /** The osk of that exchange was read back from the device. */
  isOskWritten: boolean;
  /** Oldest first; the last is what the device has. */
  writes: readonly PskWrite[];
  /** Wall clock; undefined before the first handshake. */
  lastHandshakeMs: number | undefined;
  /** The wall clock jumped after that handshake. */
  isClockJumped: boolean;
};

export type PqReason =
  | 'ok'
  | 'no_exchange'
  | 'exchange_expired'
  | 'write_failed'
  | 'session_predates_key'
  | 'no_session'
  | 'clock_jump'
  | 'no_key'
  | 'permissive_fallback';
export type PqVerdict = { pq: 'active' | 'stale' | 'off'; reason: PqReason };

/**
 * Whether an osk, this one or an earlier, was the PSK at that moment for certain. From one osk to the next there is no
 * moment without one.
 */
function wasOskAt(writes: readonly PskWrite[], handshakeMs: number): boolean {
  let isSure = false;
  for (const { kind, before, after } of writes) {
    if (kind === 'rosenpass') isSure ||= handshakeMs > after + writeDoubtMs;
    else if (handshakeMs >= before - writeDoubtMs) isSure = false;
  }
  return isSure;
}

/** The verdict at this moment. */
export function judgePq(history: PqHistory, now: { mono: number; wall: number }): PqVerdict {
  const { lastExchangeAt, lastHandshakeMs } = history;
  if (history.isFallback) return { pq: 'off', reason: 'permissive_fallback' };
  if (!history.hasRosenpass) return { pq: 'off', reason: 'no_key' };
  const stale = (reason: PqReason): PqVerdict => ({ pq: 'stale', reason });
  if (lastExchangeAt === undefined) return stale('no_exchange');
  if (now.mono - lastExchangeAt >= pqFreshMs) return stale('exchange_expired');
  if (!history.isOskWritten) return stale('write_failed');
  if (history.isClockJumped) return stale('clock_jump');
  if (lastHandshakeMs === undefined || now.wall - lastHandshakeMs >= pqFreshMs) return stale('no_session');
  if (!wasOskAt(history.writes, lastHandshakeMs)) return stale('session_predates_key');
  return { pq: 'active', reason: 'ok' };
}
