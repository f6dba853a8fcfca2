/** Clients of other make as files: the public folder of `rp`, the peers of rosenpass.toml (X2, X3). */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { RosenpassConfig } from '@labmesh/rosenpass/formats/rosenpass-toml';
import { readRpPublicDirectory } from '@labmesh/rosenpass/formats/rp-directory';
import { checkPublicKey } from '@labmesh/tunnel/keys/public-key-files';
import type { AddTunnelPeer } from '@labmesh/wire/tunnel';
import { CommandError } from '../command-error.ts';

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

/** @throws CommandError naming the file that is missing or wrong */
export function clientInDirectory(dir: string): Pick<AddTunnelPeer, 'wireguardPublicKey' | 'rosenpassPublicKey'> {
  const names = ['wgpk', 'pqpk'].filter((name) => existsSync(join(dir, name)));
  const files = new Map(names.map((name) => [name, new Uint8Array(readFileSync(join(dir, name)))]));
  try {
    const { wireguardPublicKey, rosenpassPublicKey } = readRpPublicDirectory(files);
    return { wireguardPublicKey: base64(wireguardPublicKey), rosenpassPublicKey: base64(rosenpassPublicKey) };
  } catch (error) {
    throw new CommandError(`${dir}: ${error instanceof Error ? error.message : 'no public folder of rp'}`);
  }
}

const nameOf = (path: string) =>
  basename(path)
    .toLowerCase()
    .replace(/\.[a-z0-9]+$/, '')
    .replaceAll(/[^a-z0-9.-]+/g, '-')
    .replaceAll(/^[.-]+|[.-]+$/g, '')
    .slice(0, 64);

/** The peers that the hub can take, named after their key files, and lines about those that it cannot. */
export function clientsInToml(
  { peers }: RosenpassConfig,
  file: string,
): { clients: AddTunnelPeer[]; leftOut: string[] } {
  const clients: AddTunnelPeer[] = [];
  const leftOut: string[] = [];
  for (const peer of peers) {
    const path = resolve(dirname(file), peer.publicKey);
    if (peer.wireguard === undefined) {
      leftOut.push(`${peer.publicKey}: left out, it names no WireGuard peer (device and peer)`);
      continue;
    }
    const key = new Uint8Array(readFileSync(path));
    checkPublicKey(key);
    clients.push({
      name: nameOf(path) || 'peer',
      wireguardPublicKey: peer.wireguard.peer,
      rosenpassPublicKey: base64(key),
      version: peer.protocolVersion,
      ...(peer.endpoint !== undefined && { endpoint: peer.endpoint }),
    });
    if (peer.presharedKey !== undefined) leftOut.push(`${peer.publicKey}: its pre_shared_key is not taken over`);
  }
  return { clients, leftOut };
}
