import { errorOf, thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { recordingSocket } from '../netlink/testing/recording-socket.ts';
import type { DeviceConfig, DeviceRole } from '../tunnel-device.ts';
import type { DeviceChange, DeviceReading, PeerChange, PeerReading, WireguardControl } from '../wireguard-control.ts';
import { answeredMax } from './answered-addresses.ts';
import { LinkPeers } from './link-peers.ts';
import type { Opening } from './open-link.ts';

const key = (byte: number) => new Uint8Array(32).fill(byte);
const node: DeviceRole = { kind: 'node', hubAddress: '10.90.0.1', proxyPort: 8080 };

/** Does what it is told, counts what it is asked, and is slow. */
class FakeControl implements WireguardControl {
  reads = 0;
  changes: DeviceChange[] = [];
  lastReading: DeviceReading | undefined;
  readonly peers = new Map<string, PeerReading>();

  async read(): Promise<DeviceReading> {
    this.reads++;
    await Bun.sleep(2);
    const copies = [...this.peers.values()].map((peer) => ({ ...peer, presharedKey: peer.presharedKey.slice() }));
    this.lastReading = { privateKey: key(9), listenPort: 51820, peers: copies };
    return this.lastReading;
  }

  async write(change: DeviceChange): Promise<void> {
    await Bun.sleep(1);
    this.changes.push(change);
    for (const peer of change.peers ?? []) this.#apply(peer);
  }

  #apply(change: PeerChange): void {
    const hex = change.publicKey.toHex();
    const known = this.peers.get(hex);
    if (change.remove === true) this.peers.delete(hex);
    else if (known !== undefined || change.updateOnly !== true) {
      const fresh = { endpoint: undefined, keepaliveS: 0, lastHandshakeMs: undefined, rxBytes: 0, txBytes: 0 };
      const allowedIps = change.onlyAddress === undefined ? (known?.allowedIps ?? []) : [`${change.onlyAddress}/32`];
      const { publicKey, endpoint = known?.endpoint, keepaliveS = known?.keepaliveS ?? 0 } = change;
      const presharedKey = (change.presharedKey ?? known?.presharedKey ?? key(0)).slice();
      this.peers.set(hex, { ...fresh, ...known, publicKey, presharedKey, endpoint, keepaliveS, allowedIps });
    }
  }

  [Symbol.dispose](): void {}
}

function openPeers(role: DeviceRole) {
  const control = new FakeControl();
  const socket = recordingSocket();
  const routes = new Set<string>();
  const [name, alias, address, range] = ['labman0', 'labmesh:labman', '10.90.0.2', '10.90.0.0/16'];
  const config: DeviceConfig = {
    name,
    alias,
    role,
    address: role.kind === 'hub' ? '10.90.0.1' : address,
    range,
    mtu: 1420,
    privateKey: key(9),
    isolation: 'none',
  };
  const opening = { config, control, socket, index: 7, routes } as unknown as Opening;
  return { peers: new LinkPeers(opening), control, socket, routes };
}

const endpoint = { address: '192.0.2.1', port: 51820 };
const hubPeer = { publicKey: key(1), presharedKey: key(5), address: '10.90.0.1', endpoint, keepaliveS: 25 };
const nodePeer = (byte: number) => ({
  publicKey: key(byte),
  presharedKey: key(5),
  address: `10.90.0.${byte}`,
  keepaliveS: 0,
});

describe('keys', () => {
  test('keys written together share one reading, and each sees its own (Q2)', async () => {
    const { peers, control } = openPeers({ kind: 'hub' });
    const all = Array.from({ length: 20 }, (_, i) => nodePeer(i + 2));
    for (const peer of all) await peers.setPeer(peer);
    const read = await Promise.all(all.map(({ publicKey }, i) => peers.setPsk(publicKey, key(100 + i))));
    expect(read).toEqual(all.map((_, i) => key(100 + i)));
    expect(control.reads).toBeLessThanOrEqual(3);
    expect(control.lastReading?.privateKey).toEqual(key(0));
    expect(control.lastReading?.peers.every(({ presharedKey }) => presharedKey.every((byte) => byte === 0))).toBe(true);
  });

  test('a late key does not bring a peer back', async () => {
    const { peers, control } = openPeers(node);
    await peers.setPeer(hubPeer);
    const removing = peers.removePeer(key(1));
    const late = peers.setPsk(key(1), key(6));
    const cutting = peers.cutPeer(key(1), key(7));
    await removing;
    expect([await late, await cutting]).toEqual([undefined, false]);
    expect(control.peers.size).toBe(0);
  });

  test('a cut is one request, and keeps where the peer is now', async () => {
    const { peers, control } = openPeers(node);
    await peers.setPeer(hubPeer);
    const moved = { address: '198.51.100.7', port: 7 };
    control.peers.get(key(1).toHex())!.endpoint = moved;
    expect(await peers.cutPeer(key(1), key(8))).toBe(true);
    expect(control.changes.at(-1)?.peers).toEqual([
      { publicKey: key(1), remove: true },
      { publicKey: key(1), presharedKey: key(8), endpoint: moved, keepaliveS: 25, onlyAddress: '10.90.0.1' },
    ]);
  });

  test('another place is one request that makes no peer; one within the tunnel is refused', async () => {
    const { peers, control } = openPeers(node);
    await peers.setPeer(hubPeer);
    const moved = { address: '2001:db8::7', port: 7 };
    await peers.movePeer(key(1), moved);
    expect(control.changes.at(-1)?.peers).toEqual([{ publicKey: key(1), endpoint: moved, updateOnly: true }]);
    await peers.movePeer(key(4), moved);
    expect([...control.peers.keys()]).toEqual([key(1).toHex()]);
    const within = peers.movePeer(key(1), { address: '10.90.0.7', port: 7 });
    expect(await errorOf(within)).toMatchObject({ code: 'TUNNEL_ADDRESS_REFUSED' });
    expect(control.peers.get(key(1).toHex())?.endpoint).toEqual(moved);
  });

  test('a reading that fails fails all who waited for it', async () => {
    const { peers, control } = openPeers(node);
    await peers.setPeer(hubPeer);
    control.read = () => Promise.reject(new Error('gone'));
    const waiting = [peers.setPsk(key(1), key(2)), peers.setPsk(key(1), key(3))];
    const ends = await Promise.allSettled(waiting);
    expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});

describe('next keys (K8)', () => {
  test('a peer without an address gets none, and takes one over in one request', async () => {
    const { peers, control, routes } = openPeers({ kind: 'hub' });
    await peers.setPeer({ ...nodePeer(2), endpoint });
    await peers.setPeer({ publicKey: key(3), presharedKey: key(6), keepaliveS: 0 });
    expect(control.changes.at(-1)?.peers).toEqual([{ publicKey: key(3), presharedKey: key(6), keepaliveS: 0 }]);
    const to = { publicKey: key(3), address: '10.90.0.2', keepaliveS: 25 };
    expect(await peers.handOver(key(2), to)).toBe(true);
    expect(control.changes.at(-1)?.peers).toEqual([
      { publicKey: key(3), endpoint, onlyAddress: '10.90.0.2', keepaliveS: 25, updateOnly: true },
      { publicKey: key(2), remove: true },
    ]);
    expect([...routes]).toEqual(['10.90.0.2']);
    expect(await errorOf(peers.setPeer({ ...nodePeer(2) }))).toMatchObject({ code: 'TUNNEL_ADDRESS_REFUSED' });
  });

  test('nobody takes over who is not there, nor an address of somebody else', async () => {
    const { peers, control } = openPeers({ kind: 'hub' });
    for (const byte of [2, 3]) await peers.setPeer(nodePeer(byte));
    await peers.setPeer({ publicKey: key(4), presharedKey: key(6), keepaliveS: 0 });
    const before = control.changes.length;
    expect(await peers.handOver(key(2), { publicKey: key(9), address: '10.90.0.2', keepaliveS: 0 })).toBe(false);
    const foreign = { publicKey: key(4), address: '10.90.0.3', keepaliveS: 0 };
    expect(await errorOf(peers.handOver(key(2), foreign))).toMatchObject({ code: 'TUNNEL_ADDRESS_REFUSED' });
    expect(control.changes).toHaveLength(before);
  });

  test('a private key is written once; peers that are kept alive are called by it', async () => {
    const { peers, control } = openPeers({ kind: 'hub' });
    await peers.setPeer({ ...nodePeer(2), keepaliveS: 25 });
    await peers.setPeer(nodePeer(3));
    await peers.setPrivateKey(key(7));
    const one = { publicKey: key(2), updateOnly: true };
    expect(control.changes.slice(-2)).toEqual([
      { privateKey: key(7), peers: [{ ...one, keepaliveS: 0 }] },
      { peers: [{ ...one, keepaliveS: 25 }] },
    ]);
  });

  test('has its keepalives back when the device took only half of it, and is asked again', async () => {
    const { peers, control } = openPeers({ kind: 'hub' });
    await peers.setPeer({ ...nodePeer(2), keepaliveS: 25 });
    const write = control.write.bind(control);
    let written = 0;
    control.write = (change) => (++written === 2 ? Promise.reject(new Error('UAPI_FAILED')) : write(change));
    expect(await thrower(peers.setPrivateKey(key(7)))).toThrow('UAPI_FAILED');
    expect((await peers.list())[0]?.keepaliveS).toBe(0);
    await peers.setPrivateKey(key(7));
    expect(control.changes.at(-1)).toEqual({ peers: [{ publicKey: key(2), updateOnly: true, keepaliveS: 25 }] });
    expect((await peers.list())[0]?.keepaliveS).toBe(25);
  });
});

describe('addresses and routes', () => {
  const refused = { code: 'TUNNEL_ADDRESS_REFUSED' };

  test('a node takes the hub’s address and no other (I10)', async () => {
    const { peers, control } = openPeers(node);
    for (const address of ['10.90.0.7', '10.90.0.2', '0.0.0.0', '192.168.7.1']) {
      expect(await errorOf(peers.setPeer({ ...hubPeer, address }))).toMatchObject(refused);
    }
    const inward = { ...hubPeer, endpoint: { address: '10.90.0.1', port: 51820 } };
    expect(await errorOf(peers.setPeer(inward))).toMatchObject(refused);
    expect(control.changes).toEqual([]);
  });

  test('a hub has a route for each node; one that moves has one, too (H1)', async () => {
    const { peers, routes, socket } = openPeers({ kind: 'hub' });
    await peers.setPeer(nodePeer(2));
    await peers.setPeer(nodePeer(3));
    expect([...routes]).toEqual(['10.90.0.2', '10.90.0.3']);
    expect(await errorOf(peers.setPeer({ ...nodePeer(2), address: '10.90.0.3' }))).toMatchObject(refused);
    expect(await errorOf(peers.setPeer({ ...nodePeer(2), address: '10.90.0.1' }))).toMatchObject(refused);
    expect(await errorOf(peers.setPeer({ ...nodePeer(2), address: '10.91.0.2' }))).toMatchObject(refused);
    await peers.setPeer({ ...nodePeer(2), address: '10.90.0.9' });
    expect([...routes]).toEqual(['10.90.0.3', '10.90.0.9']);
    await peers.removePeer(key(3));
    await peers.removePeer(key(2));
    expect([...routes]).toEqual([]);
    // Three routes set, three removed: RTM_NEWROUTE 24, RTM_DELROUTE 25.
    expect(socket.sent.map((each) => each[4])).toEqual([24, 24, 24, 25, 25, 25]);
  });

  test('a peer that the device refuses leaves no route', async () => {
    const { peers, control, routes } = openPeers({ kind: 'hub' });
    control.write = () => Promise.reject(new Error('refused'));
    expect(await thrower(peers.setPeer(nodePeer(2)))).toThrow('refused');
    expect([...routes]).toEqual([]);
  });

  test('what a device has already is known after adoption (H2)', async () => {
    const { peers, control } = openPeers({ kind: 'hub' });
    await control.write({ peers: [{ publicKey: key(2), presharedKey: key(5), onlyAddress: '10.90.0.2' }] });
    await peers.adopt();
    expect(await errorOf(peers.setPeer({ ...nodePeer(3), address: '10.90.0.2' }))).toMatchObject(refused);
    expect(await peers.list()).toMatchObject([{ publicKey: key(2), address: '10.90.0.2' }]);
  });
});

describe('addresses that a hub answers in the place of peers of others (H6)', () => {
  const kinds = (sent: readonly Uint8Array[]) =>
    sent.flatMap((each) => {
      // RTM_NEWROUTE and RTM_DELROUTE of the local table; the destination stands last but one.
      const isLocal = each[20] === 255 && (each[4] === 24 || each[4] === 25);
      return isLocal ? [`${each[4] === 24 ? '+' : '-'}${each.slice(32, 36).join('.')}`] : [];
    });
  const set = (...last: number[]) => new Set(last.map((byte) => `10.90.0.${byte}`));

  test('exactly those that were said, and none of its own, of a peer, or from outside of the range', async () => {
    const { peers, socket } = openPeers({ kind: 'hub' });
    await peers.setPeer(nodePeer(2));
    const asked = new Set([...set(1, 2, 3, 4), '10.91.0.3', '127.0.0.1', '0.0.0.0']);
    expect(await peers.answerFor(asked)).toEqual(set(3, 4));
    expect(await peers.answerFor(set(4, 5))).toEqual(set(4, 5));
    expect(await peers.answerFor(set(4, 5))).toEqual(set(4, 5));
    expect(kinds(socket.sent)).toEqual(['+10.90.0.3', '+10.90.0.4', '-10.90.0.3', '+10.90.0.5']);
  });

  test('a peer that comes takes its address back, before it has a route', async () => {
    const { peers, socket } = openPeers({ kind: 'hub' });
    await peers.answerFor(set(7, 8));
    socket.sent = [];
    await peers.setPeer(nodePeer(7));
    expect(socket.sent.map((each) => [each[4], each[20]])).toEqual([
      [25, 255],
      [24, 254],
    ]);
    expect(await peers.answerFor(set(7, 8))).toEqual(set(8));
  });

  test('more than it answers for is refused, and changes nothing', async () => {
    const { peers, socket } = openPeers({ kind: 'hub' });
    const many = new Set(Array.from({ length: answeredMax + 1 }, (_, i) => `10.90.${(i >> 8) + 1}.${i & 255}`));
    expect(await thrower(peers.answerFor(many))).toThrow(RangeError);
    expect(socket.sent).toEqual([]);
  });
});
