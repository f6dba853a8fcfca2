import type { AeadProvider } from '../../aead/aead-provider.ts';
import { type PlaneEnd, PlaneNetwork } from './plane-network.ts';
import { tcpPacket } from './tcp-packet.ts';

export const nodeAddress = '10.90.0.2';
export const hubAddress = '10.90.0.1';
export const proxyPort = 8080;

export type NodeAndHub = { network: PlaneNetwork; node: PlaneEnd; hub: PlaneEnd };

/** A node at 192.0.2.2 that dials a hub at 192.0.2.1, under one pre-shared key. */
export function nodeAndHub(aead: AeadProvider, keepaliveS = 0): NodeAndHub {
  const network = new PlaneNetwork(aead);
  const role = { kind: 'node', hubAddress, proxyPort } as const;
  const node = network.add({ name: '192.0.2.2', address: nodeAddress, role, keyByte: 0x11 });
  const hub = network.add({ name: '192.0.2.1', address: hubAddress, role: { kind: 'hub' }, keyByte: 0x22 });
  const presharedKey = new Uint8Array(32).fill(0x55);
  const endpoint = { address: hub.name, port: 1 };
  hub.plane.setPeer({ publicKey: node.publicKey, presharedKey, address: nodeAddress, keepaliveS: 0 }, 0);
  node.plane.setPeer({ publicKey: hub.publicKey, presharedKey, address: hubAddress, endpoint, keepaliveS }, 0);
  return { network, node, hub };
}

/** A segment from the hub to the node's proxy. */
export function request(text: string): Uint8Array {
  const payload = new TextEncoder().encode(text);
  return tcpPacket({ source: hubAddress, destination: nodeAddress, destinationPort: proxyPort, payload });
}

/** A segment from the node's proxy to the hub. */
export function answer(text: string): Uint8Array {
  const payload = new TextEncoder().encode(text);
  return tcpPacket({
    source: nodeAddress,
    destination: hubAddress,
    sourcePort: proxyPort,
    destinationPort: 40_000,
    payload,
  });
}
