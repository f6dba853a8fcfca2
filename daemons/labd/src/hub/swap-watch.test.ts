import { expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { SwapWatch } from './swap-watch.ts';

test('HB-10: the fourth change of hands within a minute is a conflict', () => {
  const watch = new SwapWatch(new FakeClock());
  expect([1, 2, 3, 4].map(() => watch.isConflict('a'))).toEqual([false, false, false, true]);
  expect(watch.isConflict('b')).toBe(false);
});

test('changes of hands that lie apart are none', async () => {
  const clock = new FakeClock();
  const watch = new SwapWatch(clock);
  for (let i = 0; i < 10; i++) {
    expect(watch.isConflict('a')).toBe(false);
    await clock.advance(25_000);
  }
});
