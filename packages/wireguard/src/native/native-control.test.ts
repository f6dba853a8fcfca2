import { thrower } from '@labmesh/wire/testing/errors';
import { afterEach, describe, expect, test } from 'bun:test';
import { chooseAead } from '../aead/choose-aead.ts';
import { openTun } from '../ffi/open-tun.ts';
import { NetworkNamespace } from '../isolation/network-namespace.ts';
import { canIsolate } from '../isolation/testing/can-isolate.ts';
import { addAddress } from '../netlink/addresses.ts';
import { deleteLink, findLink, setLinkUp } from '../netlink/links.ts';
import { NetlinkSocket } from '../netlink/netlink-socket.ts';
import { publicKeyOf } from '../noise/x25519.ts';
import type { DeviceRole } from '../tunnel-device.ts';
import { NativeControl } from './native-control.ts';
import { NativeEngine } from './native-engine.ts';

const { aead } = await chooseAead();
const key = (byte: number) => new Uint8Array(32).fill(byte);
const timestamps = { load: () => undefined, save: () => {} };
const hubAddress = '10.90.0.1';
const nodeAddress = '10.90.0.2';
const nodeRole: DeviceRole = { kind: 'node', hubAddress, proxyPort: 8080 };

let owned = new AsyncDisposableStack();
afterEach(async () => {
  await owned.disposeAsync();
  owned = new AsyncDisposableStack();
});

/** A data plane whose TUN is alone in a namespace; its UDP is on loopback. */
async function openEnd(name: string, role: DeviceRole, byte: number) {
  const space = owned.use(NetworkNamespace.create());
  const address = role.kind === 'node' ? nodeAddress : hubAddress;
  const { tunFd, route, index } = space.inside(() => {
    const tunFd = openTun(name);
    const route = new NetlinkSocket('route');
    const index = findLink(route, name)?.index ?? 0;
    addAddress(route, index, address, role.kind === 'node' ? hubAddress : nodeAddress);
    setLinkUp(route, index, 1420);
    return { tunFd, route, index };
  });
  const listen = role.kind === 'hub' ? { addresses: ['127.0.0.1'], port: 0 } : undefined;
  const privateKey = key(byte);
  const common = { name, alias: 'labmesh:test', range: '10.90.0.0/16', mtu: 1420, isolation: 'netns' } as const;
  const config = { ...common, role, address, privateKey, ...(listen && { listen }) };
  const engine = owned.use(await NativeEngine.open(config, { tunFd, aead, timestamps }));
  owned.use(route);
  return { engine, control: new NativeControl(engine), space, route, index, publicKey: publicKeyOf(privateKey) };
}

async function openPair() {
  const hub = await openEnd('nthub0', { kind: 'hub' }, 0x22);
  const node = await openEnd('ntnode0', nodeRole, 0x11);
  const { listenPort } = await hub.control.read();
  await hub.control.write({
    peers: [{ publicKey: node.publicKey, presharedKey: key(5), onlyAddress: nodeAddress, keepaliveS: 0 }],
  });
  const endpoint = { address: '127.0.0.1', port: listenPort };
  const peer = { publicKey: hub.publicKey, presharedKey: key(5), onlyAddress: hubAddress, endpoint, keepaliveS: 25 };
  await node.control.write({ peers: [peer] });
  return { hub, node, endpoint };
}

async function until(what: () => Promise<boolean>): Promise<boolean> {
  for (let waited = 0; waited < 5_000; waited += 10) {
    if (await what()) return true;
    await Bun.sleep(10);
  }
  return false;
}

const hasSession = async (control: NativeControl) => (await control.read()).peers[0]?.lastHandshakeMs !== undefined;

describe.skipIf(!canIsolate)('native data plane (needs root, /dev/net/tun)', () => {
  test('a peer with a keepalive gets a session by itself; both ends tell it alike', async () => {
    const { hub, node, endpoint } = await openPair();
    expect(await until(() => hasSession(node.control))).toBe(true);
    expect(await until(() => hasSession(hub.control))).toBe(true);
    const [atNode, atHub] = [await node.control.read(), await hub.control.read()];
    expect(atNode.peers[0]).toMatchObject({ endpoint, keepaliveS: 25, allowedIps: ['10.90.0.1/32'] });
    expect(atHub.peers[0]).toMatchObject({ keepaliveS: 0, allowedIps: ['10.90.0.2/32'] });
    expect(atHub.peers[0]!.endpoint?.port).toBe(atNode.listenPort);
    expect(atNode.privateKey).toEqual(key(0x11));
  });

  test('update only changes who is there and makes nobody', async () => {
    const { hub, node } = await openPair();
    expect(await until(() => hasSession(hub.control))).toBe(true);
    const before = (await hub.control.read()).peers[0]!;
    const { publicKey } = node;
    await hub.control.write({ peers: [{ publicKey, updateOnly: true, presharedKey: key(6) }] });
    expect((await hub.control.read()).peers[0]).toEqual({ ...before, presharedKey: key(6) });
    await hub.control.write({ peers: [{ publicKey, remove: true }] });
    await hub.control.write({ peers: [{ publicKey, updateOnly: true, presharedKey: key(7) }] });
    expect((await hub.control.read()).peers).toEqual([]);
  });

  test('removed and added again in one request: the session is gone, the settings stay', async () => {
    const { hub, node } = await openPair();
    expect(await until(() => hasSession(hub.control))).toBe(true);
    const { endpoint, keepaliveS } = (await hub.control.read()).peers[0]!;
    const { publicKey } = node;
    const again = { publicKey, presharedKey: key(8), endpoint, keepaliveS, onlyAddress: nodeAddress };
    await hub.control.write({ peers: [{ publicKey, remove: true }, again] });
    const after = (await hub.control.read()).peers[0]!;
    expect(after).toMatchObject({ endpoint, keepaliveS, presharedKey: key(8), lastHandshakeMs: undefined, rxBytes: 0 });
    await node.control.write({ peers: [{ publicKey: hub.publicKey, remove: true }] });
    await hub.control.write({ replacePeers: true });
    expect((await hub.control.read()).peers).toEqual([]);
    expect((await node.control.read()).peers).toEqual([]);
  });

  test('a peer without a tunnel address is one that nothing is sent to; a key of another length is refused', async () => {
    const { hub } = await openPair();
    await hub.control.write({ peers: [{ publicKey: key(9), presharedKey: key(9) }] });
    expect((await hub.control.read()).peers.at(-1)).toMatchObject({ publicKey: key(9), allowedIps: [] });
    expect(await thrower(hub.control.write({ privateKey: new Uint8Array(31) }))).toThrow(RangeError);
  });

  test('what the machine sends and may not is counted', async () => {
    const { node } = await openPair();
    const before = node.engine.drops.of('inner');
    const connect = { hostname: hubAddress, port: 9 };
    const { opening } = node.space.inside(() => ({ opening: Bun.udpSocket({ connect }) }));
    const sender = await opening;
    sender.send('udp');
    expect(await until(() => Promise.resolve(node.engine.drops.of('inner') > before))).toBe(true);
    sender.close();
  });

  test('ends at once with its interface, and takes it along otherwise', async () => {
    const { hub, node } = await openPair();
    deleteLink(node.route, node.index);
    await node.engine[Symbol.asyncDispose]();
    expect(findLink(node.route, 'ntnode0')).toBeUndefined();
    await hub.engine[Symbol.asyncDispose]();
    await hub.engine[Symbol.asyncDispose]();
    expect(findLink(hub.route, 'nthub0')).toBeUndefined();
  });
});
