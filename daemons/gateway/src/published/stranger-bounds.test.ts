import { describe, expect, test } from 'bun:test';
import { ApiError } from '@labmesh/wire/errors';
import fc from 'fast-check';
import { allTimes, askedAtOnce, askedPerSecond, networksMost, StrangerBounds } from './stranger-bounds.ts';

/** Whether it may ask. */
function may(bounds: StrangerBounds, peer: string, now = 0, isFree = true): boolean {
  try {
    bounds.take(peer, now, isFree);
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.code === 'rate_limit_exceeded' && error.retryAfterS === 1) return false;
    throw error;
  }
}
/** How many of so many questions at one moment are let through. */
const passed = (bounds: StrangerBounds, peer: string, count: number, now = 0) =>
  Array.from({ length: count }, () => may(bounds, peer, now)).filter(Boolean).length;

describe('how often strangers may make us ask', () => {
  test('so many at once, then so many a second, and never more for having waited', () => {
    const bounds = new StrangerBounds();
    expect(passed(bounds, '192.0.2.1', askedAtOnce + 5)).toBe(askedAtOnce);
    expect(passed(bounds, '192.0.2.1', askedPerSecond * 3, 1_000)).toBe(askedPerSecond);
    expect(passed(bounds, '192.0.2.1', askedAtOnce * 2, 1e9)).toBe(askedAtOnce);
  });

  test('an address takes nothing from another; one IPv6 network is one', () => {
    const bounds = new StrangerBounds();
    passed(bounds, '192.0.2.1', askedAtOnce);
    expect([may(bounds, '192.0.2.1'), may(bounds, '192.0.2.2')]).toEqual([false, true]);
    passed(bounds, '2001:db8:1:2::1', askedAtOnce);
    expect([may(bounds, '2001:db8:1:2:9::7'), may(bounds, '2001:db8:1:3::1')]).toEqual([false, true]);
    expect([may(bounds, '::ffff:192.0.2.8'), may(bounds, '::ffff:192.0.2.9')]).toEqual([true, true]);
  });

  test('however it is written: zeros may be left out, and a link may be named', () => {
    const bounds = new StrangerBounds();
    passed(bounds, '2001:db8::1', askedAtOnce);
    for (const same of ['2001:db8::2', '2001:db8::7:1:2:3', '2001:0db8:0:0::9', '2001:DB8:0:0:1:1:1:1']) {
      expect([same, may(bounds, same)]).toEqual([same, false]);
    }
    expect(may(bounds, '2001:db8:0:1::1')).toBe(true);
    passed(bounds, 'fe80::1%eth0', askedAtOnce);
    expect([may(bounds, 'fe80::2%eth1'), may(bounds, 'fe80::a:b:c:d')]).toEqual([false, false]);
    passed(bounds, '', askedAtOnce);
    expect(may(bounds, 'no address')).toBe(false);
  });

  test('all addresses of a /64 are one, those of two are two', () => {
    const group = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16));
    const half = fc.array(group, { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(half, half, half, (net, first, second) => {
        const bounds = new StrangerBounds();
        /** As a socket of the kernel writes it. */
        const text = (...groups: string[]) => new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
        passed(bounds, text(...net, ...first), askedAtOnce);
        expect(may(bounds, text(...net, ...second))).toBe(false);
        const other = net.with(3, ((parseInt(net[3] ?? '', 16) + 1) & 0xffff).toString(16));
        expect(may(bounds, text(...other, ...second))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  test('all together have a bound too; with the arena busy nobody asks', () => {
    const bounds = new StrangerBounds();
    let all = 0;
    for (let i = 0; i < allTimes + 2; i++) all += passed(bounds, `192.0.2.${i}`, askedAtOnce);
    expect(all).toBe(askedAtOnce * allTimes);
    expect(may(new StrangerBounds(), '192.0.2.1', 0, false)).toBe(false);
  });

  test('any order of addresses and times keeps the bound of all', () => {
    const step = fc.tuple(fc.integer({ min: 0, max: networksMost * 2 }), fc.integer({ min: 0, max: 50 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 3_000, size: 'max' }), (steps) => {
        const bounds = new StrangerBounds();
        let now = 0;
        let count = 0;
        for (const [network, waitMs] of steps) {
          now += waitMs;
          if (may(bounds, `10.0.${network >> 8}.${network & 255}`, now)) count += 1;
        }
        const most = askedAtOnce * allTimes + (now / 1_000) * askedPerSecond * allTimes;
        expect(count).toBeLessThanOrEqual(most);
      }),
      { numRuns: 30 },
    );
  });
});
