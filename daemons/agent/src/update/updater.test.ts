import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { silentLogger } from '@labmesh/kit/log';
import type { AgentDesired } from '@labmesh/wire/fleet/releases';
import type { Msg } from '@labmesh/wire/frame/messages';
import { UpdateRig } from '../testing/update-rig.ts';
import { openUpdater } from './open-updater.ts';
import { Updater } from './updater.ts';

type Report = Extract<Msg, { kind: 'update-report' }>;

let rig: UpdateRig;
let sessions: number;
let restarts: number;
let reports: Report[];
let ending: AbortController;
beforeEach(() => {
  rig = new UpdateRig();
  [sessions, restarts, reports] = [0, 0, []];
  ending = new AbortController();
});
afterEach(() => {
  ending.abort(new Error('over'));
  rig[Symbol.dispose]();
});

/** An agent of a version; what would be fetched lies there already. */
function start(version = '0.1.0'): Updater {
  const updater = new Updater({
    ground: rig.ground(version),
    clock: rig.clock,
    log: silentLogger,
    labd: () => undefined,
    sessions: () => sessions,
    send: (msg) => reports.push(msg as Report) > 0,
    restart: () => void restarts++,
  });
  void updater.run(ending.signal);
  return updater;
}

/** Lets what is under way go on, files and all, without a step of the clock. */
async function settle(): Promise<void> {
  for (let n = 0; n < 20; n++) await Bun.sleep(1);
}
const wish = async (updater: Updater, desired: AgentDesired) => {
  updater.wish(desired);
  await settle();
};

describe('AG-8 a wish', () => {
  test('for a released version: trial written, current flipped, restart; confirmed stays', async () => {
    rig.place('0.2.0');
    const updater = start();
    await wish(updater, rig.wish('0.2.0'));
    expect(restarts).toBe(1);
    expect([rig.folders.target('current'), rig.folders.target('confirmed')]).toEqual(['0.2.0', '0.1.0']);
    const at = rig.clock.wall();
    expect(rig.file.read().trial).toEqual({ version: '0.2.0', from: '0.1.0', startedAt: at, starts: 0 });
  });

  test('for the version that runs, or for somebody else, changes nothing', async () => {
    const updater = start();
    const others = [rig.wish('0.1.0'), { agentUrls: ['https://b'] }, { kind: 'bastion' }, null, 7, { kind: 'agent' }];
    for (const other of others) await wish(updater, other as AgentDesired);
    expect([restarts, rig.folders.target('current')]).toEqual([0, '0.1.0']);
  });

  test('that nobody released makes the version bad; it is told, kept, and not looked at again', async () => {
    rig.place('0.2.0');
    const updater = start();
    await wish(updater, rig.wish('0.2.0', { signature: Buffer.alloc(64).toString('base64') }));
    expect(reports.at(-1)).toEqual({ kind: 'update-report', state: 'idle', badVersions: ['0.2.0'] });
    expect(rig.file.read().bad).toMatchObject([{ version: '0.2.0', reason: 'signature' }]);
    await wish(updater, rig.wish('0.2.0'));
    const later = start();
    await wish(later, rig.wish('0.2.0'));
    expect([restarts, rig.folders.target('current')]).toEqual([0, '0.1.0']);
  });

  test('for an older version only when that is meant', async () => {
    rig.place('0.0.9');
    const updater = start();
    await wish(updater, rig.wish('0.0.9'));
    expect([restarts, rig.file.read().bad]).toEqual([0, []]);
    await wish(updater, rig.wish('0.0.9', { downgrade: true }));
    expect(restarts).toBe(1);
  });

  test('a file in the folder that is another one is not trusted', async () => {
    rig.place('0.2.0');
    const updater = start();
    await wish(updater, rig.wish('0.2.0', {}, 'what was released'));
    // It is fetched then, and labd is away.
    expect(updater.state).toBe('fetching');
    expect(restarts).toBe(0);
  });
});

describe('AG-9 sessions', () => {
  test('delay an update until they are over', async () => {
    rig.place('0.2.0');
    sessions = 2;
    const updater = start();
    await wish(updater, rig.wish('0.2.0'));
    await rig.clock.advance(600_000);
    expect([updater.state, restarts]).toEqual(['waiting', 0]);
    sessions = 0;
    await rig.clock.advance(1_500);
    await settle();
    expect(restarts).toBe(1);
  });

  test('for 15 minutes, not longer', async () => {
    rig.place('0.2.0');
    sessions = 1;
    const updater = start();
    await wish(updater, rig.wish('0.2.0'));
    await rig.clock.advance(899_000);
    expect(restarts).toBe(0);
    await rig.clock.advance(2_000);
    await settle();
    expect(restarts).toBe(1);
  });

  test('not at all when there is a hurry, which may be told later', async () => {
    rig.place('0.2.0');
    sessions = 1;
    const updater = start();
    await wish(updater, rig.wish('0.2.0'));
    await rig.clock.advance(5_000);
    expect(restarts).toBe(0);
    await wish(updater, rig.wish('0.2.0', { now: true }));
    await rig.clock.advance(1_500);
    await settle();
    expect(restarts).toBe(1);
  });

  test('a wish for another version while one waits takes its place', async () => {
    for (const version of ['0.2.0', '0.3.0']) rig.place(version);
    sessions = 1;
    const updater = start();
    await wish(updater, rig.wish('0.2.0'));
    await wish(updater, rig.wish('0.3.0'));
    sessions = 0;
    await rig.clock.advance(5_000);
    await settle();
    expect([restarts, rig.folders.target('current')]).toEqual([1, '0.3.0']);
  });

  test('a wish for what runs already takes a waiting one back', async () => {
    rig.place('0.2.0');
    sessions = 1;
    const updater = start();
    await wish(updater, rig.wish('0.2.0'));
    await wish(updater, rig.wish('0.1.0'));
    sessions = 0;
    await rig.clock.advance(5_000);
    await settle();
    expect([restarts, updater.state]).toEqual([0, 'idle']);
  });
});

describe('a version on trial', () => {
  beforeEach(() => {
    rig.place('0.2.0');
    rig.file.write({
      ...rig.file.read(),
      trial: { version: '0.2.0', from: '0.1.0', startedAt: rig.clock.wall(), starts: 1 },
    });
    rig.folders.point('current', '0.2.0');
  });

  test('says so, is confirmed, and only then looks at other wishes', async () => {
    const updater = start('0.2.0');
    let isConfirmed = false;
    void updater.confirmed.then(() => (isConfirmed = true));
    updater.connected();
    expect(reports.at(-1)?.state).toBe('trial');
    await wish(updater, rig.wish('0.3.0'));
    expect([isConfirmed, restarts]).toEqual([false, 0]);
    await rig.clock.advance(31_000);
    await settle();
    expect(isConfirmed).toBe(true);
    expect([updater.state, rig.folders.target('confirmed')]).toEqual(['fetching', '0.2.0']);
  });

  test('without a connection restarts itself, so that the guard goes back', async () => {
    const updater = start('0.2.0');
    let isConfirmed = false;
    void updater.confirmed.then(() => (isConfirmed = true));
    await rig.clock.advance(61_000);
    await settle();
    expect([restarts, isConfirmed]).toEqual([1, false]);
    expect(rig.file.read().trial?.failed).toBe('not-confirmed');
  });
});

test('a version that was taken back is told as bad once that is sure', async () => {
  const open = { version: '0.2.0', reason: 'not-confirmed', at: 1, open: true } as const;
  rig.file.write({ ...rig.file.read(), bad: [open] });
  const updater = start();
  updater.connected();
  expect(reports.at(-1)?.badVersions).toEqual([]);
  await rig.clock.advance(500);
  await settle();
  expect(reports.at(-1)?.badVersions).toEqual(['0.2.0']);
});

describe('where there are no updates', () => {
  const options = (more = {}) =>
    ({ update: true, releaseKey: rig.keyText, installDir: rig.installDir, stateDir: rig.stateDir, ...more }) as never;
  const open = (more = {}, version = '0.1.0', restart: (() => void) | null = () => {}) =>
    openUpdater({
      options: options(more),
      version,
      selfCommand: [process.execPath, rig.folders.fileOf('0.1.0')],
      restart: restart ?? undefined,
      clock: rig.clock,
      log: silentLogger,
      labd: () => undefined,
      sessions: () => 0,
      send: () => true,
    });

  test('agent.update, no key, another folder or version, or in another process', () => {
    expect(open()).toBeInstanceOf(Updater);
    expect(open({ update: false })).toBeUndefined();
    expect(open({ releaseKey: undefined })).toBeUndefined();
    expect(open({ installDir: '/opt/elsewhere' })).toBeUndefined();
    expect(open({}, '0.2.0')).toBeUndefined();
    expect(open({}, '0.1.0', null)).toBeUndefined();
  });

  test('a key that is none is an error of the settings', () =>
    expect(() => open({ releaseKey: 'ed25519:short' })).toThrow('ed25519:'));
});
