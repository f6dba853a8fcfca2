/** EX-10 on a disk that is full, and on one that hangs. */
import { errorOf } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { RecorderHealth, Stalled, withinStall, type RecorderAlarm } from './recorder-health.ts';
import { RecordingFolder, folderOfUrl } from './recording-folder.ts';
import type { SessionRecording } from './session-recording.ts';
import { bytesOf, openGround, until } from './testing/recorder-ground.ts';

const term = { term: 'xterm', cols: 80, rows: 24 };

/** Mounts 16 MiB; false where that is not allowed, as it is not for root in most containers. */
function mountDisk(disk: string): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  return Bun.spawnSync(['mount', '-t', 'tmpfs', '-o', 'size=16m', 'labmesh-test', disk]).exitCode === 0;
}
function removeDisk(disk: string): void {
  Bun.spawnSync(['umount', disk]);
  rmSync(disk, { recursive: true, force: true });
}
const tried = mkdtempSync(join(tmpdir(), 'labmesh-try-'));
const canMount = mountDisk(tried);
removeDisk(tried);
setDefaultTimeout(30_000);
const mib = 1024 * 1024;

/** Noise that zstd cannot shrink, as text. */
const noise = (bytes: number) => bytesOf(Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString('base64'));

describe.skipIf(!canMount)('a full disk of 16 MiB (needs root)', () => {
  let disk = '';
  const filler = () => join(disk, 'filler');
  /** Leaves less than a page. */
  const fill = () => {
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(filler(), new Uint8Array(bavail * bsize));
  };
  const free = () => rmSync(filler(), { force: true });

  beforeAll(() => {
    disk = mkdtempSync(join(tmpdir(), 'labmesh-full-'));
    expect(mountDisk(disk)).toBe(true);
  });
  afterAll(() => removeDisk(disk));
  const open = (name: string, alarms: RecorderAlarm[] = [], graceMs = 10_000) => {
    mkdirSync(join(disk, name));
    const url = `file:${join(disk, name)}`;
    return openGround({ url, onAlarm: (alarm) => alarms.push(alarm), options: { graceMs } });
  };

  test('EX-10: new sessions are refused with an alarm, and it recovers by itself', async () => {
    const alarms: RecorderAlarm[] = [];
    await using ground = await open('refuse', alarms);
    fill();
    for (let i = 0; i < 3; i++) {
      expect(await errorOf(ground.start())).toMatchObject({ code: 'RECORDING_UNAVAILABLE', status: 503 });
    }
    expect(alarms).toEqual([{ type: 'recording-failing', why: 'ENOSPC' }]);
    free();
    await until(() => !ground.recorder.health.failing);
    expect(alarms).toHaveLength(2);
    expect(alarms[1]).toMatchObject({ type: 'recording-recovered' });
    const recording = await ground.start();
    recording.write(1, bytesOf('back'));
    await recording.end();
    expect(await ground.read(recording.session)).toContain('"back"');
  });

  test('EX-10: a start that comes right after the space does not wait for the next probe', async () => {
    await using ground = await open('direct');
    fill();
    expect(await errorOf(ground.start())).toMatchObject({ code: 'RECORDING_UNAVAILABLE' });
    free();
    await Bun.sleep(300);
    await (await ground.start()).end();
  });

  test('EX-10: a running session that finds space again within its grace loses nothing', async () => {
    await using ground = await open('grace');
    const recording = await ground.start({ term });
    recording.write(1, bytesOf('before '));
    await until(() => recording.consumed(1) === 7);
    fill();
    recording.write(1, noise(200_000));
    await until(() => ground.recorder.health.failing);
    // In its grace, the sender goes on as if nothing were wrong.
    recording.write(1, bytesOf('meanwhile '));
    expect(recording.consumed(1)).toBe(7 + Math.ceil(200_000 / 3) * 4 + 10);
    free();
    await Bun.sleep(600);
    recording.write(1, bytesOf('after'));
    const end = await recording.end({ code: 0, signal: null });
    expect(end.sha256).not.toBeNull();
    const text = await ground.read(recording.session);
    for (const word of ['before ', 'meanwhile ', 'after']) expect(text).toContain(word);
  });

  test('EX-10: after 4 MiB without a disk the session ends recording-unavailable', async () => {
    await using ground = await open('bytes');
    const recording = await ground.start({ term });
    fill();
    let sent = 0;
    let failure: string | undefined;
    void recording.failed.then((why) => (failure = why));
    while (failure === undefined && sent < 64 * mib) {
      recording.write(1, noise(48 * 1024));
      sent += 64 * 1024;
      await Bun.sleep(1);
    }
    expect(failure).toBe('recording-unavailable');
    expect(sent).toBeLessThan(8 * mib);
    const end = await recording.end();
    expect(end.sha256).toBeNull();
    free();
    expect(await ground.read(recording.session)).toContain('its end was not written');
  });

  test('EX-10: after its seconds without a disk the session ends, however quiet it is', async () => {
    await using ground = await open('seconds', [], 1_500);
    const recording = await ground.start({ term });
    fill();
    recording.write(1, noise(60_000));
    const began = performance.now();
    expect(await recording.failed).toBe('recording-unavailable');
    expect(performance.now() - began).toBeGreaterThan(1_000);
    expect((await recording.end()).sha256).toBeNull();
    free();
  });

  test('EX-10: 50 running sessions on a full disk all end, and their memory comes back', async () => {
    await using ground = await open('many', [], 1_000);
    const all: SessionRecording[] = [];
    for (let i = 0; i < 50; i++) all.push(await ground.start({ term }));
    fill();
    for (const recording of all) recording.write(1, noise(60_000));
    expect(new Set(await Promise.all(all.map((recording) => recording.failed)))).toEqual(
      new Set(['recording-unavailable']),
    );
    await Promise.all(all.map((recording) => recording.end()));
    free();
    await until(() => !ground.recorder.health.failing);
  });
});

describe('the probe', () => {
  const healthOf = (folder: string, clock: FakeClock, alarms: RecorderAlarm[]) =>
    new RecorderHealth({
      folder: new RecordingFolder(folder),
      clock,
      log: silentLogger,
      onAlarm: (alarm) => alarms.push(alarm),
      stallMs: 10_000,
    });

  test('EX-10: a folder that cannot be written is noticed within 60 s with nobody at work', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'labmesh-probe-'));
    writeFileSync(join(dir, 'file'), '');
    const clock = new FakeClock();
    const alarms: RecorderAlarm[] = [];
    await using health = healthOf(join(dir, 'file', 'below'), clock, alarms);
    for (let s = 0; s < 60 && alarms.length === 0; s++) {
      await clock.advance(1_000);
      await Bun.sleep(5);
    }
    expect(alarms).toHaveLength(1);
    expect(health.failing).toBe(true);
    expect(await errorOf(health.check())).toMatchObject({ code: 'RECORDING_UNAVAILABLE' });
    rmSync(join(dir, 'file'));
    for (let s = 0; s < 10 && health.failing; s++) {
      await clock.advance(1_000);
      await Bun.sleep(5);
    }
    expect(alarms.map(({ type }) => type)).toEqual(['recording-failing', 'recording-recovered']);
    await health.check();
    rmSync(dir, { recursive: true });
  });
});

test('EX-10: a write that never ends counts as failed', async () => {
  expect(await errorOf(withinStall(20, new Promise(() => {})))).toBeInstanceOf(Stalled);
  expect(await withinStall(20, Promise.resolve(7))).toBe(7);
});

test('recordings.url: a folder, however it is written, and nothing else', () => {
  expect(folderOfUrl('file:/var/lib/x')).toBe('/var/lib/x');
  expect(folderOfUrl('file:///var/lib/a%20b')).toBe('/var/lib/a b');
  expect(folderOfUrl('file:below')).toBe(join(process.cwd(), 'below'));
  for (const bad of ['', 'file:', '/var/lib/x', 'http://x/y', 's3://x/y']) {
    expect(() => folderOfUrl(bad)).toThrow(/recordings.url/);
  }
});

test('a url in a row leads nowhere but below the folder', () => {
  const folder = new RecordingFolder('/data');
  expect(folder.find('file:2025-01-02/01900000-0000-7000-8000-00000000000a.labrec')).toBe(
    '/data/2025-01-02/01900000-0000-7000-8000-00000000000a.labrec',
  );
  for (const bad of ['file:../../etc/passwd', 'file:/etc/passwd', 'file:2025-01-02/../../x.labrec', 's3:x', '']) {
    expect(folder.find(bad)).toBeUndefined();
  }
});
