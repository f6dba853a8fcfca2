/** The hub as the node's one peer: what was settled at registration and in the file, under the rules of I10. */
import { isIP } from 'node:net';
import { readFileSync } from 'node:fs';
import { parseHostPort } from '@labmesh/tunnel/named-endpoint';
import type { TunnelPeerSettings } from '@labmesh/tunnel/tunnel-peer';
import { parseWireguardKey } from '@labmesh/tunnel/keys/wireguard-keys';
import { isInCidr } from '@labmesh/kit/http/listen-address';
import { TunnelError } from '@labmesh/wireguard/tunnel-device';
import type { TunnelConfig } from '../config/read-tunnel.ts';
import type { HubState, NodeState } from '../conplane/node-file.ts';

/** The tunnel's place at both ends; nothing of it is taken from a hub that names what it must not. */
export type HubPlace = {
  address: string;
  hubAddress: string;
  wireguard: { host: string; port: number };
  rosenpass: { host: string; port: number } | undefined;
};

const refused = (what: string) => new TunnelError('TUNNEL_ADDRESS_REFUSED', what, { exitCode: 3 });
export const rosenpassPort = 9_999;

/** @throws TunnelError TUNNEL_ADDRESS_REFUSED with the rule (NP-S7, I10) */
function checkAddress(what: string, address: string, range: string): void {
  if (isIP(address) === 0) throw refused(`${what} ${JSON.stringify(address.slice(0, 64))} is no IP address`);
  if (!isInCidr(address, range)) throw refused(`${what} ${address} is outside wireguard.range (${range})`);
}

/** Undefined: there is no tunnel to be had. @throws TunnelError TUNNEL_ADDRESS_REFUSED */
export function hubPlace(state: NodeState, config: TunnelConfig): HubPlace | undefined {
  const { hub, address } = state;
  if (hub === null || address === null) return undefined;
  checkAddress('the tunnel address', address, config.range);
  checkAddress('the hub’s tunnel address', hub.address, config.range);
  if (address === hub.address) throw refused(`the tunnel address ${address} is the hub’s own`);
  const wireguard = parseHostPort(hub.wireguardEndpoint);
  if (wireguard === undefined)
    throw refused(`the hub’s endpoint is no host:port: ${hub.wireguardEndpoint.slice(0, 80)}`);
  const named = hub.rosenpassEndpoint === null ? undefined : parseHostPort(hub.rosenpassEndpoint);
  const rosenpass = hub.rosenpassSha256 === null ? undefined : (named ?? { host: wireguard.host, port: rosenpassPort });
  // An exchange within the tunnel that it keys could never heal it (Q9).
  for (const { host } of [wireguard, ...(rosenpass === undefined ? [] : [rosenpass])]) {
    if (isInCidr(host, config.range))
      throw refused(`the hub is to be dialled at ${host}, an address within the tunnel`);
  }
  return { address, hubAddress: hub.address, wireguard, rosenpass };
}

function presharedKey(path: string | undefined): Uint8Array | undefined {
  if (path === undefined) return undefined;
  const key = parseWireguardKey(readFileSync(path, 'utf8'));
  if (key === undefined) throw refused(`${path}: expected the base64 of 32 bytes`);
  return key;
}

/** Undefined: the name has no address yet. */
const keyOf = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));

export type Reached = { wireguard: TunnelPeerSettings['endpoint']; rosenpass: TunnelPeerSettings['endpoint'] };

/** The hub as the tunnel wants it. */
export function hubPeer(hub: HubState, config: TunnelConfig, reached: Reached): TunnelPeerSettings {
  const { rosenpass, keepaliveS, requirePq, fallbackAfterMs } = config;
  const hasRosenpass = hub.rosenpassSha256 !== null;
  const next = hub.next?.wireguardPublicKey ?? hub.awaitedWireguard;
  return {
    id: 'hub',
    name: 'hub',
    wireguardPublicKey: keyOf(hub.wireguardPublicKey),
    ...(next !== undefined && next !== hub.wireguardPublicKey && { nextWireguardKey: keyOf(next) }),
    address: hub.address,
    endpoint: reached.wireguard,
    keepaliveS,
    mode: (requirePq ?? hasRosenpass) ? 'strict' : 'permissive',
    fallbackAfterMs,
    ...(hub.rosenpassSha256 !== null && {
      rosenpass: {
        fingerprint: hub.rosenpassSha256,
        endpoint: reached.rosenpass,
        schedule: 'node' as const,
        version: rosenpass.version === 'auto' ? (hub.rosenpassVersion ?? 'auto') : rosenpass.version,
        ciphertext: rosenpass.ciphertext === 'auto' ? (hub.rosenpassCiphertext ?? 'auto') : rosenpass.ciphertext,
        presharedKey: presharedKey(rosenpass.presharedKeyPath),
        keyOut: rosenpass.keyOut,
      },
    }),
  };
}
