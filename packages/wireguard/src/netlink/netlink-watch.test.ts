import { afterAll, describe, expect, test } from 'bun:test';
import { NetworkNamespace } from '../isolation/network-namespace.ts';
import { canIsolate } from '../isolation/testing/can-isolate.ts';
import { createLink, findLink, setLinkMtu, setLinkUp } from './links.ts';
import { NetlinkSocket, openNetlink } from './netlink-socket.ts';
import { NetlinkWatch } from './netlink-watch.ts';

const newLink = 16;

describe.skipIf(!canIsolate)('a watch (needs root)', () => {
  const stack = new DisposableStack();
  const space = canIsolate ? stack.use(NetworkNamespace.create()) : undefined;
  const inside = <T>(work: () => T): T => space!.inside(work);
  const socket = canIsolate ? stack.use(inside(() => new NetlinkSocket('route'))) : undefined;
  afterAll(() => stack.dispose());

  async function watch() {
    const seen: number[] = [];
    let lost = 0;
    const fd = inside(() => openNetlink('route', [1, 5]));
    const opened = await NetlinkWatch.open(
      fd,
      (messages) => seen.push(...messages.map(({ type }) => type)),
      () => lost++,
    );
    return { seen, opened, losses: () => lost };
  }

  test('tells what changes in its namespace, until it ends', async () => {
    const { seen, opened, losses } = await watch();
    createLink(socket!, 'bridge', 'br20');
    const { index } = findLink(socket!, 'br20')!;
    await Bun.sleep(50);
    expect(new Set(seen)).toEqual(new Set([newLink]));
    opened[Symbol.dispose]();
    seen.length = 0;
    setLinkUp(socket!, index, 1400);
    await Bun.sleep(50);
    expect([seen.length, losses(), opened.ended]).toEqual([0, 0, true]);
    opened[Symbol.dispose]();
  });

  test('says when more came than the kernel keeps', async () => {
    const { opened, losses } = await watch();
    createLink(socket!, 'bridge', 'br21');
    const { index } = findLink(socket!, 'br21')!;
    for (let times = 0; times < 3_000; times++) setLinkMtu(socket!, index, 1300 + (times % 100));
    await Bun.sleep(50);
    expect([losses(), opened.ended]).toEqual([1, true]);
  });

  test('a group that is none is refused', () => {
    expect(() => openNetlink('route', [4_000_000])).toThrow('watch netlink group 4000000 (route)');
  });
});
