import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UpdateRig } from '../testing/update-rig.ts';
import { guard, type GuardParts } from './guard.ts';

let rig: UpdateRig;
let parts: GuardParts;
beforeEach(() => {
  rig = new UpdateRig();
  parts = { folders: rig.folders, file: rig.file, clock: rig.clock, trialMs: 60_000 };
});
afterEach(() => rig[Symbol.dispose]());

function beginTrial(version = '0.2.0'): void {
  rig.place(version);
  const trial = { version, from: '0.1.0', startedAt: rig.clock.wall(), starts: 0 };
  rig.file.write({ ...rig.file.read(), trial });
  rig.folders.point('current', version);
}
const isBack = (reason: string) => {
  expect(rig.folders.target('current')).toBe('0.1.0');
  expect(rig.file.read().trial).toBeUndefined();
  expect(rig.file.read().bad).toEqual([expect.objectContaining({ version: '0.2.0', reason })]);
};

test('AG-8 nothing is on trial: nothing happens', () => {
  expect(guard(parts)).toBe('no version is on trial');
  expect(rig.folders.target('current')).toBe('0.1.0');
});

test('AG-8 three starts, the fourth is one of the old version', () => {
  beginTrial();
  for (let n = 1; n <= 3; n++) expect(guard(parts)).toBe(`0.2.0 is on trial, start ${n} of 3`);
  expect(rig.folders.target('current')).toBe('0.2.0');
  expect(guard(parts)).toBe('0.2.0 is bad (exits); back to 0.1.0');
  isBack('exits');
  expect(guard(parts)).toBe('no version is on trial');
});

test('AG-8 a start after 60 s is one of the old version', async () => {
  beginTrial();
  guard(parts);
  await rig.clock.advance(60_001);
  expect(guard(parts)).toBe('0.2.0 is bad (not-confirmed); back to 0.1.0');
  isBack('not-confirmed');
});

test('a version that gave up by itself, and one whose program is gone', () => {
  beginTrial();
  const state = rig.file.read();
  rig.file.write({ ...state, trial: { ...state.trial!, failed: 'not-confirmed' } });
  guard(parts);
  isBack('not-confirmed');
  beginTrial();
  rmSync(rig.folders.fileOf('0.2.0'));
  guard(parts);
  isBack('exits');
});

test('AG-9 not confirmed is an open case the first time only: labd may have been away', () => {
  const run = () => {
    beginTrial();
    const state = rig.file.read();
    rig.file.write({ ...state, trial: { ...state.trial!, failed: 'not-confirmed' } });
    guard(parts);
    return rig.file.read().bad[0]?.open;
  };
  expect(run()).toBe(true);
  rig.file.write({ ...rig.file.read(), bad: [], forgiven: ['0.2.0'] });
  expect(run()).toBe(false);
});

test('a flip that never happened is no trial', () => {
  beginTrial();
  rig.folders.point('current', '0.1.0');
  expect(guard(parts)).toContain('its trial is off');
  expect(rig.file.read()).toMatchObject({ bad: [] });
});

test('a clock that goes back does not end a trial, nor keep one for ever', async () => {
  beginTrial();
  const state = rig.file.read();
  rig.file.write({ ...state, trial: { ...state.trial!, startedAt: rig.clock.wall() + 86_400_000 } });
  for (let n = 1; n <= 3; n++) guard(parts);
  expect(rig.folders.target('current')).toBe('0.2.0');
  guard(parts);
  isBack('exits');
});

describe('a power cut at any step of going back', () => {
  test.each([1, 2, 3])('cut at step %d: the next start goes back all the same', (cutAt) => {
    beginTrial();
    for (let n = 0; n < 3; n++) guard(parts);
    let step = 0;
    const cut = () => {
      if (++step === cutAt) throw new Error('no power');
    };
    const write: typeof rig.file.write = (state) => {
      cut();
      rig.file.write(state);
    };
    const point: typeof rig.folders.point = (link, version) => {
      cut();
      rig.folders.point(link, version);
    };
    const file = { read: () => rig.file.read(), write } as typeof rig.file;
    const folders = {
      point,
      target: rig.folders.target.bind(rig.folders),
      has: () => true,
    } as unknown as typeof rig.folders;
    expect(() => guard({ ...parts, file, folders })).toThrow('no power');
    guard(parts);
    isBack('exits');
  });
});

test('damage of update.json counts as nothing on trial: the agent starts', () => {
  const path = join(rig.stateDir, 'update.json');
  mkdirSync(dirname(path), { recursive: true });
  for (const text of ['', '{', '[]', '{"trial":7}', '{"trial":{"version":"../x"}}', '\0\0']) {
    writeFileSync(path, text);
    expect(guard(parts)).toBe('no version is on trial');
  }
});
