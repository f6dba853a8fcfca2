import { describe, expect, test } from 'bun:test';
import { TimestampSource } from '@labmesh/wireguard/noise/tai64n';
import { clockCheck, type ClockGround } from './clock-check.ts';

const nowMs = 1_800_000_000_000;
const hour = 3_600_000;
const ground = (change: Partial<ClockGround>): ClockGround => ({
  look: undefined,
  kept: undefined,
  hub: undefined,
  nowMs,
  ...change,
});
/** What a labmand has sent at that moment. */
function sentAt(wallMs: number): Uint8Array {
  let kept = new Uint8Array();
  const store = { load: () => undefined, save: (stamp: Uint8Array) => void (kept = new Uint8Array(stamp)) };
  new TimestampSource(store, () => wallMs).next();
  return kept;
}
const seen = (offMs: number) => ({ dateMs: nowMs - offMs, atMs: nowMs });

describe('the clock', () => {
  test('is right within the two minutes that do no harm', () => {
    expect(clockCheck(ground({ look: seen(0) }))).toMatchObject({
      result: 'pass',
      detail: 'within 1 s of the Conplane’s',
    });
    for (const off of [-119_000, 119_000]) expect(clockCheck(ground({ look: seen(off) })).result).toBe('pass');
  });

  test.each([
    [-5 * 60_000, '5 min behind'],
    [3 * hour, '3 h ahead of'],
    [-20_000 * hour, '833 days behind'],
  ])('is wrong by %p ms', (off, text) => {
    const found = clockCheck(ground({ look: seen(off) }));
    expect(found).toMatchObject({ result: 'fail', fix: expect.stringContaining('set-ntp') });
    expect(found.detail).toContain(text);
  });

  test('went back behind what was sent, when nobody else can be asked', () => {
    expect(clockCheck(ground({ kept: sentAt(nowMs + hour) }))).toMatchObject({ result: 'fail' });
    expect(clockCheck(ground({ kept: sentAt(nowMs) })).result).toBe('unknown');
    // It was wrong then, and is right now.
    expect(clockCheck(ground({ kept: sentAt(nowMs + hour), look: seen(0) })).result).toBe('pass');
  });

  test('jumped under a session', () => {
    const found = clockCheck(ground({ look: seen(0), hub: { pqReason: 'clock_jump' } }));
    expect(found).toMatchObject({ result: 'fail', fix: expect.stringContaining('labman tunnel exchange') });
  });

  test('cannot be judged alone', () => {
    expect(clockCheck(ground({}))).toMatchObject({ result: 'unknown' });
    expect(clockCheck(ground({ look: { dateMs: undefined, atMs: nowMs }, kept: new Uint8Array(3) })).result).toBe(
      'unknown',
    );
  });
});
