import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Datagrams, DialledDatagrams, listenDatagrams } from './datagrams.ts';
import { keepPublicKey } from './keys/public-key-files.ts';
import { PairedDevice } from './testing/paired-device.ts';
import { tunnelEnd } from './testing/tunnel-end.ts';
import type { TunnelPeerSettings } from './tunnel-peer.ts';

type End = Awaited<ReturnType<typeof tunnelEnd>>;
let hub: End;
let node: End;
let listening: Datagrams;
let dialled: DialledDatagrams;

const common = { keepaliveS: 25, mode: 'strict', fallbackAfterMs: 60_000 } as const;
const atNode = (): TunnelPeerSettings => ({
  ...common,
  id: 'hub',
  name: 'hub',
  wireguardPublicKey: hub.wireguard.publicKey,
  address: '10.90.0.1',
  endpoint: { address: '127.0.0.1', port: 51_820 },
  rosenpass: {
    fingerprint: hub.fingerprint,
    endpoint: { address: '127.0.0.1', port: listening.port },
    schedule: 'node',
    version: 'auto',
    ciphertext: 'auto',
  },
});
const atHub = (): TunnelPeerSettings => ({
  ...common,
  id: 'node-1',
  name: 'rack',
  wireguardPublicKey: node.wireguard.publicKey,
  address: '10.90.0.2',
  rosenpass: { fingerprint: node.fingerprint, schedule: 'hub', version: 'auto', ciphertext: 'auto' },
});
async function until(holds: () => boolean) {
  for (let turn = 0; !holds(); turn++) {
    if (turn === 1_000) throw new Error('it did not come to pass within 10 s');
    await Bun.sleep(10);
  }
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
});
afterAll(async () => {
  for (const one of [node, hub, dialled, listening]) await one[Symbol.asyncDispose]();
});

describe('two ends of a tunnel', () => {
  test('a peer whose key is not in the folder is refused, and leaves nothing', async () => {
    const settings = atHub();
    const rosenpass = { ...settings.rosenpass, fingerprint: `sha256:${'0'.repeat(64)}` } as typeof settings.rosenpass;
    const refused = hub.tunnel.setPeer({ ...settings, rosenpass });
    expect(await thrower(refused)).toThrow('is not here');
    expect(hub.device.held.size).toBe(0);
    expect(hub.tunnel.peers()).toEqual([]);
  });

  test('exchange by themselves: both devices get one key, and both say so once a handshake followed', async () => {
    await hub.tunnel.setPeer(atHub());
    await node.tunnel.setPeer(atNode());
    expect(PairedDevice.shakeHands(hub.device, node.device)).toBe(false);
    expect(node.tunnel.peer('hub')).toMatchObject({ pq: 'stale', pqReason: 'no_exchange', pskKind: 'random' });
    await until(() => node.tunnel.peer('hub')?.generation === 1 && hub.tunnel.peer('node-1')?.generation === 1);
    await Bun.sleep(150);
    expect(PairedDevice.shakeHands(hub.device, node.device)).toBe(true);
    await until(() => node.tunnel.peer('hub')?.pq === 'active' && hub.tunnel.peer('node-1')?.pq === 'active');
    expect(node.tunnel.peer('hub')).toMatchObject({
      pqReason: 'ok',
      lastRole: 'initiator',
      version: 'V03',
      ciphertext: 'pc188',
      rosenpassSha256: hub.fingerprint,
      endpoint: '127.0.0.1:51820',
    });
    expect(hub.tunnel.peer('node-1')).toMatchObject({ lastRole: 'responder', nextExchangeS: null });
    expect(node.events.map(({ event }) => event)).toEqual(['exchanged', 'pq_active']);
  });

  test('another exchange now replaces the key on both sides', async () => {
    const before = node.device.held.values().next().value?.presharedKey;
    const result = await node.tunnel.exchangeNow('hub');
    expect(result).toMatchObject({ ok: true, error: null, peer: { generation: 2 } });
    await until(() => hub.tunnel.peer('node-1')?.generation === 2);
    expect(node.device.held.values().next().value?.presharedKey).not.toEqual(before);
    expect(PairedDevice.shakeHands(hub.device, node.device)).toBe(true);
    expect(await hub.tunnel.exchangeNow('node-1')).toMatchObject({ ok: false });
    expect(await hub.tunnel.exchangeNow('nobody')).toBeUndefined();
  });

  test('key_out gets the exchanged key, 0600, for other programs', async () => {
    const path = join(node.keysDir, 'out', 'psk');
    const settings = atNode();
    await node.tunnel.removePeer('hub');
    await node.tunnel.setPeer({ ...settings, rosenpass: { ...settings.rosenpass!, keyOut: path } });
    await until(() => node.tunnel.peer('hub')?.generation === 1);
    const held = node.device.held.values().next().value?.presharedKey ?? new Uint8Array();
    expect(readFileSync(path, 'utf8').trim()).toBe(Buffer.from(held).toString('base64'));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await until(() => hub.tunnel.peer('node-1')?.generation === 3);
  });

  test('a cut on one side ends the session until the next exchange', async () => {
    expect(await hub.tunnel.cut('node-1')).toBe(true);
    expect(PairedDevice.shakeHands(hub.device, node.device)).toBe(false);
    expect((await node.tunnel.exchangeNow('hub'))?.ok).toBe(true);
    await until(() => hub.tunnel.peer('node-1')?.generation === 4);
    expect(PairedDevice.shakeHands(hub.device, node.device)).toBe(true);
  });

  test('the mode changes in place; another address begins the peer anew', async () => {
    await hub.tunnel.setPeer({ ...atHub(), mode: 'permissive' });
    expect(hub.tunnel.peer('node-1')).toMatchObject({ mode: 'permissive', generation: 4 });
    await hub.tunnel.setPeer({ ...atHub(), address: '10.90.0.3' });
    expect(hub.tunnel.peer('node-1')).toMatchObject({ mode: 'strict', generation: 0, address: '10.90.0.3' });
    expect((await node.tunnel.exchangeNow('hub'))?.ok).toBe(true);
  });

  test('a node changes its Rosenpass pair, and its session does not notice (K8)', async () => {
    await hub.tunnel.setPeer(atHub());
    await node.tunnel.exchangeNow('hub');
    await until(() => hub.tunnel.peer('node-1')?.generation === 1);
    await Bun.sleep(150);
    expect(PairedDevice.shakeHands(hub.device, node.device)).toBe(true);
    await until(() => hub.tunnel.peer('node-1')?.pq === 'active');
    const next = await node.makeKey(1);
    keepPublicKey(hub.keysDir, next.publicKey);
    node.tunnel.addOwnKey(next);

    const { cuts, held } = hub.device;
    const before = held.values().next().value;
    const settings = atHub();
    const rosenpass = { ...settings.rosenpass, fingerprint: next.fingerprint } as typeof settings.rosenpass;
    await hub.tunnel.setPeer({ ...settings, rosenpass });
    expect(held.values().next().value).toBe(before as NonNullable<typeof before>);
    expect(hub.device.cuts).toBe(cuts);
    const shown = { pq: 'active', generation: 1, version: 'V03', rosenpassSha256: next.fingerprint };
    expect(hub.tunnel.peer('node-1')).toMatchObject(shown);

    // With the old pair it is a stranger now, and with the new one itself.
    node.tunnel.startExchange('hub');
    const strangers = hub.tunnel.drops.counts()['peer_unknown'] ?? 0;
    await until(() => (hub.tunnel.drops.counts()['peer_unknown'] ?? 0) > strangers);
    node.tunnel.beginWith(next);
    await until(() => hub.tunnel.peer('node-1')?.generation === 2);
    await until(() => node.events.some((one) => one.event === 'exchanged' && one.ownKey === 1));
    expect(PairedDevice.shakeHands(hub.device, node.device)).toBe(true);
    node.tunnel.removeOwnKey(0);
    expect(await node.tunnel.exchangeNow('hub')).toMatchObject({ ok: true });
  });

  test('a hub proves its next pair to the node that it exchanged with (K8)', async () => {
    const [current, next] = [hub.fingerprint, `sha256:${'9'.repeat(64)}`];
    const claim = ['next hub key', current, next] as const;
    const proof = hub.tunnel.prove('node-1', claim) ?? '';
    expect(node.tunnel.isProven('hub', current, claim, proof)).toBe(true);
    expect(node.tunnel.isProven('hub', current, ['next hub key', current, current], proof)).toBe(false);
    expect(node.tunnel.isProven('nobody', current, claim, proof)).toBe(false);
    expect(hub.tunnel.prove('nobody', claim)).toBeUndefined();
    // What was proven by a key is worth nothing for whoever is known by another.
    expect(node.tunnel.isProven('hub', next, claim, proof)).toBe(false);
    // Nor is what a hub said anything that a node says.
    expect(node.tunnel.isProven('hub', current, ['next node wireguard key', current, next], proof)).toBe(false);
  });

  test('a node dials the hub’s next pair while both answer, and the old one answers no more when it is gone', async () => {
    const second = await hub.makeKey(1);
    keepPublicKey(node.keysDir, second.publicKey);
    hub.tunnel.addOwnKey(second);
    const { cuts } = node.device;
    const known = (fingerprint: string) => {
      const settings = atNode();
      return { ...settings, rosenpass: { ...settings.rosenpass, fingerprint } as typeof settings.rosenpass };
    };
    await node.tunnel.setPeer(known(second.fingerprint));
    await until(() => hub.events.some((one) => one.event === 'exchanged' && one.ownKey === 1));
    await until(() => node.events.filter((one) => one.event === 'exchanged').length > 0);
    expect(node.device.cuts).toBe(cuts);
    hub.tunnel.beginWith(second);
    hub.tunnel.removeOwnKey(0);
    expect(await node.tunnel.exchangeNow('hub')).toMatchObject({ ok: true });
    // Its messages bear a MAC that fits no key of the hub any more.
    const strangers = () => hub.tunnel.drops.counts()['mac'] ?? 0;
    const before = strangers();
    await node.tunnel.setPeer(known(hub.fingerprint));
    await until(() => strangers() > before);
    await node.tunnel.setPeer(known(second.fingerprint));
    expect(await node.tunnel.exchangeNow('hub')).toMatchObject({ ok: true });
  });

  test('a peer that the device does not let go stays known, and can be removed again or taken back', async () => {
    const { device } = hub;
    const { removePeer } = device;
    device.removePeer = () => Promise.reject(new Error('EBUSY'));
    expect(await thrower(hub.tunnel.removePeer('node-1'))).toThrow('EBUSY');
    device.removePeer = removePeer;
    expect(hub.tunnel.peerIds).toEqual(['node-1']);
    expect(await hub.tunnel.cut('node-1')).toBe(true);
    // As it was before: its exchange begins anew.
    const sha = hub.tunnel.peer('node-1')?.rosenpassSha256 ?? '';
    const settings = atHub();
    await hub.tunnel.setPeer({
      ...settings,
      rosenpass: { ...settings.rosenpass, fingerprint: sha } as typeof settings.rosenpass,
    });
    expect(await node.tunnel.exchangeNow('hub')).toMatchObject({ ok: true });
    await until(() => hub.tunnel.peer('node-1')?.pskKind === 'rosenpass');
  });

  test('a removed peer is a stranger: its exchange is dropped and counted', async () => {
    await hub.tunnel.removePeer('node-1');
    await hub.tunnel.removePeer('node-1');
    expect(hub.device.held.size).toBe(0);
    node.tunnel.startExchange('hub');
    await until(() => (hub.tunnel.drops.counts()['peer_unknown'] ?? 0) > 0);
    expect(hub.tunnel.peerIds).toEqual([]);
  });

  test('what the device has of an earlier run and nobody set since is taken away (H2)', async () => {
    await hub.tunnel.setPeer(atHub());
    const publicKey = new Uint8Array(32).fill(7);
    await hub.device.setPeer({ publicKey, presharedKey: new Uint8Array(32), address: '10.90.0.9', keepaliveS: 25 });
    expect(await hub.tunnel.removeStrangers()).toBe(1);
    expect([...hub.device.held.values()].map(({ address }) => address)).toEqual(['10.90.0.2']);
    expect(await hub.tunnel.removeStrangers()).toBe(0);
  });

  test('a peer whose Rosenpass key is another peer’s leaves nothing in the device', async () => {
    const twin = { ...atHub(), id: 'node-2', address: '10.90.0.4', wireguardPublicKey: new Uint8Array(32).fill(8) };
    expect(await thrower(hub.tunnel.setPeer(twin))).toThrow('another peer');
    expect(hub.tunnel.peerIds).toEqual(['node-1']);
    expect(hub.device.held.size).toBe(1);
  });
});
