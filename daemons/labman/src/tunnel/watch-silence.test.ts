import { expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { watchSilence } from './watch-silence.ts';

type Seen = { rxBytes: number; handshakeAgeS: number | null };

/** Seconds at which the session was begun anew; `seen` tells the hub at a second, undefined without a tunnel. */
async function renewals(seconds: number, seen: (second: number) => Seen | undefined, fails = false): Promise<number[]> {
  const clock = new FakeClock();
  const from = clock.now();
  const second = () => (clock.now() - from) / 1_000;
  const found: number[] = [];
  const ending = new AbortController();
  const tunnel = {
    view: () => {
      const hub = seen(second());
      return hub && { peers: [hub] };
    },
    renew: () => {
      found.push(second());
      return fails ? Promise.reject(new Error('the device is gone')) : Promise.resolve();
    },
  };
  const running = watchSilence({ tunnel, clock, log: silentLogger }, ending.signal);
  for (let left = seconds; left > 0; left -= 5) {
    await clock.advance(5_000);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }
  ending.abort();
  await running;
  return found;
}

test('a hub that is heard every 25 s keeps its session', async () => {
  expect(await renewals(600, (at) => ({ rxBytes: 32 * Math.floor(at / 25), handshakeAgeS: at % 120 }))).toEqual([]);
});

test('one lost keepalive is no silence', async () => {
  const rxBytes = (at: number) => 32 * Math.floor(at / 50);
  expect(await renewals(600, (at) => ({ rxBytes: rxBytes(at), handshakeAgeS: at % 120 }))).toEqual([]);
});

test.each([false, true])('a silent one is begun anew each minute, also when that fails: %p', async (fails) => {
  const last = (at: number) => 100 + 32 * Math.floor(Math.min(at, 50) / 25);
  expect(await renewals(180, (at) => ({ rxBytes: last(at), handshakeAgeS: 10 }), fails)).toEqual([110, 170]);
});

test('without a session there is nothing to begin anew', async () => {
  expect(await renewals(300, () => undefined)).toEqual([]);
  expect(await renewals(300, () => ({ rxBytes: 0, handshakeAgeS: null }))).toEqual([]);
  expect(await renewals(300, () => ({ rxBytes: 0, handshakeAgeS: 180 }))).toEqual([]);
});
