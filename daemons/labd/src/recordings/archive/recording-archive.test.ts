import { thrower } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { FakeClock, systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { system } from '@labmesh/wire/fleet/principal';
import { S3Simulator } from '../../../../../tests/simulators/s3/s3-simulator.ts';
import { pruneRecordings } from '../settle-parts.ts';
import { bytesOf, type Ground, openGround } from '../testing/recorder-ground.ts';
import { RecordingArchive } from './recording-archive.ts';
import { BucketError, S3Bucket } from './s3-bucket.ts';

let s3: S3Simulator;
let ground: Ground;
let archive: RecordingArchive;
let changes: string[];
const signal = new AbortController().signal;

beforeEach(async () => {
  s3 = new S3Simulator();
  ground = await openGround();
  changes = [];
  const { store, recorder } = ground;
  archive = new RecordingArchive({
    bucket: bucketOf(),
    folder: recorder.folder,
    store,
    clock: systemClock,
    log: silentLogger,
    onChange: ({ state, why }) => changes.push(`${state} ${why}`),
  });
});
afterEach(async () => {
  await ground[Symbol.asyncDispose]();
  await s3[Symbol.asyncDispose]();
});

function bucketOf(over: { secretAccessKey?: string; url?: string } = {}): S3Bucket {
  const { accessKeyId, secretAccessKey, region } = s3.options;
  const keys = { accessKeyId, secretAccessKey, region, endpoint: s3.endpoint };
  return new S3Bucket({ url: 's3://lab/rec/one', ...keys, ...over }, { silentMs: 300 });
}

/** A recording that ended. */
async function recorded(text = 'hello\r\n') {
  const recording = await ground.start();
  recording.write(1, bytesOf(text));
  await recording.end({ code: 0, signal: null });
  return recording.id;
}
const rowOf = async (id: string) =>
  ground.store.read(system('test'), (db) =>
    db.selectFrom('recordings').selectAll().where('id', '=', id).executeTakeFirst(),
  );
async function pathOf(id: string): Promise<string> {
  return ground.recorder.folder.find((await rowOf(id))?.url ?? '') ?? '';
}

describe('moving', () => {
  test('parts that ended go up whole, rows say where, and playing reads through', async () => {
    const id = await recorded();
    const running = await ground.start();
    const [here, path] = [await Bun.file(await pathOf(id)).bytes(), await pathOf(id)];
    await archive.move(signal);
    const row = await rowOf(id);
    expect(row?.url).toMatch(/^s3:\d{4}-\d\d-\d\d\//);
    expect(existsSync(path)).toBe(false);
    expect([...s3.objects.keys()]).toEqual([`rec/one/${row?.url.slice(3)}`]);
    expect(Buffer.from([...s3.objects.values()][0]!).equals(here)).toBe(true);
    expect(s3.log).toEqual(['PUT 200', 'GET 200']);
    expect(await ground.read(row?.session_id ?? '', { archive })).toContain('hello');
    // What still runs stays.
    expect(existsSync(await pathOf(running.id))).toBe(true);
    await running.end();
    await archive.move(signal);
    expect(s3.objects.size).toBe(2);
    expect(archive.state).toEqual({ state: 'ok', why: null, waiting: 0 });
  });

  for (const [method, fault, why] of [
    ['PUT', 'status-500', 'HTTP_500'],
    ['PUT', 'status-403', 'HTTP_403'],
    ['PUT', 'hang', 'TIMEOUT'],
    ['PUT', 'truncated', 'CHECKSUM'],
    ['PUT', 'flipped', 'CHECKSUM'],
    ['GET', 'status-500', 'HTTP_500'],
    ['GET', 'hang', 'TIMEOUT'],
    ['GET', 'truncated', 'CHECKSUM'],
  ] as const)
    test(`${method} ${fault}: the file stays, the next run brings it, and both are told once`, async () => {
      const id = await recorded(`${fault}\r\n`.repeat(500));
      s3.fail(method, fault, 2);
      await archive.move(signal);
      await archive.move(signal);
      expect(archive.state).toEqual({ state: 'away', why, waiting: 1 });
      expect(existsSync(await pathOf(id))).toBe(true);
      expect((await rowOf(id))?.url).toStartWith('file:');
      await archive.move(signal);
      expect((await rowOf(id))?.url).toStartWith('s3:');
      expect(changes).toEqual([`away ${why}`, 'back ']);
      expect(await ground.read((await rowOf(id))?.session_id ?? '', { archive })).toContain(fault);
    }, 15_000);

  test('a bucket that is not there, and is there again', async () => {
    const id = await recorded();
    await s3.away();
    await archive.move(signal);
    expect(archive.state.state).toBe('away');
    expect((await rowOf(id))?.url).toStartWith('file:');
    s3.back();
    await archive.move(signal);
    expect((await rowOf(id))?.url).toStartWith('s3:');
  });

  test('killed between the row and the removal of the file: nothing is sent twice', async () => {
    const id = await recorded();
    const path = await pathOf(id);
    const bytes = await Bun.file(path).bytes();
    await archive.move(signal);
    await Bun.write(path, bytes);
    s3.log.length = 0;
    await archive.move(signal);
    expect([existsSync(path), s3.log]).toEqual([false, []]);
  });

  test('a wrong secret is refused, and no error holds a signature', async () => {
    await recorded();
    const { store, recorder } = ground;
    const bucket = bucketOf({ secretAccessKey: 'another' });
    const parts = { bucket, folder: recorder.folder, store, clock: systemClock, log: silentLogger };
    const wrong = new RecordingArchive(parts);
    await wrong.move(signal);
    expect(wrong.state.why).toBe('HTTP_403');
    await s3.away();
    const error = await bucket.get('x').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(BucketError);
    expect(Bun.inspect(error)).not.toMatch(/X-Amz|Signature|AKLAB/);
  });
});

describe('reading and retention', () => {
  test('a bucket that is away, or lacks the part, is told inside the recording', async () => {
    const id = await recorded();
    await archive.move(signal);
    const session = (await rowOf(id))?.session_id ?? '';
    const away = async (fault: Parameters<S3Simulator['fail']>[1]) => {
      s3.fail('GET', fault);
      return ground.read(session, { archive });
    };
    expect(await away('status-500')).toContain('in the bucket, which is away');
    expect(await away('hang')).toContain('in the bucket, which is away');
    expect(await thrower(away('flipped'))).toThrow('damaged');
    expect(await ground.read(session)).toContain('the bucket, which lacks it');
    s3.objects.clear();
    expect(await ground.read(session, { archive })).toContain('the bucket, which lacks it');
  });

  test('what is too old goes there too, before its row; without the bucket its row waits', async () => {
    const ids = [await recorded(), await recorded()];
    await archive.move(signal);
    const [folder, store] = [ground.recorder.folder, ground.store];
    const clock = new FakeClock();
    await clock.advance(Math.max(0, Date.now() - clock.wall()) + 91 * 86_400_000);
    const prune = (own: RecordingArchive | undefined) =>
      pruneRecordings({ store, folder, clock, rows: true, archive: own });
    expect((await prune(undefined)).rows).toBe(0);
    s3.fail('DELETE', 'status-500');
    expect(await thrower(prune(archive))).toThrow(BucketError);
    expect(await rowOf(ids[0]!)).toBeDefined();
    expect((await prune(archive)).rows).toBe(2);
    expect(s3.objects.size).toBe(0);
    expect(await rowOf(ids[0]!)).toBeUndefined();
  });
});

test('settings that cannot work are refused at the start', () => {
  for (const url of ['s3:', 's3://', 's3://B/x', 's3://lab/../x', 's3://lab/a?b', 's3://lab/a//b'])
    expect(() => bucketOf({ url })).toThrow('recordings.url');
  const keys = { accessKeyId: undefined, secretAccessKey: undefined };
  expect(() => new S3Bucket({ url: 's3://lab', ...keys })).toThrow('AWS_ACCESS_KEY_ID');
  for (const endpoint of ['nowhere', 'ftp://x', 'https://u:p@x'])
    expect(() => new S3Bucket({ url: 's3://lab', accessKeyId: 'a', secretAccessKey: 'b', endpoint })).toThrow(
      'endpoint',
    );
});
