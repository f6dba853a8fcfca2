import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Datagrams, DialledDatagrams, listenDatagrams } from './datagrams.ts';
import { keepPublicKey } from './keys/public-key-files.ts';
import { generateWireguardKeys } from './keys/wireguard-keys.ts';
import { PairedDevice } from './testing/paired-device.ts';
import { tunnelEnd } from './testing/tunnel-end.ts';
import type { TunnelPeerSettings } from './tunnel-peer.ts';

type End = Awaited<ReturnType<typeof tunnelEnd>>;
let hub: End;
let node: End;
let listening: Datagrams;
let dialled: DialledDatagrams;

const base64 = (key: Uint8Array) => Buffer.from(key).toString('base64');
const common = { keepaliveS: 25, mode: 'strict', fallbackAfterMs: 60_000 } as const;
const spoken = { version: 'auto', ciphertext: 'auto' } as const;
const atNode = (): TunnelPeerSettings => ({
  ...common,
  id: 'hub',
  name: 'hub',
  wireguardPublicKey: hub.device.publicKey,
  address: '10.90.0.1',
  endpoint: { address: '127.0.0.1', port: 51_820 },
  rosenpass: {
    fingerprint: hub.fingerprint,
    endpoint: { address: '127.0.0.1', port: listening.port },
    schedule: 'node',
    ...spoken,
  },
});
const atHub = (): TunnelPeerSettings => ({
  ...common,
  id: 'node-1',
  name: 'rack',
  wireguardPublicKey: node.device.publicKey,
  address: '10.90.0.2',
  rosenpass: { fingerprint: node.fingerprint, schedule: 'hub', ...spoken },
});
async function until(holds: () => boolean) {
  for (let turn = 0; !holds(); turn++) {
    if (turn === 2_000) throw new Error('it did not come to pass within 20 s');
    await Bun.sleep(10);
  }
}
const shown = () => hub.tunnel.peer('node-1')?.wireguardPublicKey;

/** An exchange whose key both devices have. */
async function exchange(): Promise<void> {
  const before = hub.tunnel.peer('node-1')?.exchanges ?? 0;
  expect((await node.tunnel.exchangeNow('hub'))?.ok).toBe(true);
  await until(() => (hub.tunnel.peer('node-1')?.exchanges ?? 0) > before);
  // Within 0.1 s of the write nobody could say by which key a handshake was made (V2).
  await Bun.sleep(250);
}

beforeAll(async () => {
  [hub, node] = await Promise.all([
    tunnelEnd({ kind: 'hub' }, '10.90.0.1'),
    tunnelEnd({ kind: 'node', hubAddress: '10.90.0.1', proxyPort: 8_080 }, '10.90.0.2'),
  ]);
  keepPublicKey(hub.keysDir, node.rosenpassPublicKey);
  keepPublicKey(node.keysDir, hub.rosenpassPublicKey);
  listening = await listenDatagrams(['127.0.0.1'], 0, hub.tunnel.receive);
  dialled = new DialledDatagrams(node.tunnel.receive);
  hub.tunnel.start(listening);
  node.tunnel.start(dialled);
  await hub.tunnel.setPeer(atHub());
  await node.tunnel.setPeer(atNode());
  await exchange();
  expect(PairedDevice.shakeHands(hub.device, node.device)).toBe(true);
  await until(() => hub.tunnel.peer('node-1')?.pq === 'active');
}, 60_000);
afterAll(async () => {
  for (const one of [node, hub, dialled, listening]) await one[Symbol.asyncDispose]();
});

describe('another WireGuard key of a peer (K8)', () => {
  test('waits without an address or a session, until it has an exchanged key', async () => {
    const next = generateWireguardKeys();
    await hub.tunnel.setPeer({ ...atHub(), nextWireguardKey: next.publicKey });
    const held = hub.device.held.get(Buffer.from(next.publicKey).toString('hex'));
    expect([hub.device.held.size, held?.address, held?.keepaliveS]).toEqual([2, undefined, 0]);
    const [present] = hub.device.held.values();
    expect(held?.presharedKey).not.toEqual(present?.presharedKey);
    await node.device.setPrivateKey(next.privateKey);
    // Strict from its first moment: the PSK is random.
    expect(PairedDevice.shakeHands(hub.device, node.device)).toBe(false);
    await exchange();
    expect(PairedDevice.shakeHands(hub.device, node.device)).toBe(true);
    await until(() => shown() === base64(next.publicKey));
    expect(hub.device.held.size).toBe(1);
    expect(hub.tunnel.peer('node-1')).toMatchObject({ pq: 'active', address: '10.90.0.2' });
    expect(hub.events.at(-1)).toEqual({ event: 'wireguard_key', peer: 'node-1', publicKey: base64(next.publicKey) });
    expect(hub.events.some(({ event }) => event === 'cut' || event === 'pq_stale')).toBe(false);
  });

  test('a row of before changes nothing any more; a row of after neither', async () => {
    const [taken, before] = [node.device.publicKey, generateWireguardKeys().publicKey];
    const held = () => hub.device.held.values().next().value?.presharedKey;
    const psk = held();
    await hub.tunnel.setPeer({ ...atHub(), wireguardPublicKey: before, nextWireguardKey: taken });
    await hub.tunnel.setPeer(atHub());
    expect([hub.device.held.size, shown(), held()]).toEqual([1, base64(taken), psk]);
  });

  test('is cut with the peer, and goes when it is announced no more', async () => {
    const next = generateWireguardKeys();
    await hub.tunnel.setPeer({ ...atHub(), nextWireguardKey: next.publicKey });
    await exchange();
    const held = () => hub.device.held.get(Buffer.from(next.publicKey).toString('hex'));
    const psk = held()?.presharedKey;
    expect(psk).toEqual(hub.device.held.values().next().value?.presharedKey);
    await hub.tunnel.cut('node-1');
    expect(held()?.presharedKey).not.toEqual(psk);
    await hub.tunnel.setPeer(atHub());
    expect([hub.device.held.size, held()]).toEqual([1, undefined]);
    await exchange();
  });

  test('the hub’s own, which the node expects beside the present one', async () => {
    const next = generateWireguardKeys();
    await node.tunnel.setPeer({ ...atNode(), nextWireguardKey: next.publicKey });
    await exchange();
    await hub.tunnel.setPrivateKey(next.privateKey);
    expect(PairedDevice.shakeHands(hub.device, node.device)).toBe(true);
    await until(() => node.tunnel.peer('hub')?.wireguardPublicKey === base64(next.publicKey));
    expect(node.tunnel.peer('hub')).toMatchObject({ pq: 'active', endpoint: '127.0.0.1:51820' });
  });

  test('a node that is told, and has seen no handshake, takes it all the same', async () => {
    const next = generateWireguardKeys();
    await node.tunnel.setPeer({ ...atNode(), nextWireguardKey: next.publicKey });
    await exchange();
    await node.tunnel.setPeer({ ...atNode(), wireguardPublicKey: next.publicKey });
    expect([node.device.held.size, node.tunnel.peer('hub')?.wireguardPublicKey]).toEqual([1, base64(next.publicKey)]);
    expect(node.device.held.values().next().value?.presharedKey).toEqual(
      hub.device.held.values().next().value?.presharedKey,
    );
  });

  test('of a device that outlived who took it is known by its address', async () => {
    const held = node.device.publicKey;
    await hub.tunnel.removePeer('node-1');
    const presharedKey = new Uint8Array(32);
    await hub.device.setPeer({ publicKey: held, presharedKey, address: '10.90.0.2', keepaliveS: 25 });
    const before = generateWireguardKeys().publicKey;
    await hub.tunnel.setPeer({ ...atHub(), wireguardPublicKey: before, nextWireguardKey: held });
    expect([hub.device.held.size, shown()]).toEqual([1, base64(held)]);
    expect(hub.device.held.values().next().value?.presharedKey).not.toEqual(presharedKey);
  });
});
