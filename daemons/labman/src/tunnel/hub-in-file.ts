import type { TunnelConfig } from '../config/read-tunnel.ts';
import { pinnedSha256 } from '../conplane/hub-of.ts';
import type { NodeState } from '../conplane/node-file.ts';

/** A hub that stands whole in the settings, for sites without a Conplane; undefined when it does not. */
export function stateInFile(config: TunnelConfig): NodeState | undefined {
  const { address, peer, rosenpass } = config;
  if (address === undefined || peer.publicKey === undefined) return undefined;
  if (peer.endpoint === undefined || peer.address === undefined) return undefined;
  return {
    nodeId: 'node',
    address,
    hub: {
      address: peer.address,
      wireguardPublicKey: peer.publicKey,
      wireguardEndpoint: peer.endpoint,
      rosenpassSha256: pinnedSha256(config) ?? null,
      rosenpassEndpoint: rosenpass.endpoint ?? null,
      rosenpassVersion: null,
      rosenpassCiphertext: null,
    },
  };
}
