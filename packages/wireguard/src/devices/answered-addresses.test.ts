import { afterAll, describe, expect, test } from 'bun:test';
import { NetworkNamespace } from '../isolation/network-namespace.ts';
import { canIsolate } from '../isolation/testing/can-isolate.ts';
import { addAddress, deleteHostRoute, routesOf, toHere } from '../netlink/addresses.ts';
import { createLink, deleteLink, findLink, setLinkDown, setLinkUp } from '../netlink/links.ts';
import { NetlinkSocket } from '../netlink/netlink-socket.ts';
import { AnsweredAddresses } from './answered-addresses.ts';
import type { Opening } from './open-link.ts';

const nobody = () => false;
const set = (...last: number[]) => new Set(last.map((byte) => `10.90.0.${byte}`));

describe.skipIf(!canIsolate)('H6: addresses that a hub answers itself, in a namespace (needs root)', () => {
  const stack = new DisposableStack();
  const space = canIsolate ? stack.use(NetworkNamespace.create()) : undefined;
  const socket = canIsolate
    ? stack.use(space!.inside(() => new NetlinkSocket('route')))
    : (undefined as unknown as NetlinkSocket);
  afterAll(() => stack.dispose());

  /** An interface as a hub has it, with its own address. */
  function hub(name: string) {
    createLink(socket, 'bridge', name);
    const { index } = findLink(socket, name)!;
    setLinkUp(socket, index, 1_400);
    addAddress(socket, index, '10.90.0.1');
    const config = { address: '10.90.0.1', range: '10.90.0.0/16' };
    const opening = { config, socket, index } as unknown as Opening;
    const has = () =>
      routesOf(socket, index, toHere)
        .filter((route) => /^10\.90\.0\.(?!1\/)/.test(route))
        .toSorted();
    return { index, opening, has, [Symbol.dispose]: () => deleteLink(socket, index) };
  }

  test('stand while the interface is down, and are gone with it', () => {
    const first = hub('br1');
    const answered = new AnsweredAddresses(first.opening);
    expect(answered.replace(set(7, 8), nobody)).toEqual(set(7, 8));
    setLinkDown(socket, first.index);
    setLinkUp(socket, first.index, 1_400);
    expect(first.has()).toEqual(['10.90.0.7/32', '10.90.0.8/32']);
    answered.yield('10.90.0.7');
    expect(first.has()).toEqual(['10.90.0.8/32']);
    first[Symbol.dispose]();
    using again = hub('br1');
    expect(again.has()).toEqual([]);
  });

  test('what a killed process left is taken up, and goes; the interface keeps its own', () => {
    using one = hub('br2');
    new AnsweredAddresses(one.opening).replace(set(7, 8), nobody);
    const next = new AnsweredAddresses(one.opening);
    next.adopt();
    expect(next.replace(set(8), nobody)).toEqual(set(8));
    expect(next.replace(new Set(), nobody)).toEqual(new Set());
    expect(one.has()).toEqual([]);
    expect(routesOf(socket, one.index, toHere)).toContain('10.90.0.1/32');
  });

  test('an address that another interface of this machine has is left to it', () => {
    using one = hub('br3');
    createLink(socket, 'bridge', 'lan0');
    const { index } = findLink(socket, 'lan0')!;
    setLinkUp(socket, index, 1_400);
    addAddress(socket, index, '10.90.0.9');
    expect(new AnsweredAddresses(one.opening).replace(set(8, 9), nobody)).toEqual(set(8));
    expect(routesOf(socket, index, toHere)).toContain('10.90.0.9/32');
    deleteLink(socket, index);
  });

  test('a route that somebody removed is there again after some looks', () => {
    using one = hub('br4');
    const answered = new AnsweredAddresses(one.opening);
    answered.replace(set(7), nobody);
    deleteHostRoute(socket, one.index, '10.90.0.7', toHere);
    for (let look = 0; look < 10; look++) answered.replace(set(7), nobody);
    expect(one.has()).toEqual(['10.90.0.7/32']);
  });
});
