import { thrower } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listenPrivately } from './private-socket.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'labmesh-socket-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const serve = (path: string) =>
  listenPrivately(path, () => Bun.serve({ unix: path, fetch: () => new Response('hello') }));

test('a socket of its owner alone, in a folder made for it', async () => {
  const path = join(folder, 'run', 'a.sock');
  const mask = process.umask();
  await using server = await serve(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, 'run')).mode & 0o777).toBe(0o700);
  expect(process.umask()).toBe(mask);
  expect(await (await fetch('http://a/', { unix: path })).text()).toBe('hello');
  expect(await thrower(serve(path))).toThrow('already');
  await server.stop(true);
});

test('what a crash left goes; what is no socket stays', async () => {
  const path = join(folder, 'a.sock');
  const child = Bun.spawn([
    process.execPath,
    '-e',
    `Bun.serve({ unix: ${JSON.stringify(path)}, fetch: () => new Response() }); process.kill(process.pid, 'SIGKILL')`,
  ]);
  await child.exited;
  expect(existsSync(path)).toBe(true);
  await (await serve(path)).stop(true);
  const file = join(folder, 'file');
  writeFileSync(file, 'kept');
  expect(await thrower(serve(file))).toThrow('is no socket');
  expect(existsSync(file)).toBe(true);
});

test('a folder that is open to others, and a path that is too long', async () => {
  const open = join(folder, 'open');
  mkdirSync(open);
  chmodSync(open, 0o755);
  expect(await thrower(serve(join(open, 'a.sock')))).toThrow('0700');
  expect(await thrower(serve(join(folder, 'x'.repeat(200))))).toThrow('longer than');
});
