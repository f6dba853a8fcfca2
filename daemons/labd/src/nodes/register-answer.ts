/** What a node is told at its registration (N3, N4, tunnel K4). */
import type { NodeRegisterAnswer, NodeRegisterRequest } from '@labmesh/wire/node';
import type { HubAddress, NextHubKey, NodeTunnel, TunnelPeerRow } from './node-tunnel.ts';

/** Versions of the link's protocol (N4). */
const proto = [1];

/** Only a digest was shown, and its key is not here: the node registers again with the whole (K3). */
export const keyWanted = (heartbeatS: number): NodeRegisterAnswer => ({
  success: true,
  need_rosenpass_key: true,
  wireguard_address: null,
  heartbeat_s: heartbeatS,
  proto,
});

const hexOf = (fingerprint: string | undefined) => fingerprint?.replace(/^sha256:/, '');
const base64Of = (key: Uint8Array) => Buffer.from(key).toString('base64');

/** K8. Its key only when it is not known there: an answer holds one key, not two. */
function announced(next: NextHubKey, request: NodeRegisterRequest) {
  const isKnown = hexOf(request.known_next_rosenpass_sha256) === hexOf(next.sha256);
  return {
    rosenpass_sha256: next.follows,
    next_rosenpass_sha256: next.sha256,
    next_rosenpass_proof: next.proof,
    ...(!isKnown && { next_rosenpass_public_key: base64Of(next.publicKey) }),
  };
}

/**
 * The hub's Rosenpass key for this node. One that has the key before alone is told of the present one as of the next, so that
 * it can take it with its proof while the one before still answers (K8).
 */
function hubKeyFor(request: NodeRegisterRequest, hub: HubAddress, peer: TunnelPeerRow, tunnel: NodeTunnel) {
  const { rosenpassSha256: sha256 } = hub;
  const known = [request.known_rosenpass_sha256, request.known_next_rosenpass_sha256].map(hexOf);
  const isKnown = known.includes(hexOf(sha256));
  const next = tunnel.nextKey(peer.id);
  const isLate = next?.sha256 === sha256 && hexOf(request.known_rosenpass_sha256) === hexOf(next.follows);
  if (next !== undefined && (isKnown ? next.follows === sha256 : isLate)) return announced(next, request);
  return { rosenpass_sha256: sha256, ...(!isKnown && { rosenpass_public_key: base64Of(tunnel.ownKey()) }) };
}

function conplaneOf(request: NodeRegisterRequest, hub: HubAddress, peer: TunnelPeerRow, tunnel: NodeTunnel) {
  const { rosenpass_version: version, rosenpass_ciphertext: ciphertext } = peer;
  const rosenpass = hubKeyFor(request, hub, peer, tunnel);
  const proof = tunnel.wireguardProof(peer.id, rosenpass.rosenpass_sha256);
  const next = hub.nextWireguardPublicKey;
  return {
    tunnel_address: hub.tunnelAddress,
    wireguard_public_key: hub.wireguardPublicKey,
    wireguard_endpoint: hub.wireguardEndpoint,
    ...(next !== undefined && { next_wireguard_public_key: next }),
    ...(proof !== undefined && { wireguard_proof: proof }),
    ...rosenpass,
    rosenpass_endpoint: hub.rosenpassEndpoint,
    // Absent, they are V02 and pc188 (K4): what older nodes would not read is not sent to them.
    ...(request.tunnel_caps !== undefined &&
      version !== null && { rosenpass_version: version, rosenpass_ciphertext: ciphertext ?? 'pc188' }),
  };
}

/** K8: without proof its node would not believe that its next key is answered, and would be cut off if it were not. */
function takenKey(
  { id, wireguard_public_key: current, next_wireguard_public_key: next }: TunnelPeerRow,
  tunnel: NodeTunnel,
) {
  const proof = next === null ? undefined : tunnel.takenProof(id, current, next);
  return proof === undefined || next === null ? {} : { next_wireguard_public_key: next, next_wireguard_proof: proof };
}

/** `peer` undefined: there is no tunnel here. */
export function registerAnswer(
  request: NodeRegisterRequest,
  nodeId: string,
  peer: TunnelPeerRow | undefined,
  { tunnel, heartbeatS }: { tunnel: NodeTunnel; heartbeatS: number },
): NodeRegisterAnswer {
  const hub = tunnel.conplane();
  const answer = { success: true, node_id: nodeId, message: null, heartbeat_s: heartbeatS, proto };
  if (hub === undefined || peer === undefined) return { ...answer, wireguard_address: null };
  const conplane = conplaneOf(request, hub, peer, tunnel);
  return { ...answer, wireguard_address: `${peer.address}/32`, ...takenKey(peer, tunnel), conplane };
}
