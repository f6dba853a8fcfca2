import { expect, test } from 'bun:test';
import { openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TunnelError } from '../tunnel-device.ts';
import { errnoName, errnos, libc, libcSymbols, openLibc } from './libc.ts';

test('only these functions can be called (spec tunnel.md R6)', () => {
  const listed =
    'socket, bind, send, recv, close, setsockopt, ioctl, read, write, poll, setns, unshare, prctl, __errno_location';
  expect(Object.keys(libcSymbols).toSorted()).toEqual(listed.split(', ').toSorted());
});

test('a failed call leaves its reason', () => {
  expect(libc().close(1_000_000)).toBe(-1);
  expect(libc().errno()).toBe(errnos.EBADF);
  expect(errnoName(libc().errno())).toBe('EBADF');
  expect(errnoName(4095)).toBe('errno 4095');
});

test('bytes go out and come in', () => {
  const path = join(tmpdir(), `labmesh-libc-${process.pid}`);
  const fd = openSync(path, 'w+');
  try {
    expect(libc().write(fd, new Uint8Array([1, 2, 3]), 3)).toBe(3);
    expect([...readFileSync(path)]).toEqual([1, 2, 3]);
    expect(libc().read(fd, new Uint8Array(8), 8)).toBe(0);
  } finally {
    expect(libc().close(fd)).toBe(0);
    rmSync(path);
  }
});

test('a missing library is a missing backend', () => {
  expect(() => openLibc('libc-of-nobody.so')).toThrow(TunnelError);
});
