/** `[wireguard]` and `[wireguard.rosenpass]` (tunnel 2.2). */
import { isIP } from 'node:net';
import { configFault, isTomlTable } from '@labmesh/kit/options/read-fields';
import { showFound } from '@labmesh/kit/options/options-error';
import { isInCidr, isPrivate } from '@labmesh/kit/http/listen-address';
import { keyIn, type Reader, readTable, warnAt } from './reader.ts';
import { rosenpassFields, wireguardFields } from './tables.ts';

const defaultRange = '10.90.0.0/16';

/** What the file says; what is undefined the hub says, or a default stands for. */
export type TunnelConfig = {
  backend: 'auto' | 'kernel' | 'wireguard-go' | 'native';
  aead: 'auto' | 'libcrypto' | 'wasm';
  interfaceName: string;
  /** Without prefix length. */
  address: string | undefined;
  range: string;
  keys: { privateKeyPath: string | undefined; publicKeyPath: string | undefined };
  peer: { publicKey: string | undefined; endpoint: string | undefined; address: string | undefined };
  isolation: 'auto' | 'netns' | 'filter' | 'none';
  mtu: number;
  keepaliveS: number;
  /** Undefined: strict when a Rosenpass key of the peer is known. */
  requirePq: boolean | undefined;
  fallbackAfterMs: number;
  rosenpass: {
    privateKeyPath: string | undefined;
    publicKeyPath: string | undefined;
    peerPublicKeyPath: string | undefined;
    /** `sha256:` and 64 hex digits. */
    peerSha256: string | undefined;
    endpoint: string | undefined;
    version: 'auto' | 'V02' | 'V03';
    ciphertext: 'auto' | 'pc188' | 'r4-156';
    presharedKeyPath: string | undefined;
    keyOut: string | undefined;
  };
};

type Warned = {
  allowed_ips?: string[] | undefined;
  isolation?: string | undefined;
  require_pq?: boolean | undefined;
  peer_address?: string | undefined;
  range?: string | undefined;
};

/**
 * Whether this allowed IP is what the interface has anyway: the peer's own address. Until the hub has told it, it may be any
 * single one of the range.
 */
function isPeers(net: string, { peer_address: peer, range = defaultRange }: Warned): boolean {
  const [address = '', bits] = net.split('/');
  const whole = address.includes(':') ? '128' : '32';
  if (isIP(address) === 0 || (bits !== undefined && bits !== whole)) return false;
  return peer === undefined ? isInCidr(address, range) : address === peer;
}

/** Warns of what has no effect or no shelter. */
function warnOf(reader: Reader, values: Warned): void {
  for (const net of values.allowed_ips ?? []) {
    if (isPeers(net, values)) continue;
    const why = `allowed_ips_ignored: ${showFound(net)} has no effect, the node only ever routes its peer's own address`;
    const extra = isPrivate(net.split('/')[0] ?? '') ? '; it is a private network, a LAN that no peer is to reach' : '';
    warnAt(reader, 'wireguard.allowed_ips', why + extra);
  }
  if (values.require_pq === false)
    warnAt(
      reader,
      'wireguard.require_pq',
      'false is permissive: whoever can drop UDP 9999 can force this link to plain WireGuard',
    );
  if (values.isolation === 'none')
    warnAt(
      reader,
      'wireguard.isolation',
      '"none" lets the peer reach every service of this machine; write isolation = "auto"',
    );
}

/** The tunnel's settings; undefined when the file has no `[wireguard]`. @throws OptionsError for the first fault */
export function readTunnel(reader: Reader): TunnelConfig | undefined {
  const raw = reader.root['wireguard'];
  return raw === undefined ? undefined : tunnelOf(reader, raw);
}

/** What stands for a missing `[wireguard]` when a Conplane is configured. */
export const defaultTunnel = (reader: Reader): TunnelConfig => tunnelOf(reader, {});

function tunnelOf(reader: Reader, raw: unknown): TunnelConfig {
  const values = readTable(reader, 'wireguard', raw, wireguardFields, ['rosenpass']);
  const table = isTomlTable(raw) ? raw['rosenpass'] : undefined;
  const rosenpass = readTable(reader, 'wireguard.rosenpass', table, rosenpassFields);
  warnOf(reader, values);
  if (rosenpass.peer_sha256 !== undefined && rosenpass.peer_public_key_path !== undefined) {
    throw configFault(reader.file, keyIn(reader, 'wireguard.rosenpass.peer_sha256'), {
      problem: 'stands beside peer_public_key_path',
      fix: 'keep one of them',
    });
  }
  return {
    backend: values.backend ?? 'auto',
    aead: values.aead ?? 'auto',
    interfaceName: values.interface_name ?? 'labman0',
    address: values.address?.split('/')[0],
    range: values.range ?? defaultRange,
    keys: { privateKeyPath: values.private_key_path, publicKeyPath: values.public_key_path },
    peer: { publicKey: values.peer_public_key, endpoint: values.peer_endpoint, address: values.peer_address },
    isolation: values.isolation ?? 'auto',
    mtu: values.mtu ?? 1_420,
    keepaliveS: values.keepalive_s ?? 25,
    requirePq: values.require_pq,
    fallbackAfterMs: (values.fallback_after_s ?? 60) * 1_000,
    rosenpass: {
      privateKeyPath: rosenpass.private_key_path,
      publicKeyPath: rosenpass.public_key_path,
      peerPublicKeyPath: rosenpass.peer_public_key_path,
      peerSha256: rosenpass.peer_sha256,
      endpoint: rosenpass.endpoint,
      version: rosenpass.protocol_version ?? 'auto',
      ciphertext: rosenpass.ciphertext ?? 'auto',
      presharedKeyPath: rosenpass.preshared_key_path,
      keyOut: rosenpass.key_out,
    },
  };
}
