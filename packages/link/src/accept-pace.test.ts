import { expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { AcceptPace } from './accept-pace.ts';

test('HB-11: a burst, then so many a second; who would wait too long is turned away', async () => {
  const clock = new FakeClock();
  await clock.advance(10_000);
  const pace = new AcceptPace(100, 200, clock);
  const waits = Array.from({ length: 100 }, () => pace.take());
  expect(waits.filter((wait) => wait === 0).length).toBeGreaterThan(0);
  const turnedAway = waits.filter((wait) => wait === undefined).length;
  expect(turnedAway).toBeGreaterThan(50);
  for (const wait of waits) if (wait !== undefined) expect(wait).toBeLessThanOrEqual(200);
  await clock.advance(1_000);
  expect(pace.take()).toBe(0);
});

test('HB-11: over ten seconds no more than the rate and one burst come in', async () => {
  const clock = new FakeClock();
  const pace = new AcceptPace(100, 200, clock);
  let admitted = 0;
  for (let ms = 0; ms < 10_000; ms += 5) {
    if (pace.take() !== undefined) admitted++;
    await clock.advance(5);
  }
  expect(admitted).toBeGreaterThan(900);
  expect(admitted).toBeLessThanOrEqual(1_050);
});
