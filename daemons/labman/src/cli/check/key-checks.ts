/** Own key files: mode, length, halves that belong together (K1). Nothing is made or mended here. */
import { existsSync, readFileSync } from 'node:fs';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { nextKeyPaths } from '@labmesh/tunnel/keys/next-key-files';
import { readSecretFile } from '@labmesh/tunnel/keys/read-secret-file';
import { isRosenpassPair, readRosenpassKeys } from '@labmesh/tunnel/keys/rosenpass-keys';
import { TunnelKeyError } from '@labmesh/tunnel/keys/tunnel-key-error';
import { parseWireguardKey, wireguardPublicKey } from '@labmesh/tunnel/keys/wireguard-keys';
import type { TunnelConfig } from '../../config/read-tunnel.ts';
import type { TunnelPaths } from '../../tunnel/tunnel-paths.ts';
import { fail, failure, type Finding, pass } from './finding.ts';

const made = 'none yet; made at the first start';
const again =
  'put the right file there; or remove the pair, a new one is made, and the hub wants labctl tunnel trust NODE sha256:…';

/** A system error (no permission, a folder) fails the check too. */
function findingOf(name: string, look: () => Finding): Finding {
  try {
    return look();
  } catch (error) {
    if (!(error instanceof TunnelKeyError) && (error as { code?: unknown }).code === undefined) throw error;
    return failure(name, error, again);
  }
}

function wireguard({ privateKeyPath }: TunnelPaths['wireguard']): Finding {
  const name = 'WireGuard key';
  return findingOf(name, () => {
    const file = readSecretFile(privateKeyPath);
    if (file === undefined) return pass(name, made);
    const key = parseWireguardKey(Buffer.from(file).toString('latin1'));
    file.fill(0);
    if (key === undefined) return fail(name, `${privateKeyPath}: expected the base64 of 32 bytes`, again);
    const publicKey = Buffer.from(wireguardPublicKey(key)).toString('base64');
    key.fill(0);
    return pass(name, publicKey);
  });
}

function rosenpass(paths: TunnelPaths['rosenpass']): Finding {
  const name = 'Rosenpass key';
  return findingOf(name, () => {
    const pair = readRosenpassKeys(paths);
    if (pair === undefined) return pass(name, made);
    const isPair = isRosenpassPair(pair);
    pair.secretKey.fill(0);
    const { privateKeyPath, publicKeyPath } = paths;
    if (!isPair) return fail(name, `${privateKeyPath} and ${publicKeyPath} are halves of different pairs`, again);
    const next = existsSync(nextKeyPaths(paths).privateKeyPath) ? '; another is to follow: labman tunnel rotate' : '';
    return pass(name, `${fingerprintOf(pair.publicKey)}${next}`);
  });
}

function preshared(path: string): Finding {
  const name = 'preshared key';
  return findingOf(name, () => {
    const key = parseWireguardKey(readFileSync(path, 'utf8'));
    if (key === undefined) return fail(name, `${path}: expected the base64 of 32 bytes`, 'put the right file there');
    key.fill(0);
    return pass(name, path);
  });
}

export function keyChecks(config: TunnelConfig, paths: TunnelPaths): Finding[] {
  const path = config.rosenpass.presharedKeyPath;
  return [wireguard(paths.wireguard), rosenpass(paths.rosenpass), ...(path === undefined ? [] : [preshared(path)])];
}
