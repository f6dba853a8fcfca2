import { describe, expect, test } from 'bun:test';
import { fstatSync, readdirSync, writeSync } from 'node:fs';
import { capture } from './capture.ts';
import { OwnedFds } from './owned-fds.ts';

const isOpen = (fd: number) => {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
};

describe('descriptors with an owner', () => {
  test('are pipes, and closed at the end, each once', () => {
    const fds = new OwnedFds();
    const { readFd, writeFd } = fds.pipe();
    expect(fstatSync(readFd).isFIFO()).toBe(true);
    fds.close(readFd);
    fds.close(readFd);
    expect([isOpen(readFd), isOpen(writeFd)]).toEqual([false, true]);
    fds[Symbol.dispose]();
    expect(isOpen(writeFd)).toBe(false);
  });

  test('are not handed on to a process that was not given them', () => {
    using fds = new OwnedFds();
    const pipe = fds.pipe();
    const opened = fds.open('/dev/null');
    const listed = Bun.spawnSync(['ls', '/proc/self/fd']).stdout.toString().split('\n').filter(Boolean);
    for (const fd of [pipe.readFd, pipe.writeFd, opened]) expect(listed).not.toContain(String(fd));
  });

  test('what cannot be opened is the system’s error', () => {
    using fds = new OwnedFds();
    expect(() => fds.open('/nonexistent')).toThrow('ENOENT');
  });
});

describe('capture', () => {
  const write = async (bytesMax: number, ...texts: string[]) => {
    using fds = new OwnedFds();
    const { readFd, writeFd } = fds.pipe();
    let calls = 0;
    const captured = capture(readFd, bytesMax, () => calls++);
    for (const text of texts) {
      writeSync(writeFd, text);
      await Bun.sleep(5);
    }
    fds.close(writeFd);
    const { bytes, isFull } = await captured.done;
    return { text: new TextDecoder().decode(bytes), isFull, calls };
  };

  test('keeps all up to the cap', async () => {
    expect(await write(5, 'abc', 'de')).toEqual({ text: 'abcde', isFull: false, calls: 0 });
  });

  test('keeps the beginning of more, and says so once', async () => {
    expect(await write(4, 'abc', 'def', 'ghi')).toEqual({ text: 'abcd', isFull: true, calls: 1 });
  });

  test('of nothing is nothing', async () => expect(await write(4)).toEqual({ text: '', isFull: false, calls: 0 }));

  test('stops although a writer stays', async () => {
    using fds = new OwnedFds();
    const { readFd, writeFd } = fds.pipe();
    const captured = capture(readFd, 10, () => {});
    writeSync(writeFd, 'x');
    await Bun.sleep(20);
    captured.stop();
    expect(new TextDecoder().decode((await captured.done).bytes)).toBe('x');
  });

  test('leaves no descriptor behind', async () => {
    const count = () => readdirSync('/proc/self/fd').length;
    await write(10, 'x');
    const before = count();
    for (let turn = 0; turn < 20; turn++) await write(10, 'x');
    await Bun.sleep(20);
    expect(count()).toBeLessThanOrEqual(before + 1);
  });
});
