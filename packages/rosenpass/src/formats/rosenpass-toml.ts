import { rosenpassVersions, wireguardKeyField } from '@labmesh/wire/tunnel';
import { stringify } from 'smol-toml';
import { z } from 'zod';
import type { ProtocolVersion } from '../effects.ts';
import { endpointText, listenText } from './socket-address.ts';
import { type Imported, parseDocument, readDocument, unknownKeys, warningAt } from './toml-document.ts';

/** Peers in one file (RP_PEERS). */
export const peersMax = 20_000;

/** The configuration of the `rosenpass` program (spec tunnel.md X1, X2): all versions in one. */
export type RosenpassConfig = {
  /** Paths. */
  keyPair?: { publicKey: string; secretKey: string };
  /** `address:port`. */
  listen: readonly string[];
  verbosity: 'Quiet' | 'Verbose';
  peers: readonly RosenpassPeer[];
};

export type RosenpassPeer = {
  /** Path. */
  publicKey: string;
  /** `host:port`; absent: the peer dials. */
  endpoint?: string;
  /** Path of a base64 file. */
  presharedKey?: string;
  /** Path to write each key to. */
  keyOut?: string;
  /** The WireGuard device and the public key (base64) of its peer that take each key. */
  wireguard?: { device: string; peer: string; extraParams: readonly string[] };
  protocolVersion: ProtocolVersion;
  /** Labels of the output key in place of Rosenpass's own. */
  outputLabels?: { organization: string; labels: readonly string[] };
};

const text = z.string().min(1, 'expected a text that is not empty');
const texts = z.array(z.string()).max(64);

const peerShape = {
  public_key: text,
  endpoint: endpointText.optional(),
  pre_shared_key: text.optional(),
  key_out: text.optional(),
  device: text.optional(),
  peer: wireguardKeyField.optional(),
  extra_params: texts.default([]),
  // As go-rosenpass names device and peer.
  wireguard: z.object({ interface: text, public_key: wireguardKeyField }).optional(),
  exchange_command: texts.optional(),
  protocol_version: z.enum(rosenpassVersions).default('V02'),
  osk_organization: z.string().optional(),
  osk_label: texts.optional(),
};

const peerSchema = z
  .object(peerShape)
  .refine(({ device, peer }) => (device === undefined) === (peer === undefined), 'needs both device and peer, or none')
  .refine(
    (peer) => (peer.osk_organization === undefined) === (peer.osk_label === undefined),
    'needs both osk_organization and osk_label, or none',
  )
  .refine(
    ({ key_out, device, wireguard }) => (key_out ?? device ?? wireguard) !== undefined,
    'needs key_out, or device and peer; exchange_command is never run',
  );

const topShape = {
  public_key: text.optional(),
  secret_key: text.optional(),
  listen: z.array(listenText).max(64).default([]),
  verbosity: z.enum(['Quiet', 'Verbose']).default('Quiet'),
  peers: z.array(peerSchema).max(peersMax).default([]),
  api: z.unknown().optional(),
};

const schema = z
  .object(topShape)
  .refine(
    (top) => (top.public_key === undefined) === (top.secret_key === undefined),
    'needs both public_key and secret_key, or none',
  );

/** `~` and `~/…` as the shell has them. */
const expandHome = (path: string, home: string) => path.replace(/^~(?=\/|$)/, () => home);

function toWireguard({ device, peer, extra_params: extraParams, wireguard }: z.output<typeof peerSchema>) {
  if (device !== undefined && peer !== undefined) return { device, peer, extraParams };
  return wireguard && { device: wireguard.interface, peer: wireguard.public_key, extraParams };
}

function toPeer(raw: z.output<typeof peerSchema>, home: string): RosenpassPeer {
  const path = (value: string | undefined) => (value === undefined ? undefined : expandHome(value, home));
  return {
    publicKey: expandHome(raw.public_key, home),
    endpoint: raw.endpoint,
    presharedKey: path(raw.pre_shared_key),
    keyOut: path(raw.key_out),
    wireguard: toWireguard(raw),
    protocolVersion: raw.protocol_version,
    outputLabels:
      raw.osk_organization === undefined || raw.osk_label === undefined
        ? undefined
        : { organization: raw.osk_organization, labels: raw.osk_label },
  };
}

/**
 * Reads the TOML of any Rosenpass version.
 * @param path of the file, for messages. @param home what `~` stands for.
 * @throws OptionsError for what is not TOML, or for the first value that will not do: with line and key.
 */
export function parseRosenpassToml(path: string, source: string, home: string): Imported<RosenpassConfig> {
  const file = parseDocument(path, source);
  const raw = readDocument(file, schema);
  const warnings = unknownKeys(file, Object.keys(topShape), Object.keys(peerShape));
  if (raw.api !== undefined) warnings.push(warningAt(file, 'api', 'ignored: there is no such interface here'));
  raw.peers.forEach(({ exchange_command: command }, index) => {
    // Releases write an empty one into every file that they save.
    if (command === undefined || command.length === 0) return;
    const shown = JSON.stringify(command.join(' ').slice(0, 200));
    warnings.push(warningAt(file, `peers[${index}].exchange_command`, `never run here: ${shown}`));
  });
  const keyPair =
    raw.public_key === undefined || raw.secret_key === undefined
      ? undefined
      : { publicKey: expandHome(raw.public_key, home), secretKey: expandHome(raw.secret_key, home) };
  const { listen, verbosity } = raw;
  return { config: { keyPair, listen, verbosity, peers: raw.peers.map((peer) => toPeer(peer, home)) }, warnings };
}

/** The TOML that every Rosenpass version takes: V02 is left unsaid, as versions before 0.3 do not know the key. */
export function rosenpassToml({ keyPair, listen, verbosity, peers }: RosenpassConfig): string {
  return stringify({
    public_key: keyPair?.publicKey,
    secret_key: keyPair?.secretKey,
    listen,
    verbosity,
    peers: peers.map((peer) => ({
      public_key: peer.publicKey,
      endpoint: peer.endpoint,
      pre_shared_key: peer.presharedKey,
      key_out: peer.keyOut,
      device: peer.wireguard?.device,
      peer: peer.wireguard?.peer,
      extra_params: peer.wireguard?.extraParams,
      protocol_version: peer.protocolVersion === 'V02' ? undefined : peer.protocolVersion,
      osk_organization: peer.outputLabels?.organization,
      osk_label: peer.outputLabels?.labels,
    })),
  });
}
