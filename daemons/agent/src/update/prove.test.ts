import { thrower } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { silentLogger } from '@labmesh/kit/log';
import { UpdateRig } from '../testing/update-rig.ts';
import { isOnTrial, judge, prove, type ProveParts } from './prove.ts';

let rig: UpdateRig;
let since: number | undefined;
let ending: AbortController;
beforeEach(() => {
  rig = new UpdateRig();
  since = undefined;
  ending = new AbortController();
});
afterEach(() => {
  ending.abort(new Error('over'));
  rig[Symbol.dispose]();
});

const parts = (version: string): ProveParts => ({
  ground: rig.ground(version),
  clock: rig.clock,
  log: silentLogger,
  connectedSince: () => since,
  signal: ending.signal,
});
const connect = () => (since = rig.clock.now());

/** 0.2.0 on trial, flipped already. */
function onTrial(): { done: Promise<boolean>; isOver: () => boolean } {
  rig.place('0.2.0');
  const trial = { version: '0.2.0', from: '0.1.0', startedAt: rig.clock.wall(), starts: 1 };
  rig.file.write({ ...rig.file.read(), trial });
  rig.folders.point('current', '0.2.0');
  let isOver = false;
  const done = prove(parts('0.2.0'));
  void done.then(
    () => (isOver = true),
    () => {},
  );
  return { done, isOver: () => isOver };
}

test('who is not on trial needs no proof', async () => {
  expect(isOnTrial(rig.ground())).toBe(false);
  expect(await prove(parts('0.1.0'))).toBe(true);
});

describe('AG-8 a version on trial', () => {
  test('is confirmed after 30 s of connection; older versions but the last go', async () => {
    rig.place('0.0.9');
    const { done, isOver } = onTrial();
    expect(isOnTrial(rig.ground('0.2.0'))).toBe(true);
    await rig.clock.advance(5_000);
    connect();
    await rig.clock.advance(29_000);
    expect(isOver()).toBe(false);
    expect(rig.folders.target('confirmed')).toBe('0.1.0');
    await rig.clock.advance(1_500);
    expect(await done).toBe(true);
    expect(rig.folders.target('confirmed')).toBe('0.2.0');
    expect(rig.file.read().trial).toBeUndefined();
    expect([rig.folders.has('0.1.0'), rig.folders.has('0.0.9')]).toEqual([true, false]);
  });

  test('that gets no connection within 60 s says so to the guard', async () => {
    const { done, isOver } = onTrial();
    await rig.clock.advance(59_500);
    expect(isOver()).toBe(false);
    await rig.clock.advance(1_000);
    expect(await done).toBe(false);
    expect(rig.file.read().trial?.failed).toBe('not-confirmed');
    expect(rig.folders.target('confirmed')).toBe('0.1.0');
  });

  test('counts the time since the flip, not since its own start', async () => {
    rig.place('0.2.0');
    const trial = { version: '0.2.0', from: '0.1.0', startedAt: rig.clock.wall() - 55_000, starts: 2 };
    rig.file.write({ ...rig.file.read(), trial });
    const done = prove(parts('0.2.0'));
    await rig.clock.advance(5_500);
    expect(await done).toBe(false);
  });

  test('connected late, it may finish its 30 s; cut then, it is over', async () => {
    const late = onTrial();
    await rig.clock.advance(50_000);
    connect();
    await rig.clock.advance(31_000);
    expect(await late.done).toBe(true);
    since = undefined;
    const cut = onTrial();
    await rig.clock.advance(50_000);
    connect();
    await rig.clock.advance(15_000);
    expect(cut.isOver()).toBe(false);
    since = undefined;
    await rig.clock.advance(500);
    expect(await cut.done).toBe(false);
  });

  test('a cut begins the 30 s anew', async () => {
    const { done, isOver } = onTrial();
    connect();
    await rig.clock.advance(20_000);
    since = undefined;
    await rig.clock.advance(1_000);
    connect();
    await rig.clock.advance(20_000);
    expect(isOver()).toBe(false);
    await rig.clock.advance(11_000);
    expect(await done).toBe(true);
  });

  test('that is asked to stop leaves everything as it is', async () => {
    const { done } = onTrial();
    ending.abort(new Error('stopping'));
    expect(await thrower(done)).toThrow('stopping');
    expect(rig.file.read().trial).toMatchObject({ version: '0.2.0', starts: 1 });
  });
});

describe('AG-9 whose fault it was', () => {
  const bad = (open: boolean) => ({ version: '0.2.0', reason: 'not-confirmed', at: 1, open }) as const;

  test('the old version is connected: the new one is bad for good', async () => {
    rig.file.write({ ...rig.file.read(), bad: [bad(true)] });
    const judged = judge(parts('0.1.0'));
    await rig.clock.advance(3_000);
    connect();
    await rig.clock.advance(500);
    expect(await judged).toBe(true);
    expect(rig.file.read()).toMatchObject({ bad: [bad(false)], forgiven: [] });
  });

  test('the old version gets no connection either: labd was away, and the new one has another chance', async () => {
    rig.file.write({ ...rig.file.read(), bad: [{ ...bad(false), version: '0.1.5' }, bad(true)] });
    const judged = judge(parts('0.1.0'));
    await rig.clock.advance(61_000);
    expect(await judged).toBe(false);
    expect(rig.file.read()).toMatchObject({ bad: [{ version: '0.1.5' }], forgiven: ['0.2.0'] });
  });

  test('no open case: nothing is waited for', async () => {
    rig.file.write({ ...rig.file.read(), bad: [bad(false)] });
    expect(await judge(parts('0.1.0'))).toBe(false);
  });
});
