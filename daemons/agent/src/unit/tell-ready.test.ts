import { afterAll, afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { dlopen, ptr } from 'bun:ffi';
import { closeSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { notifySystemd, socketAddress } from './notify-socket.ts';
import { tellReady } from './tell-ready.ts';

/** systemd's side: a datagram socket of the same library, as the runtime has none. */
class Receiver implements Disposable {
  readonly #libc = dlopen('libc.so.6', {
    socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
    bind: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
    recv: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i64' },
  });
  readonly #fd: number;

  constructor(path: string) {
    const address = socketAddress(path);
    this.#fd = this.#libc.symbols.socket(1, 2, 0);
    if (this.#libc.symbols.bind(this.#fd, ptr(address), address.length) !== 0) throw new Error('bind failed');
  }
  /** The next datagram that is there already. */
  next(): string | undefined {
    const buffer = new Uint8Array(4_096);
    const length = Number(this.#libc.symbols.recv(this.#fd, ptr(buffer), buffer.length, 0x40));
    return length < 0 ? undefined : Buffer.from(buffer.subarray(0, length)).toString();
  }
  [Symbol.dispose](): void {
    closeSync(this.#fd);
    this.#libc.close();
  }
}

const loaders = ['/lib64/ld-linux-x86-64.so.2', '/lib/ld-linux-aarch64.so.1'];
const isGlibc = loaders.some((path) => existsSync(path));
const folder = mkdtempSync(join(tmpdir(), 'labmesh-notify-'));
let path: string;
let n = 0;
const before = process.env['NOTIFY_SOCKET'];
beforeEach(() => {
  path = join(folder, `s${++n}`);
  process.env['NOTIFY_SOCKET'] = path;
});
afterEach(() => {
  if (before === undefined) delete process.env['NOTIFY_SOCKET'];
  else process.env['NOTIFY_SOCKET'] = before;
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!isGlibc)('AG-10 what systemd hears (needs glibc)', () => {
  test('one datagram a message, in a folder or in the abstract namespace', () => {
    for (const at of [path, `@labmesh-test-${process.pid}`]) {
      using systemd = new Receiver(at);
      expect(notifySystemd(at, ['READY=1', 'STATUS=connected'])).toBe(true);
      expect(systemd.next()).toBe('READY=1\nSTATUS=connected');
      expect(systemd.next()).toBeUndefined();
    }
  });

  test('nobody there: false, and no error', () => expect(notifySystemd(path, ['READY=1'])).toBe(false));

  test('AG-8 READY comes when the version is beyond doubt, STOPPING at the end', async () => {
    using systemd = new Receiver(path);
    const confirmed = Promise.withResolvers<void>();
    const told = tellReady(() => 'connected', confirmed.promise);
    await Bun.sleep(5);
    expect(systemd.next()).toBeUndefined();
    confirmed.resolve();
    await Bun.sleep(5);
    expect(systemd.next()).toBe('READY=1\nSTATUS=connected');
    told[Symbol.dispose]();
    expect(systemd.next()).toBe('STOPPING=1\nSTATUS=connected');
  });

  test('a version that is given up is never ready', async () => {
    using systemd = new Receiver(path);
    const confirmed = Promise.withResolvers<void>();
    const told = tellReady(() => 'reconnecting', confirmed.promise);
    told[Symbol.dispose]();
    confirmed.resolve();
    await Bun.sleep(5);
    expect([systemd.next(), systemd.next()]).toEqual(['STOPPING=1\nSTATUS=reconnecting', undefined]);
  });
});

test('outside systemd nothing happens', () => {
  delete process.env['NOTIFY_SOCKET'];
  tellReady(() => 'x', Promise.resolve())[Symbol.dispose]();
});

test('a path that does not fit is an error, not another path', () =>
  expect(() => socketAddress(`/${'x'.repeat(120)}`)).toThrow('too long'));
