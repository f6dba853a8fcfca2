import { afterAll, describe, expect, test } from 'bun:test';
import { errnos } from '../ffi/libc.ts';
import { NetworkNamespace } from '../isolation/network-namespace.ts';
import { canIsolate } from '../isolation/testing/can-isolate.ts';
import { createServer } from 'node:net';
import {
  addAddress,
  addHostRoute,
  addressesOf,
  deleteAddress,
  deleteHostRoute,
  routesOf,
  toHere,
} from './addresses.ts';
import { familyId } from './generic-netlink.ts';
import {
  createLink,
  deleteLink,
  findLink,
  moveLink,
  setLinkAlias,
  setLinkDown,
  setLinkMtu,
  setLinkUp,
} from './links.ts';
import { NetlinkError } from './netlink-error.ts';
import { NetlinkSocket } from './netlink-socket.ts';

function failure(work: () => unknown): NetlinkError {
  try {
    work();
  } catch (error) {
    if (error instanceof NetlinkError) return error;
  }
  throw new Error('nothing was refused');
}

describe.skipIf(!canIsolate)('rtnetlink in a namespace of its own (needs root)', () => {
  const stack = new DisposableStack();
  const space = canIsolate ? stack.use(NetworkNamespace.create()) : undefined;
  const socket = canIsolate
    ? stack.use(space!.inside(() => new NetlinkSocket('route')))
    : (undefined as unknown as NetlinkSocket);
  afterAll(() => stack.dispose());

  const bridge = (name: string) => {
    createLink(socket, 'bridge', name);
    return findLink(socket, name)!.index;
  };

  test('an interface is made, set and removed', () => {
    const index = bridge('br7');
    setLinkAlias(socket, index, 'labmesh:labman');
    setLinkMtu(socket, index, 1300);
    setLinkUp(socket, index, 1400);
    expect(findLink(socket, 'br7')).toEqual({
      index,
      name: 'br7',
      kind: 'bridge',
      alias: 'labmesh:labman',
      mtu: 1400,
      up: true,
    });
    setLinkDown(socket, index);
    expect(findLink(socket, index)?.up).toBe(false);
    deleteLink(socket, index);
    expect(findLink(socket, 'br7')).toBeUndefined();
    expect(findLink(socket, index)).toBeUndefined();
  });

  test('an address in peer form brings the one route; IPv6 alike', () => {
    const index = bridge('br8');
    setLinkUp(socket, index, 1400);
    addAddress(socket, index, '10.90.0.2', '10.90.0.1');
    expect(addressesOf(socket, index).filter(({ address }) => !address.startsWith('fe80'))).toEqual([
      { index, address: '10.90.0.2', prefix: 32, peer: '10.90.0.1' },
    ]);
    expect(routesOf(socket, index)).toContain('10.90.0.1/32');
    addAddress(socket, index, 'fd00::2', 'fd00::1');
    expect(addressesOf(socket, index)).toContainEqual({ index, address: 'fd00::2', prefix: 128, peer: 'fd00::1' });
    for (const found of addressesOf(socket, index)) deleteAddress(socket, index, found);
    expect(addressesOf(socket, index)).toEqual([]);
    deleteLink(socket, index);
  });

  test('a hub’s routes: twice is once, another interface’s is refused, a missing one is removed', () => {
    const [first, second] = [bridge('br9'), bridge('br10')];
    for (const index of [first, second]) setLinkUp(socket, index, 1400);
    addHostRoute(socket, first, '10.90.0.9');
    addHostRoute(socket, first, '10.90.0.9');
    expect(routesOf(socket, first)).toContain('10.90.0.9/32');
    expect(failure(() => addHostRoute(socket, second, '10.90.0.9')).errno).toBe(errnos.EEXIST);
    deleteHostRoute(socket, first, '10.90.0.9');
    deleteHostRoute(socket, first, '10.90.0.9');
    expect(routesOf(socket, first)).not.toContain('10.90.0.9/32');
    for (const index of [first, second]) deleteLink(socket, index);
  });

  test('an address that a hub answers itself: no address of the interface, yet a listener can have it (H6)', async () => {
    const index = bridge('br13');
    for (const one of [findLink(socket, 'lo')!.index, index]) setLinkUp(socket, one, 1400);
    const listens = () =>
      new Promise<boolean>((resolve) => {
        const server = createServer().once('error', () => resolve(false));
        space!.inside(() => server.listen({ host: '10.90.0.7', port: 8_080 }, () => server.close(() => resolve(true))));
      });
    expect(await listens()).toBe(false);
    addHostRoute(socket, index, '10.90.0.7', toHere);
    addHostRoute(socket, index, '10.90.0.7', toHere);
    expect(await listens()).toBe(true);
    expect(routesOf(socket, index, toHere)).toContain('10.90.0.7/32');
    expect(routesOf(socket, index)).not.toContain('10.90.0.7/32');
    expect(addressesOf(socket, index).map(({ address }) => address)).not.toContain('10.90.0.7');
    deleteHostRoute(socket, index, '10.90.0.7', toHere);
    deleteHostRoute(socket, index, '10.90.0.7', toHere);
    expect(await listens()).toBe(false);
    deleteLink(socket, index);
  });

  test('an interface moves to another namespace and keeps its mark', () => {
    using other = NetworkNamespace.create();
    using there = other.inside(() => new NetlinkSocket('route'));
    const index = bridge('br11');
    setLinkAlias(socket, index, 'labmesh:labman');
    // Bridges stay where they are; the kernel says why in its own words.
    const refused = failure(() => moveLink(socket, index, other.fd));
    expect(refused.message).toMatch(/^move interface \d+ to its namespace: EINVAL, the kernel says: /);
    expect(findLink(there, 'br11')).toBeUndefined();
    deleteLink(socket, index);
  });

  test('refusals name the operation, the error and the kernel’s words', () => {
    const error = failure(() => createLink(socket, 'nosuchkind', 'x0'));
    expect(error.errno).toBe(errnos.EOPNOTSUPP);
    expect(error.code).toBe('NETLINK_FAILED');
    expect(error.message).toBe('create nosuchkind x0: EOPNOTSUPP, the kernel says: Unknown device type');
    createLink(socket, 'bridge', 'x1');
    expect(failure(() => createLink(socket, 'bridge', 'x1')).errno).toBe(errnos.EEXIST);
  });

  test('a long answer comes whole', () => {
    const index = bridge('br12');
    setLinkUp(socket, index, 1400);
    for (let i = 0; i < 1_000; i++) addHostRoute(socket, index, `10.90.${i >> 8}.${i & 255}`);
    expect(routesOf(socket, index).filter((each) => each.startsWith('10.90.'))).toHaveLength(1_000);
    deleteLink(socket, index);
  });

  test('a family that is not there', () => {
    const generic = stack.use(new NetlinkSocket('generic'));
    expect(familyId(generic, 'nlctrl')).toBe(16);
    expect(familyId(generic, 'nosuchfamily')).toBeUndefined();
  });
});
