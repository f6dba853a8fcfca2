import { expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { SwapWatch } from './swap-watch.ts';

test('HB-10: the fourth change of hands within a minute is a conflict, and the oldest instance is named', () => {
  const watch = new SwapWatch(new FakeClock());
  const from = ['first', 'second', 'first', 'second'];
  expect(from.map((one) => watch.conflict('a', one))).toEqual([undefined, undefined, undefined, 'first']);
  expect(watch.conflict('a', 'first')).toBe('first');
  expect(watch.conflict('b', 'first')).toBeUndefined();
});

test('changes of hands that lie apart are none', async () => {
  const clock = new FakeClock();
  const watch = new SwapWatch(clock);
  for (let i = 0; i < 10; i++) {
    expect(watch.conflict('a', 'first')).toBeUndefined();
    await clock.advance(25_000);
  }
});
