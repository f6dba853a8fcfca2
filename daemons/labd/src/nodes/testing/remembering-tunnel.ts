/** Keys of nobody, and a hub without a device, for tests. */
import { createHash, randomBytes } from 'node:crypto';
import type { HubAddress, NextNodeKey, NodeTunnel, TunnelPeerRow } from '../node-tunnel.ts';

export const wireguardKey = (): string => randomBytes(32).toString('base64');
/** Raw bytes as long as a Rosenpass public key, told apart by `seed`. */
export const rosenpassKey = (seed: number | string): Buffer =>
  Buffer.alloc(524_160, createHash('sha512').update(`${seed}`).digest());
export const fingerprint = (key: Uint8Array): string => `sha256:${createHash('sha256').update(key).digest('hex')}`;

const hubKey = rosenpassKey('hub');
/** What only the node's exchange could have made, where there is one. */
export const proofOf = (...keys: readonly string[]): string => createHash('sha256').update(keys.join()).digest('hex');

/** A hub without a device: what it was told, in order. */
export class RememberingTunnel implements NodeTunnel {
  readonly peers = new Map<string, TunnelPeerRow>();
  readonly hub: HubAddress = {
    tunnelAddress: '10.90.0.1',
    wireguardPublicKey: wireguardKey(),
    wireguardEndpoint: 'hub.test:51820',
    rosenpassSha256: fingerprint(hubKey),
    rosenpassEndpoint: 'hub.test:9999',
  };
  readonly removed: string[] = [];
  conplane() {
    return this.hub;
  }
  ownKey() {
    return hubKey;
  }
  nextKey(): undefined {}
  wireguardProof(): undefined {}
  /** Keys that have shaken hands. */
  readonly used = new Set<string>();
  isKeyUsed(_: string, key: string) {
    return this.used.has(key);
  }
  takenProof(_: string, current: string, next: string) {
    return proofOf('taken', current, next);
  }
  isNextKeyProven(_: string, { rosenpass, current, next }: NextNodeKey, proof: string) {
    return proof === proofOf(rosenpass, current, next);
  }
  async setPeer(peer: TunnelPeerRow) {
    // The answer must not be ahead of the device (H1).
    await Bun.sleep(1);
    this.peers.set(peer.id, peer);
  }
  removePeer(id: string) {
    this.removed.push(id);
    this.peers.delete(id);
    return Promise.resolve();
  }
}

/** Fields of a registration that name one machine's keys. */
export const keysOf = (seed: number | string, wireguard = wireguardKey()) => ({
  wireguard_public_key: wireguard,
  rosenpass_public_key: rosenpassKey(seed).toString('base64'),
});
