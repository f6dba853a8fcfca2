/**
 * Keys of other programs on disk (tunnel X1, X3, X4): a private folder of `rp`, its `exchange-config`, or a rosenpass.toml.
 * Peers in them are not taken, since a hub comes from its Conplane.
 */
import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { readKeyText } from '@labmesh/rosenpass/formats/key-text';
import { parseRosenpassToml } from '@labmesh/rosenpass/formats/rosenpass-toml';
import { parseRpToml } from '@labmesh/rosenpass/formats/rp-toml';
import { RosenpassKeyInvalid } from '@labmesh/rosenpass/mceliece/rosenpass-key-invalid';
import { readSecretFile } from '@labmesh/tunnel/keys/read-secret-file';
import { isRosenpassPair, readRosenpassKeys } from '@labmesh/tunnel/keys/rosenpass-keys';
import { TunnelKeyError } from '@labmesh/tunnel/keys/tunnel-key-error';
import { LabmandError } from '../ask-labmand.ts';

export type ForeignKeys = {
  rosenpass: { secretKey: Uint8Array; publicKey: Uint8Array };
  /** Private, 32 bytes; a rosenpass.toml names none. */
  wireguard: Uint8Array | undefined;
  /** What has no effect here. */
  warnings: readonly string[];
};

/** Where the keys are, and what of the rest has no effect here. */
type Found = { secretKey: string; publicKey: string; wireguard: string | undefined; warnings: readonly string[] };
type Keys = Omit<ForeignKeys, 'warnings'>;

const inFolder = (folder: string, warnings: readonly string[] = []): Found => ({
  secretKey: join(folder, 'pqsk'),
  publicKey: join(folder, 'pqpk'),
  wireguard: join(folder, 'wgsk'),
  warnings,
});

/** Paths in a file are relative to it. @throws OptionsError, LabmandError */
function inFile(path: string): Found {
  const bytes = readSecretFile(path, 'any mode') ?? new Uint8Array();
  const text = Buffer.from(bytes).toString('utf8');
  const from = dirname(path);
  const leftOut = (peers: readonly unknown[]) =>
    peers.length === 0
      ? []
      : [`${path}: its ${peers.length} peers are not taken over; the hub comes from the Conplane`];
  if (/^\s*private_keys_dir\s*=/m.test(text)) {
    const { config, warnings } = parseRpToml(path, text);
    return inFolder(resolve(from, config.privateKeysDir), [...warnings, ...leftOut(config.peers)]);
  }
  const { config, warnings } = parseRosenpassToml(path, text, homedir());
  if (config.keyPair === undefined) throw new LabmandError(`${path}: names no public_key and secret_key`, 3);
  return {
    secretKey: resolve(from, config.keyPair.secretKey),
    publicKey: resolve(from, config.keyPair.publicKey),
    wireguard: undefined,
    warnings: [...warnings, ...leftOut(config.peers)],
  };
}

/** @throws TunnelKeyError: a file that is missing, readable for others, of another length, or half of another pair */
function readKeys({ secretKey: privateKeyPath, publicKey: publicKeyPath, wireguard: wireguardPath }: Found): Keys {
  const rosenpass = readRosenpassKeys({ privateKeyPath, publicKeyPath });
  if (rosenpass === undefined) {
    throw new TunnelKeyError('ROSENPASS_KEY_INVALID', `neither ${privateKeyPath} nor ${publicKeyPath} is there`);
  }
  if (!isRosenpassPair(rosenpass)) {
    const message = `${privateKeyPath} and ${publicKeyPath} are halves of different pairs`;
    throw new TunnelKeyError('ROSENPASS_KEY_INVALID', message);
  }
  if (wireguardPath === undefined) return { rosenpass, wireguard: undefined };
  const text = readSecretFile(wireguardPath);
  if (text === undefined) throw new TunnelKeyError('KEY_FILE_INVALID', `${wireguardPath} is missing`);
  try {
    return { rosenpass, wireguard: readKeyText(wireguardPath, text) };
  } catch (error) {
    if (!(error instanceof RosenpassKeyInvalid)) throw error;
    throw new TunnelKeyError('KEY_FILE_INVALID', error.message);
  } finally {
    text.fill(0);
  }
}

/** `path` is there. @throws TunnelKeyError, OptionsError, LabmandError */
export function readForeignKeys(path: string): ForeignKeys {
  const found = statSync(path).isDirectory() ? inFolder(path) : inFile(path);
  return { ...readKeys(found), warnings: found.warnings };
}
