import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { judgePq, pqFreshMs, type PqHistory, type PskWrite } from './judge-pq.ts';

const wall0 = 1_700_000_000_000;
const write = (kind: PskWrite['kind'], at: number): PskWrite => ({ kind, before: wall0 + at, after: wall0 + at + 5 });
/** Proven at 100 s: key at 60 s, handshake at 80 s. */
const good: PqHistory = {
  hasRosenpass: true,
  isFallback: false,
  lastExchangeAt: 60_000,
  isOskWritten: true,
  writes: [write('random', 0), write('rosenpass', 60_000)],
  lastHandshakeMs: wall0 + 80_000,
  isClockJumped: false,
};
const at = (ms: number) => ({ mono: ms, wall: wall0 + ms });
const judge = (change: Partial<PqHistory>, ms = 100_000) => judgePq({ ...good, ...change }, at(ms));

describe('the honest indicator', () => {
  test('active when all four conditions hold', () => expect(judge({})).toEqual({ pq: 'active', reason: 'ok' }));

  test.each([
    ['no key of the peer', { hasRosenpass: false }, 'off', 'no_key'],
    ['a permissive fallback', { isFallback: true }, 'off', 'permissive_fallback'],
    ['no exchange yet', { lastExchangeAt: undefined }, 'stale', 'no_exchange'],
    ['(a) an old exchange', { lastExchangeAt: 100_000 - pqFreshMs }, 'stale', 'exchange_expired'],
    ['(b) a key that was not read back', { isOskWritten: false }, 'stale', 'write_failed'],
    ['(c) a session of the random key', { lastHandshakeMs: wall0 + 50_000 }, 'stale', 'session_predates_key'],
    ['(d) no session', { lastHandshakeMs: undefined }, 'stale', 'no_session'],
    ['(d) an old session', { lastHandshakeMs: wall0 + 100_000 - pqFreshMs }, 'stale', 'no_session'],
    ['a clock that jumped', { isClockJumped: true }, 'stale', 'clock_jump'],
  ] as const)('%s', (_, change, pq, reason) => expect(judge(change)).toEqual({ pq, reason }));

  test('a handshake within 0.1 s of the write is unproven', () => {
    expect(judge({ lastHandshakeMs: wall0 + 60_005 + 100 }).reason).toBe('session_predates_key');
    expect(judge({ lastHandshakeMs: wall0 + 60_005 + 101 }).reason).toBe('ok');
  });

  test('from one exchanged key to the next there is no gap', () => {
    const writes = [...good.writes, write('rosenpass', 80_000)];
    expect(judge({ writes, lastExchangeAt: 80_000 }).reason).toBe('ok');
  });

  test('a handshake at or after the key was taken away proves nothing', () => {
    for (const kind of ['none', 'random'] as const) {
      const writes = [...good.writes, write(kind, 80_050)];
      expect(judge({ writes }).reason).toBe('session_predates_key');
      expect(judge({ writes: [...good.writes, write(kind, 80_150)] }).reason).toBe('ok');
    }
  });

  /** The truth, told by the story itself: which PSK was in force at each moment. */
  test('over any story: active only while an exchanged key was in force at the handshake (A10)', () => {
    const step = fc.record({
      waitMs: fc.integer({ min: 1, max: 200_000 }),
      what: fc.constantFrom('osk', 'cut', 'none', 'handshake', 'failed'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let now = 0;
        let inForce = 'random';
        const history = { ...good, lastExchangeAt: undefined as number | undefined, isOskWritten: false };
        history.writes = [write('random', 0)];
        history.lastHandshakeMs = undefined;
        let handshakeKey: string | undefined;
        let handshakeAt = -Infinity;
        for (const { waitMs, what } of steps) {
          now += waitMs;
          if (what === 'handshake') {
            history.lastHandshakeMs = wall0 + now;
            handshakeKey = inForce;
            handshakeAt = now;
          } else if (what === 'failed') {
            history.lastExchangeAt = now;
            history.isOskWritten = false;
          } else {
            const kind = what === 'osk' ? 'rosenpass' : what === 'cut' ? 'random' : 'none';
            history.writes = [...history.writes, write(kind, now)].slice(-8);
            inForce = kind;
            if (what === 'osk') Object.assign(history, { lastExchangeAt: now, isOskWritten: true });
            now += 5;
          }
          const { pq } = judgePq(history, at(now));
          if (pq !== 'active') continue;
          expect(handshakeKey).toBe('rosenpass');
          expect(now - handshakeAt).toBeLessThan(pqFreshMs);
          expect(now - (history.lastExchangeAt ?? -Infinity)).toBeLessThan(pqFreshMs);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
