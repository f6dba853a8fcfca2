import { expect, test } from 'bun:test';
import { type Clock, systemClock } from '@labmesh/kit/clock';
import { FakeGateway } from '../generate/testing/fake-gateway.ts';
import { eventsOf, offerOf, only } from './testing/offers.ts';
import { openRig } from './testing/run-rig.ts';

/** Real time, and what is slept for now. */
function listening(): { clock: Clock; sleeping: () => number[] } {
  const open = new Map<object, number>();
  const sleep: Clock['sleep'] = async (ms, signal) => {
    const one = {};
    open.set(one, ms);
    await systemClock.sleep(ms, signal).finally(() => open.delete(one));
  };
  const clock: Clock = { now: () => systemClock.now(), wall: () => systemClock.wall(), sleep };
  return { clock, sleeping: () => [...open.values()] };
}

async function until(isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + 60_000; performance.now() < end; await Bun.sleep(5)) if (isSo()) return;
  throw new Error('it did not come to be');
}

test('with nothing to look after it sleeps for a minute; a run wakes it, and afterwards it sleeps again', async () => {
  const { clock, sleeping } = listening();
  const isIdle = () => String(sleeping()) === '60000';
  // The model answers when it has been seen that the engine looks after the run each second.
  const after = Promise.withResolvers<void>();
  await using gateway = new FakeGateway(() => ({ parts: ['good'], after: after.promise }));
  await using rig = await openRig({ gateway, parts: { clock } });
  await until(isIdle);
  const block = { variations: 1, max_wait_ms: 30_000 };
  const events = eventsOf(rig.runs, offerOf({ block }));
  await until(() => sleeping().includes(1_000));
  after.resolve();
  expect(only(await events, 'result')[0]?.report.status).toBe('valid');
  await until(isIdle);
});
