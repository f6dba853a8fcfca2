import { expect, test } from 'bun:test';
import { publicKeyOf } from '../noise/x25519.ts';
import type { DeviceConfig, DeviceEvent, DeviceRole } from '../tunnel-device.ts';
import { MemoryDevice, MemoryNetwork } from './memory-device.ts';
import { type DevicePair, describeDevices } from './testing/device-conformance.ts';

const hubEndpoint = { address: '192.0.2.1', port: 51820 };

function config(name: string, address: string, role: DeviceRole, byte: number): DeviceConfig {
  return {
    name,
    alias: 'labmesh:labman',
    role,
    address,
    range: '10.90.0.0/16',
    mtu: 1420,
    privateKey: new Uint8Array(32).fill(byte),
    isolation: 'none',
  };
}

type MemoryPair = DevicePair & { node: MemoryDevice; hub: MemoryDevice; elapse(ms: number): void };

async function openPair(): Promise<MemoryPair> {
  let nowMs = 1_700_000_000_000;
  const network = new MemoryNetwork(() => nowMs);
  const role: DeviceRole = { kind: 'node', hubAddress: '10.90.0.1', proxyPort: 8080 };
  const node = new MemoryDevice(config('labman0', '10.90.0.2', role, 1), network);
  const listen = { addresses: [hubEndpoint.address], port: hubEndpoint.port };
  const hub = new MemoryDevice({ ...config('labhub0', '10.90.0.1', { kind: 'hub' }, 2), listen }, network);
  for (const device of [node, hub]) await device.open();
  const [nodeKey, hubKey] = [publicKeyOf(node.config.privateKey), publicKeyOf(hub.config.privateKey)];
  const pair: MemoryPair = {
    node,
    hub,
    nodeKey,
    hubKey,
    hubEndpoint,
    /** The node's keepalive first, as in life: the hub knows no address of the node before. */
    reach: async () => {
      node.send(pair.hubKey, 32);
      return hub.send(pair.nodeKey, 100) && node.send(pair.hubKey, 100);
    },
    leftovers: async () => network.names,
    elapse: (ms: number) => {
      nowMs += ms;
    },
    [Symbol.asyncDispose]: async () => {},
  };
  return pair;
}

describeDevices('memory', openPair);

test('a session is renewed after 120 s and ends after 180 s', async () => {
  const { node, hub, nodeKey, hubKey, elapse } = await openPair();
  const presharedKey = new Uint8Array(32);
  await hub.setPeer({ publicKey: nodeKey, presharedKey, address: '10.90.0.2', keepaliveS: 0 });
  await node.setPeer({ publicKey: hubKey, presharedKey, address: '10.90.0.1', endpoint: hubEndpoint, keepaliveS: 25 });
  const age = async () => (await node.peers())[0]?.lastHandshakeMs;
  expect(node.send(hubKey, 1)).toBe(true);
  const first = (await age()) ?? 0;
  elapse(119_000);
  expect(node.send(hubKey, 1)).toBe(true);
  expect(await age()).toBe(first);
  elapse(1_000);
  expect(node.send(hubKey, 1)).toBe(true);
  expect(await age()).toBe(first + 120_000);
  await hub.setPsk(nodeKey, new Uint8Array(32).fill(1));
  elapse(179_000);
  expect(node.send(hubKey, 1)).toBe(true);
  elapse(1_000);
  expect(node.send(hubKey, 1)).toBe(false);
});

test('events reach who watches, until the signal', async () => {
  const { node } = await openPair();
  const seen: DeviceEvent[] = [];
  const end = new AbortController();
  node.watch((event) => seen.push(event), end.signal);
  node.tell({ kind: 'gone' });
  end.abort();
  node.tell({ kind: 'gone' });
  node.watch((event) => seen.push(event), end.signal);
  node.tell({ kind: 'gone' });
  expect(seen).toEqual([{ kind: 'gone' }]);
  expect(node.inside(() => 7)).toBe(7);
});
