import { isIPv4, BlockList } from 'node:net';
import { isCidr } from '@labmesh/kit/http/listen-address';
import { rosenpassVersions } from '@labmesh/wire/tunnel';
import { stringify } from 'smol-toml';
import { z } from 'zod';
import type { ProtocolVersion } from '../effects.ts';
import { peersMax } from './rosenpass-toml.ts';
import { endpointText, listenText, parseSocketAddress, showSocketAddress } from './socket-address.ts';
import { type Imported, parseDocument, readDocument, unknownKeys } from './toml-document.ts';

/** What `rp exchange-config` reads (spec tunnel.md X4). Directories are described in rp-directory.ts. */
export type RpConfig = {
  verbose: boolean;
  privateKeysDir: string;
  device: string;
  /** Own tunnel address with prefix length. */
  ip?: string;
  /** Rosenpass's `address:port`; WireGuard has the next port. */
  listen?: string;
  peers: readonly RpPeer[];
};

export type RpPeer = {
  publicKeysDir: string;
  /** Rosenpass's `host:port`; WireGuard has the next port. */
  endpoint?: string;
  /** Seconds. */
  persistentKeepalive?: number;
  /** CIDR texts. */
  allowedIps: readonly string[];
  protocolVersion: ProtocolVersion;
};

const path = z.string().min(1, 'expected a path');
const cidr = z.string().refine(isCidr, 'expected an IP address, with / and a prefix length or without');
/** One text with commas between, as WireGuard's tools take it. */
const cidrList = z
  .string()
  .transform((value) => value.split(',').map((part) => part.trim()))
  .pipe(z.array(cidr).max(1024));
const belowLastPort = (value: string) => (parseSocketAddress(value)?.port ?? 0) < 65_535;
const portRule = 'expected a port below 65535: WireGuard takes the next one';

const peerShape = {
  public_keys_dir: path,
  endpoint: endpointText.refine(belowLastPort, portRule).optional(),
  persistent_keepalive: z.int().min(0).max(65_535).optional(),
  allowed_ips: cidrList.default([]),
  protocol_version: z.enum(rosenpassVersions).default('V02'),
};

const topShape = {
  verbose: z.boolean().default(false),
  private_keys_dir: path,
  dev: z
    .string()
    .regex(/^[^/\s]{1,15}$/, 'expected an interface name')
    .default('rosenpass0'),
  ip: cidr.optional(),
  listen: listenText.refine(belowLastPort, portRule).optional(),
  peers: z.array(z.object(peerShape)).max(peersMax).default([]),
};

/** @param path of the file, for messages. @throws OptionsError with line and key for the first fault. */
export function parseRpToml(path: string, source: string): Imported<RpConfig> {
  const file = parseDocument(path, source);
  const raw = readDocument(file, z.object(topShape));
  const { verbose, private_keys_dir: privateKeysDir, dev: device, ip, listen } = raw;
  const peers = raw.peers.map((peer) => ({
    publicKeysDir: peer.public_keys_dir,
    endpoint: peer.endpoint,
    persistentKeepalive: peer.persistent_keepalive,
    allowedIps: peer.allowed_ips,
    protocolVersion: peer.protocol_version,
  }));
  return {
    config: { verbose, privateKeysDir, device, ip, listen, peers },
    warnings: unknownKeys(file, Object.keys(topShape), Object.keys(peerShape)),
  };
}

export function rpToml({ verbose, privateKeysDir, device, ip, listen, peers }: RpConfig): string {
  return stringify({
    verbose,
    private_keys_dir: privateKeysDir,
    dev: device,
    ip,
    listen,
    peers: peers.map((peer) => ({
      public_keys_dir: peer.publicKeysDir,
      endpoint: peer.endpoint,
      persistent_keepalive: peer.persistentKeepalive,
      allowed_ips: peer.allowedIps.length === 0 ? undefined : peer.allowedIps.join(','),
      protocol_version: peer.protocolVersion === 'V02' ? undefined : peer.protocolVersion,
    })),
  });
}

/** Where WireGuard is, for Rosenpass's `host:port`: rp gives it the next port. */
export function wireguardAddress(rosenpassAddress: string): string | undefined {
  const address = parseSocketAddress(rosenpassAddress);
  if (address === undefined || address.port === 65_535) return undefined;
  return showSocketAddress({ host: address.host, port: address.port + 1 });
}

/**
 * The one address of a peer's allowed IPs that has effect here: its first IPv4 /32 in the tunnel's range.
 * @param range IPv4 with prefix length, as 10.90.0.0/16.
 */
export function tunnelAddressOf(
  allowedIps: readonly string[],
  range: string,
): { address: string | undefined; ignored: readonly string[] } {
  const [network = '', bits = '32'] = range.split('/');
  const inside = new BlockList();
  inside.addSubnet(network, Number(bits), 'ipv4');
  const hostOf = (text: string) => /^([^/]+)(?:\/32)?$/.exec(text)?.[1] ?? '';
  const taken = allowedIps.find((text) => isIPv4(hostOf(text)) && inside.check(hostOf(text), 'ipv4'));
  return {
    address: taken === undefined ? undefined : hostOf(taken),
    ignored: allowedIps.filter((text) => text !== taken),
  };
}
