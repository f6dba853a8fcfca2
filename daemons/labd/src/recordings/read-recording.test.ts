import { errorOf } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { FakeClock } from '@labmesh/kit/clock';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { sealedPart } from './read-recording.ts';
import { insertRecordingRow } from './recorder.ts';
import type { SessionRecording } from './session-recording.ts';
import { pruneRecordings, settleParts } from './settle-parts.ts';
import { bytesOf, openGround, replicaA, replicaB, testSealer, until, type Ground } from './testing/recorder-ground.ts';

const term = { term: 'xterm', cols: 80, rows: 24 };
const pathOf = (ground: Ground, recording: SessionRecording) => ground.recorder.folder.find(recording.row.url) ?? '';
const rowOf = (ground: Ground, id: string) =>
  ground.store.read(system('test'), (db) =>
    db.selectFrom('recordings').selectAll().where('id', '=', id).executeTakeFirst(),
  );
const settle = (ground: Ground, isActive: (id: string) => boolean = () => false, clock = new FakeClock()) =>
  settleParts({
    store: ground.store,
    secrets: testSealer,
    folder: ground.recorder.folder,
    replicaId: replicaA,
    clock,
    isActive,
  });

/** What a killed labd leaves: what was written, no end, a row without one. Nobody gets to call `end`. */
async function crashed(ground: Ground, text: string, over = {}): Promise<SessionRecording> {
  const recording = await ground.start({ term, ...over });
  recording.write(1, bytesOf(text));
  await until(() => recording.consumed(1) === bytesOf(text).length);
  return recording;
}

describe('parts', () => {
  test('EX-9: parts of two replicas are joined, with the pause between them and the size of the second', async () => {
    const clock = new FakeClock();
    await using ground = await openGround({ clock });
    const first = await ground.start({ term });
    await clock.advance(1_000);
    first.write(1, bytesOf('one'));
    await first.end();
    await clock.advance(2_500);
    const { session } = first;
    const second = await ground.start({ session, part: 1, replicaId: replicaB, term: { ...term, cols: 90, rows: 30 } });
    await clock.advance(500);
    second.write(1, bytesOf('two'));
    await second.end({ code: 0, signal: null });
    const [, ...lines] = (await ground.read(session)).split('\n');
    expect(lines).toEqual([
      '[1,"o","one"]',
      '[2.5,"m","labmesh: part 2"]',
      '[0,"r","90x30"]',
      '[0.5,"o","two"]',
      '[0,"x","0"]',
      '',
    ]);
  });

  test('EX-9: a part of another replica is fetched from it; one that is away is named', async () => {
    await using ground = await openGround();
    await using other = await openGround();
    const mine = await ground.start({ term });
    mine.write(1, bytesOf('mine '));
    await mine.end();
    const { session } = mine;
    const theirs = await other.start({ session, part: 1, replicaId: replicaB, term });
    theirs.write(1, bytesOf('theirs'));
    await theirs.end();
    const row = await rowOf(other, theirs.id);
    await ground.store.write(system('test'), (tx) => tx.insertInto('recordings').values(row!).execute());
    const fetched = await ground.read(session, { fetchPart: (part) => sealedPart(other.recorder.folder, part) });
    expect(fetched).toContain('"mine "');
    expect(fetched).toContain('"theirs"');
    const alone = await ground.read(session);
    expect(alone).toContain('"mine "');
    expect(alone).toContain(`labmesh: part 2 is on replica ${replicaB}, which is away`);
    rmSync(pathOf(ground, mine));
    const items = await ground.items(session, { fetchPart: (part) => sealedPart(other.recorder.folder, part) });
    expect(items[0]?.type).toBe('head');
    expect(items.map((item) => (item.type === 'event' ? item.text : ''))).toContain('theirs');
  });

  test('a session without a recording is NOT_FOUND; a lost only part still gives a cast', async () => {
    await using ground = await openGround();
    expect(await errorOf(ground.read('01900000-0000-7000-8000-000000000001'))).toMatchObject({ code: 'NOT_FOUND' });
    const recording = await ground.start();
    await recording.end();
    rmSync(pathOf(ground, recording));
    const [head, mark] = await ground.items(recording.session);
    expect(head?.type).toBe('head');
    expect(mark).toMatchObject({ code: 'm' });
  });

  test('EX-11: a session that still runs is read as far as it is written', async () => {
    await using ground = await openGround();
    const recording = await crashed(ground, 'so far');
    const items = await ground.items(recording.session);
    expect(items[1]).toMatchObject({ code: 'o', text: 'so far' });
    expect(items[2]).toMatchObject({ code: 'm', text: 'labmesh: part 1 ends here: its end was not written' });
    await recording.end();
  });
});

describe('what is wrong with a file is found', () => {
  test('EX-9: killed at any byte, all whole lines before it are read', async () => {
    await using ground = await openGround();
    const recording = await ground.start({ term });
    for (const word of ['first', 'second', 'third']) {
      const before = recording.consumed(1);
      recording.write(1, bytesOf(word));
      await until(() => recording.consumed(1) > before);
    }
    const path = pathOf(ground, recording);
    const whole = readFileSync(path);
    for (let length = whole.length; length >= 0; length -= 7) {
      truncateSync(path, length);
      const text = await ground.read(recording.session);
      expect(text).toContain('its end was not written');
      for (const line of text.trimEnd().split('\n')) JSON.parse(line);
    }
    writeFileSync(path, whole);
    const all = await ground.read(recording.session);
    for (const word of ['first', 'second', 'third']) expect(all).toContain(word);
    await recording.end();
  });

  test('EX-9: an ended recording that was shortened, changed, lengthened or swapped is damaged', async () => {
    await using ground = await openGround();
    const recording = await ground.start({ term });
    recording.write(1, bytesOf('the truth '.repeat(100)));
    await recording.end({ code: 0, signal: null });
    const path = pathOf(ground, recording);
    const whole = readFileSync(path);
    const refused = async () =>
      expect(await errorOf(ground.read(recording.session))).toMatchObject({
        code: 'INTERNAL',
        message: expect.stringContaining('damaged'),
      });
    for (const length of [0, 5, 8, 40, whole.length - 1]) {
      truncateSync(path, length);
      await refused();
      writeFileSync(path, whole);
    }
    for (const at of [0, 7, 8, 12, whole.length - 1]) {
      const bad = Buffer.from(whole);
      bad[at] = (bad[at] ?? 0) ^ 1;
      writeFileSync(path, bad);
      await refused();
    }
    writeFileSync(path, whole);
    appendFileSync(path, 'x');
    await refused();
    const other = await ground.start({ term });
    await other.end();
    writeFileSync(path, readFileSync(pathOf(ground, other)));
    await refused();
    writeFileSync(path, whole);
    expect(await ground.read(recording.session)).toContain('the truth');
  });
});

describe('after a crash', () => {
  test('rows that nobody ends get their length; whole files their hash, too; running ones are left alone', async () => {
    await using ground = await openGround();
    const cut = await crashed(ground, 'half');
    const runs = await crashed(ground, 'runs');
    const wanted = { session: uuidv7(), term: null, command: 'ls', replicaId: replicaA, part: 0 };
    const begun = ground.recorder.begin(wanted);
    await ground.store.write(system('test'), (tx) => insertRecordingRow(tx, begun.row));
    const whole = await begun.started;
    const end = await whole.end();
    const lost = await crashed(ground, 'lost');
    rmSync(pathOf(ground, lost));
    expect(await settle(ground, (id) => id === runs.id)).toBe(3);
    expect(await rowOf(ground, cut.id)).toMatchObject({ sha256: null, ended_at: expect.any(Number) });
    expect((await rowOf(ground, cut.id))?.bytes).toBeGreaterThan(0);
    expect(await rowOf(ground, whole.id)).toMatchObject({ sha256: end.sha256, bytes: end.bytes });
    expect(await rowOf(ground, lost.id)).toMatchObject({ sha256: null, bytes: 0 });
    expect((await rowOf(ground, runs.id))?.ended_at).toBeNull();
    expect(await settle(ground, (id) => id === runs.id)).toBe(0);
    expect(await ground.read(cut.session)).toContain('half');
  });

  test('more rows than a page', async () => {
    await using ground = await openGround();
    const base = await ground.start();
    await base.end();
    const rows = Array.from({ length: 230 }, (_, i) => ({
      ...base.row,
      id: `01900000-0000-7000-8000-${String(i).padStart(12, '0')}`,
      part: i + 1,
      ended_at: null,
    }));
    await ground.store.write(system('test'), (tx) => tx.insertInto('recordings').values(rows).execute());
    expect(await settle(ground)).toBe(230);
  });
});

test('retention: rows and files older than 90 days go, younger ones stay', async () => {
  const clock = new FakeClock();
  await using ground = await openGround({ clock });
  const old = await ground.start();
  await old.end();
  await clock.advance(50 * 86_400_000);
  const young = await ground.start();
  await young.end();
  await clock.advance(45 * 86_400_000);
  const { store } = ground;
  const { folder } = ground.recorder;
  expect(await pruneRecordings({ store, folder, clock, rows: false })).toEqual({ rows: 0, folders: 1 });
  expect(await pruneRecordings({ store, folder, clock, rows: true })).toEqual({ rows: 1, folders: 0 });
  expect(await rowOf(ground, old.id)).toBeUndefined();
  expect(await folder.size(pathOf(ground, old))).toBeUndefined();
  expect(await folder.size(pathOf(ground, young))).toBeGreaterThan(0);
  expect(await ground.read(young.session)).toContain('"version":3');
});
