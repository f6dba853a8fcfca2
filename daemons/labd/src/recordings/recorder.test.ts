import { thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FakeClock } from '@labmesh/kit/clock';
import { Metrics } from '@labmesh/kit/metrics';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { endRecordingRow, insertRecordingRow } from './recorder.ts';
import { bytesOf, openGround, replicaA, until, type Ground } from './testing/recorder-ground.ts';

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');
const term = { term: 'xterm-256color', cols: 80, rows: 24 };
const rowOf = (ground: Ground, id: string) =>
  ground.store.read(system('test'), (db) =>
    db.selectFrom('recordings').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
  );
const outputOf = async (ground: Ground, session: string) =>
  (await ground.items(session)).map((item) => (item.type === 'event' && item.code === 'o' ? item.text : '')).join('');

describe('what is recorded', () => {
  test('EX-9: a terminal session: head, output, resize, marker, exit; input is left out', async () => {
    await using ground = await openGround();
    const recording = await ground.start({ term, command: 'top' });
    recording.write(1, bytesOf('a☃'));
    recording.write(0, bytesOf('secret'));
    recording.resize(90, 30);
    recording.mark('resumed');
    recording.write(1, Uint8Array.of(0xff));
    const end = await recording.end({ code: 0, signal: null });
    const items = await ground.items(recording.session);
    expect(items[0]).toMatchObject({
      type: 'head',
      head: { version: 3, term: { cols: 80, rows: 24, type: 'xterm-256color' }, command: 'top' },
    });
    expect(items.slice(1).map((item) => (item.type === 'event' ? [item.code, item.text] : []))).toEqual([
      ['o', 'a☃'],
      ['r', '90x30'],
      ['m', 'resumed'],
      ['o', '\ufffd'],
      ['x', '0'],
    ]);
    const { out } = end.streams;
    expect(out).toEqual({ bytes: 5, sha256: sha256(Buffer.concat([bytesOf('a☃'), Uint8Array.of(0xff)])) });
    expect(end.streams.in).toEqual({ bytes: 6, sha256: sha256('secret') });
  });

  test('EX-9: without terminal, markers say which output it was; input comes with the option', async () => {
    await using ground = await openGround({ options: { input: true } });
    const recording = await ground.start();
    recording.write(2, bytesOf('bad\n'));
    recording.write(1, bytesOf('good\n'));
    recording.write(1, bytesOf('more\n'));
    recording.write(0, bytesOf('yes\n'));
    recording.write(2, bytesOf('worse\n'));
    await recording.end({ code: null, signal: 'KILL' });
    const [, ...events] = await ground.items(recording.session);
    expect(events.map((item) => (item.type === 'event' ? `${item.code} ${item.text}` : ''))).toEqual([
      'm stderr',
      'o bad\n',
      'm stdout',
      'o good\n',
      'o more\n',
      'i yes\n',
      'm stderr',
      'o worse\n',
      'x 137',
    ]);
  });

  test('EX-9: characters split over writes wait, by stream; one that never ends is U+FFFD', async () => {
    await using ground = await openGround();
    const recording = await ground.start();
    const snow = bytesOf('☃');
    recording.write(1, snow.subarray(0, 1));
    recording.write(2, snow.subarray(0, 2));
    recording.write(1, snow.subarray(1));
    recording.write(2, snow.subarray(2));
    recording.write(1, snow.subarray(0, 1));
    await recording.end();
    expect(await outputOf(ground, recording.session)).toBe('☃☃\ufffd');
  });

  test('EX-9: intervals are those of the clock', async () => {
    const clock = new FakeClock();
    await using ground = await openGround({ clock });
    const recording = await ground.start({ term });
    await clock.advance(1_250);
    recording.write(1, bytesOf('a'));
    await clock.advance(250);
    recording.write(1, bytesOf('b'));
    await recording.end({ code: 3, signal: null });
    expect((await ground.read(recording.session)).split('\n').slice(1)).toEqual([
      '[1.25,"o","a"]',
      '[0.25,"o","b"]',
      '[0,"x","3"]',
      '',
    ]);
  });
});

describe('bounds', () => {
  test('EX-9: a terminal over its bound ends recording-limit, with all up to the bound', async () => {
    await using ground = await openGround({ options: { ttyBytesMax: 1_000 } });
    const recording = await ground.start({ term });
    for (let i = 0; i < 30; i++) recording.write(1, bytesOf('x'.repeat(99)));
    expect(await recording.failed).toBe('recording-limit');
    const end = await recording.end({ code: 0, signal: null });
    expect(await outputOf(ground, recording.session)).toBe('x'.repeat(1_000));
    expect(end.sha256).not.toBeNull();
    expect(end.streams.out?.bytes).toBe(30 * 99);
    expect(await ground.read(recording.session)).toContain('labmesh: the recording is full');
  });

  test('EX-9: a pipe keeps its first bytes, then hash and length only', async () => {
    await using ground = await openGround({ options: { pipeBytesMax: 100_000 } });
    const recording = await ground.start();
    const all = randomBytes(300_000).toString('hex').slice(0, 300_000);
    for (let at = 0; at < all.length; at += 16_384) recording.write(1, bytesOf(all.slice(at, at + 16_384)));
    const end = await recording.end({ code: 0, signal: null });
    expect(await outputOf(ground, recording.session)).toBe(all.slice(0, 100_000));
    expect(end.streams).toEqual({ out: { bytes: 300_000, sha256: sha256(all) } });
    const text = await ground.read(recording.session);
    expect(text).toContain('from here only length and SHA-256 are kept');
    expect(text).toContain(`labmesh: out 300000 bytes sha256 ${sha256(all)}`);
    expect(recording.consumed(1)).toBe(300_000);
  });

  test('resizing without end reaches the bound too', async () => {
    await using ground = await openGround({ options: { ttyBytesMax: 10_000 } });
    const recording = await ground.start({ term });
    for (let i = 0; i < 1_000; i++) recording.resize(80, 24 + (i & 1));
    expect(await recording.failed).toBe('recording-limit');
    const { bytes } = await recording.end();
    expect(bytes).toBeLessThan(20_000);
  });
});

describe('credit', () => {
  test('HB-5: bytes are consumed when they are written, and a small window does not starve', async () => {
    await using ground = await openGround();
    const recording = await ground.start({ term, windowBytes: 1_024 });
    let told = 0;
    recording.onConsumed((stream) => (told = recording.consumed(stream)));
    for (let sent = 0; sent < 20_480;) {
      const room = 1_024 - (sent - recording.consumed(1));
      recording.write(1, bytesOf('y'.repeat(room)));
      sent += room;
      if (room === 0) await until(() => recording.consumed(1) > sent - 1_024);
    }
    await until(() => told === 20_480);
    await recording.end();
    expect(await outputOf(ground, recording.session)).toBe('y'.repeat(20_480));
  });

  test('HB-5: what waits for its write is not consumed yet; unrecorded input is at once', async () => {
    await using ground = await openGround();
    const recording = await ground.start({ term });
    recording.write(1, bytesOf('abc'));
    recording.write(0, bytesOf('typed'));
    expect(recording.consumed(1)).toBe(0);
    expect(recording.consumed(0)).toBe(5);
    await until(() => recording.consumed(1) === 3);
    await recording.end();
  });
});

describe('files and rows', () => {
  test('EX-9: the row tells url, length and hash of a sealed file that only its owner reads', async () => {
    await using ground = await openGround();
    const recording = await ground.start({ command: 'echo open-sesame' });
    expect(ground.recorder.isActive(recording.id)).toBe(true);
    expect(await rowOf(ground, recording.id)).toMatchObject({ replica_id: replicaA, part: 0, ended_at: null });
    recording.write(1, bytesOf('open-sesame '.repeat(1_000)));
    const end = await recording.end({ code: 0, signal: null });
    const row = await rowOf(ground, recording.id);
    const path = ground.recorder.folder.find(row.url) ?? '';
    const file = readFileSync(path);
    expect(row).toMatchObject({ bytes: file.length, sha256: sha256(file) });
    expect(row.ended_at).toBeGreaterThan(0);
    expect(end).toMatchObject({ bytes: file.length, sha256: sha256(file) });
    expect(file.length).toBeLessThan(2_000);
    expect(file.includes('open-sesame')).toBe(false);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(ground.recorder.isActive(recording.id)).toBe(false);
  });

  test('the caller may keep the row in its own transactions', async () => {
    await using ground = await openGround();
    const { store, recorder } = ground;
    const begun = recorder.begin({ session: uuidv7(), term: null, command: 'ls', replicaId: replicaA, part: 0 });
    expect(recorder.isActive(begun.row.id)).toBe(true);
    await store.write(system('test'), (tx) => insertRecordingRow(tx, begun.row));
    const recording = await begun.started;
    expect(recording.row).toEqual(begun.row);
    const end = await recording.end();
    expect((await rowOf(ground, recording.id)).ended_at).toBeNull();
    await store.write(system('test'), (tx) => endRecordingRow(tx, recording.id, end, 7));
    expect(await rowOf(ground, recording.id)).toMatchObject({ ended_at: 7, sha256: end.sha256 });
  });

  test('a row in the caller’s hands is ended here when labd stops', async () => {
    await using ground = await openGround();
    const { store, recorder } = ground;
    const begun = recorder.begin({ session: uuidv7(), term: null, command: 'ls', replicaId: replicaA, part: 0 });
    await store.write(system('test'), (tx) => insertRecordingRow(tx, begun.row));
    await begun.started;
    await recorder[Symbol.asyncDispose]();
    expect(await rowOf(ground, begun.row.id)).toMatchObject({ ended_at: expect.any(Number) });
  });

  test('without a store nothing starts and no file stays', async () => {
    await using ground = await openGround();
    await ground.store[Symbol.asyncDispose]();
    expect(await thrower(ground.start())).toThrow();
    const files = readdirSync(ground.dir, { recursive: true }).map(String);
    expect(files.filter((name) => name.endsWith('.labrec'))).toEqual([]);
  });

  test('a folder that was removed is made again', async () => {
    await using ground = await openGround();
    await (await ground.start()).end();
    const [day = ''] = readdirSync(ground.dir).filter((name) => name.startsWith('2'));
    rmSync(join(ground.dir, day), { recursive: true });
    await ground.start().then(
      (recording) => recording.end(),
      () => undefined,
    );
    const second = await ground.start();
    expect((await second.end()).sha256).not.toBeNull();
  });

  test('ending twice gives one end; closing the recorder ends what runs', async () => {
    const ground = await openGround();
    const first = await ground.start();
    expect(await first.end()).toBe(await first.end({ code: 1, signal: null }));
    const open = await ground.start({ term });
    open.write(1, bytesOf('half'));
    await ground.recorder[Symbol.asyncDispose]();
    expect(await rowOf(ground, open.id)).toMatchObject({ sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(await ground.read(open.session)).toContain('labmesh: labd stopped');
    await ground[Symbol.asyncDispose]();
  });

  test('ME-1: metrics without identities', async () => {
    const metrics = new Metrics('labmesh_labd_');
    await using ground = await openGround({ metrics });
    const recording = await ground.start();
    expect(metrics.render()).toContain('labmesh_labd_recordings 1\n');
    const { bytes } = await recording.end();
    expect(metrics.render()).toContain(`labmesh_labd_recording_bytes_total ${bytes}\n`);
    expect(metrics.render()).toContain('labmesh_labd_recording_failing 0\n');
  });
});

test('200 recordings at once, each its own bytes', async () => {
  await using ground = await openGround();
  const all = await Promise.all(Array.from({ length: 200 }, () => ground.start()));
  for (let round = 0; round < 20; round++) {
    for (const [i, recording] of all.entries()) recording.write(1, bytesOf(`${i} `.repeat(50)));
    await Bun.sleep(5);
  }
  await Promise.all(all.map((recording) => recording.end()));
  for (const [i, recording] of all.entries()) {
    expect(await outputOf(ground, recording.session)).toBe(`${i} `.repeat(1_000));
  }
});
