import { afterEach, beforeEach, expect, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bytesOf, openGround, until } from './testing/recorder-ground.ts';
import { SpareFiles } from './spare-files.ts';

let dir: string;
const open = () => new SpareFiles(dir);
const sparesIn = (folder: string): string[] => {
  try {
    return readdirSync(join(folder, '.spares'));
  } catch {
    return [];
  }
};
/** Files below `folder` that this process holds open. */
const heldIn = (folder: string) =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
    } catch {
      return false;
    }
  }).length;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'labmesh-spares-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('none before the first session; then some, empty and each given once; none is left at the end', async () => {
  const spares = open();
  expect(spares.take()).toBeUndefined();
  await until(() => sparesIn(dir).length === 16);
  for (const name of ['a', 'b']) {
    const spare = spares.take();
    await Promise.all([spare?.moveTo(join(dir, name)), spare?.file.write(name)]);
    await spare?.file.close();
  }
  expect(['a', 'b'].map((name) => readFileSync(join(dir, name), 'utf8'))).toEqual(['a', 'b']);
  expect(statSync(join(dir, 'a')).mode & 0o777).toBe(0o600);
  await until(() => sparesIn(dir).length === 16);
  await spares[Symbol.asyncDispose]();
  expect(sparesIn(dir)).toEqual([]);
  expect(heldIn(dir)).toBe(0);
  expect(spares.take()).toBeUndefined();
});

test('more at once than there are: the rest is told so, none twice', async () => {
  await using spares = open();
  spares.take();
  await until(() => sparesIn(dir).length === 16);
  const taken = Array.from({ length: 40 }, () => spares.take()).filter((spare) => spare !== undefined);
  expect(new Set(taken).size).toBe(16);
  for (const spare of taken) await spare.drop();
  expect(taken.map(({ file }) => file.fd)).toEqual(taken.map(() => -1));
});

test('what a killed process left goes with the next start', async () => {
  mkdirSync(join(dir, '.spares'));
  writeFileSync(join(dir, '.spares', 'left'), '');
  await using spares = open();
  await until(() => !sparesIn(dir).includes('left'));
  expect(spares.take()).toBeUndefined();
});

test('no folder to make them in: none, and no word', async () => {
  await using spares = new SpareFiles('/dev/null/x');
  for (let asked = 0; asked < 3; asked++) {
    expect(spares.take()).toBeUndefined();
    await Bun.sleep(20);
  }
});

test('recordings take them over, play alike, and leave nothing open', async () => {
  const ground = await openGround();
  const sessions: string[] = [];
  for (let made = 0; made < 40; made++) {
    const recording = await ground.start({ command: `c${made}` });
    recording.write(1, bytesOf(`out ${made}`));
    await recording.end({ code: 0, signal: null });
    sessions.push(recording.session);
    if (made % 10 === 0) await Bun.sleep(30);
  }
  for (const [made, session] of sessions.entries()) expect(await ground.read(session)).toContain(`out ${made}`);
  await ground.recorder[Symbol.asyncDispose]();
  expect(sparesIn(ground.dir)).toEqual([]);
  await until(() => heldIn(ground.dir) === 0);
  await ground[Symbol.asyncDispose]();
});

test('a spare that somebody removed: the part is made anew', async () => {
  await using ground = await openGround();
  await (await ground.start()).end();
  await until(() => sparesIn(ground.dir).length === 16);
  rmSync(join(ground.dir, '.spares'), { recursive: true });
  const recording = await ground.start();
  recording.write(1, bytesOf('kept'));
  const { bytes, sha256 } = await recording.end();
  expect(sha256).toBeString();
  const path = ground.recorder.folder.find(recording.row.url) ?? '';
  expect(existsSync(path)).toBe(true);
  expect(statSync(path).size).toBe(bytes);
  expect(await ground.read(recording.session)).toContain('kept');
});
