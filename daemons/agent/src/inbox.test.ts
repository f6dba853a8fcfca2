import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import { Inbox } from './inbox.ts';

const piece = (value: number) => new Uint8Array([value]);

async function readAll(inbox: Inbox, max = Infinity): Promise<number[]> {
  const seen: number[] = [];
  for await (const bytes of inbox) {
    seen.push(bytes[0]!);
    if (seen.length >= max) break;
  }
  return seen;
}

test('pieces in order; a push resolves when its piece was taken', async () => {
  const inbox = new Inbox();
  let taken = 0;
  for (let i = 0; i < 3; i++) void inbox.push(piece(i)).then(() => taken++);
  await Bun.sleep(1);
  expect(taken).toBe(0);
  const reading = readAll(inbox);
  await Bun.sleep(1);
  expect(taken).toBe(3);
  void inbox.push(piece(3));
  inbox.end();
  expect(await reading).toEqual([0, 1, 2, 3]);
});

test('an error reaches the reader and frees the writers', async () => {
  const inbox = new Inbox();
  const pushed = inbox.push(piece(1));
  inbox.fail(new Error('gone'));
  await pushed;
  expect(await thrower(readAll(inbox))).toThrow('gone');
});

test('an error also wakes a reader that waits', async () => {
  const inbox = new Inbox();
  const reading = readAll(inbox);
  await Bun.sleep(1);
  inbox.fail(new Error('gone'));
  expect(await thrower(reading)).toThrow('gone');
});

test('after the end nothing can fail', async () => {
  const inbox = new Inbox();
  inbox.end();
  inbox.fail(new Error('late'));
  expect(await readAll(inbox)).toEqual([]);
});

test('a reader that leaves early frees the writers, those to come too', async () => {
  const inbox = new Inbox();
  const pushes = [inbox.push(piece(1)), inbox.push(piece(2)), inbox.push(piece(3))];
  expect(await readAll(inbox, 1)).toEqual([1]);
  await Promise.all(pushes);
  await inbox.push(piece(4));
});
