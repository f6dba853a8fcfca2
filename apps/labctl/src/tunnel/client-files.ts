/** Clients of other make as files: the public folder of `rp`, the peers of rosenpass.toml (X2, X3). */
import { basename, dirname, join, resolve } from 'node:path';
import { readKeyText } from '@labmesh/rosenpass/formats/key-text';
import type { RosenpassConfig } from '@labmesh/rosenpass/formats/rosenpass-toml';
import { readRpPublicDirectory } from '@labmesh/rosenpass/formats/rp-directory';
import { checkPublicKey } from '@labmesh/tunnel/keys/public-key-files';
import { readSecretFile } from '@labmesh/tunnel/keys/read-secret-file';
import type { AddTunnelPeer } from '@labmesh/wire/tunnel';
import { CommandError } from '../command-error.ts';

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

const wordsOf = (error: unknown, otherwise: string) => (error instanceof Error ? error.message : otherwise);

/** @throws CommandError naming the file that is missing or wrong; it shows nothing of a file */
export function clientInDirectory(
  dir: string,
): Pick<AddTunnelPeer, 'wireguardPublicKey' | 'rosenpassPublicKey' | 'presharedKey'> {
  try {
    const found = ['wgpk', 'pqpk', 'psk'].map((name) => [name, readSecretFile(join(dir, name), 'any mode')] as const);
    const files = new Map(found.flatMap(([name, bytes]) => (bytes === undefined ? [] : [[name, bytes]])));
    const { wireguardPublicKey, rosenpassPublicKey, presharedKey } = readRpPublicDirectory(files);
    return {
      wireguardPublicKey: base64(wireguardPublicKey),
      rosenpassPublicKey: base64(rosenpassPublicKey),
      ...(presharedKey !== undefined && { presharedKey: base64(presharedKey) }),
    };
  } catch (error) {
    throw new CommandError(`${dir}: ${wordsOf(error, 'no public folder of rp')}`);
  }
}

/** Bytes of a file that a configuration names. @throws CommandError */
function namedFile(path: string, check: (bytes: Uint8Array) => Uint8Array): Uint8Array {
  try {
    const bytes = readSecretFile(path, 'any mode');
    if (bytes === undefined) throw new Error('there is no such file');
    return check(bytes);
  } catch (error) {
    throw new CommandError(`${path}: ${wordsOf(error, 'cannot be read')}`);
  }
}

const nameOf = (path: string) =>
  basename(path)
    .toLowerCase()
    .replace(/\.[a-z0-9]+$/, '')
    .replaceAll(/[^a-z0-9.-]+/g, '-')
    .replaceAll(/^[.-]+|[.-]+$/g, '')
    .slice(0, 64);

/** Why the hub cannot take a peer, and the way out; undefined: it can. */
function refusal({ wireguard, outputLabels }: RosenpassConfig['peers'][number]): string | undefined {
  if (wireguard === undefined) return 'it names no WireGuard peer (device and peer)';
  if (outputLabels === undefined) return undefined;
  // Exchanges would end well and the two ends hold different keys: nothing would ever pass.
  return (
    'osk_organization and osk_label make another key of each exchange than the WireGuard one that the hub uses; remove ' +
    'both here and in the file of the client'
  );
}

/** The peers that the hub can take, named after their key files, and lines about those that it cannot. */
export function clientsInToml(
  { peers }: RosenpassConfig,
  file: string,
): { clients: AddTunnelPeer[]; leftOut: string[] } {
  const clients: AddTunnelPeer[] = [];
  const leftOut: string[] = [];
  for (const peer of peers) {
    const at = (path: string) => resolve(dirname(file), path);
    const reason = refusal(peer);
    if (reason !== undefined) leftOut.push(`${peer.publicKey}: left out, ${reason}`);
    if (reason !== undefined || peer.wireguard === undefined) continue;
    const key = namedFile(at(peer.publicKey), (bytes) => {
      checkPublicKey(bytes);
      return bytes;
    });
    const { presharedKey: from } = peer;
    const psk = from === undefined ? undefined : namedFile(at(from), (text) => readKeyText('pre_shared_key', text));
    clients.push({
      name: nameOf(peer.publicKey) || 'peer',
      wireguardPublicKey: peer.wireguard.peer,
      rosenpassPublicKey: base64(key),
      version: peer.protocolVersion,
      ...(psk !== undefined && { presharedKey: base64(psk) }),
      ...(peer.endpoint !== undefined && { endpoint: peer.endpoint }),
    });
    if (peer.wireguard.extraParams.length > 0) leftOut.push(`${peer.publicKey}: its extra_params are not taken over`);
  }
  return { clients, leftOut };
}
