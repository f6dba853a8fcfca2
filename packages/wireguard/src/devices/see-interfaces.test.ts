import { describe, expect, test } from 'bun:test';
import { NetworkNamespace } from '../isolation/network-namespace.ts';
import { canIsolate } from '../isolation/testing/can-isolate.ts';
import { addAddress, addHostRoute } from '../netlink/addresses.ts';
import { createLink, findLink, setLinkAlias, setLinkUp } from '../netlink/links.ts';
import { NetlinkSocket } from '../netlink/netlink-socket.ts';
import { seeInterfaces } from './see-interfaces.ts';

describe.skipIf(!canIsolate)('what the kernel has (needs root)', () => {
  test('interfaces with addresses, routes and marks, of the namespace that is looked into', () => {
    using space = NetworkNamespace.create();
    space.inside(() => {
      using socket = new NetlinkSocket('route');
      createLink(socket, 'bridge', 'seen0');
      const index = findLink(socket, 'seen0')?.index ?? 0;
      setLinkAlias(socket, index, 'labmesh:test');
      addAddress(socket, index, '10.90.0.2', '10.90.0.1');
      setLinkUp(socket, index, 1_400);
      addHostRoute(socket, index, '10.90.0.9');
    });
    const [seen, ...others] = space.inside(() => seeInterfaces((name) => name === 'seen0'));
    expect(others).toEqual([]);
    expect(seen).toMatchObject({ name: 'seen0', kind: 'bridge', alias: 'labmesh:test', mtu: 1_400, up: true });
    expect(seen?.addresses).toContainEqual({ address: '10.90.0.2', prefix: 32, peer: '10.90.0.1' });
    expect(seen?.routes).toEqual(expect.arrayContaining(['10.90.0.1/32', '10.90.0.9/32']));
    expect(space.inside(() => seeInterfaces()).map(({ name }) => name)).toEqual(['lo', 'seen0']);
    expect(seeInterfaces((name) => name === 'seen0')).toEqual([]);
  });
});
