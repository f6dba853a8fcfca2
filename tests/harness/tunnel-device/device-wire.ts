/** Between a test and the process that holds a device: JSON lines in which bytes are `{"$hex"}`. */
import type { DeviceConfig, DeviceEvent, Endpoint, PeerConfig, PeerPlace } from '@labmesh/wireguard/tunnel-device';

export type DeviceBackend = 'kernel' | 'wireguard-go' | 'native';

/** What a device process can be asked, and with what. */
export type DeviceRequests = {
  open: { config: DeviceConfig; backend: DeviceBackend; tableOwner: boolean };
  plan: { config: DeviceConfig; backend: DeviceBackend };
  setPeer: { peer: PeerConfig };
  movePeer: { publicKey: Uint8Array; endpoint: Endpoint };
  setPsk: { publicKey: Uint8Array; key: Uint8Array };
  cutPeer: { publicKey: Uint8Array; key: Uint8Array };
  removePeer: { publicKey: Uint8Array };
  setPrivateKey: { key: Uint8Array };
  handOver: { from: Uint8Array; to: PeerPlace };
  peers: object;
  close: object;
  /** As a hub that is started anew. */
  leave: object;
  /** Binds an HTTP server inside, at the tunnel address and the proxy's port. */
  serve: object;
  /** Text of a file, read inside. */
  read: { path: string };
  /** Writes a file inside. */
  write: { path: string; text: string };
  /** What `labman post` does. */
  removeLeftovers: { name: string; alias: string };
  /** Events since the last time, with their times. */
  events: object;
  /** Which threads are in another namespace than the first. */
  strayThreads: object;
};

export type TimedEvent = DeviceEvent & { atMs: number };

export type DeviceRequest = {
  [Name in keyof DeviceRequests]: { id: number; method: Name } & DeviceRequests[Name];
}[keyof DeviceRequests];

export type DeviceFailure = { code: string; message: string; exitCode: number };
export type DeviceAnswer = { id: number; result?: unknown; failure?: DeviceFailure };

export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) => (each instanceof Uint8Array ? { $hex: each.toHex() } : each));
}

function revive(_key: string, value: unknown): unknown {
  const hex = value !== null && typeof value === 'object' && '$hex' in value ? value.$hex : undefined;
  return typeof hex === 'string' ? Uint8Array.fromHex(hex) : value;
}

export function fromJson(text: string): unknown {
  return JSON.parse(text, revive);
}
