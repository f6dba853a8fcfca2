/** This node's own keys on disk: their fingerprints, and new ones. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { silentLogger } from '@labmesh/kit/log';
import { writePrivateFile } from '@labmesh/kit/saved-file';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { replaceRosenpassKeys } from '@labmesh/tunnel/keys/next-key-files';
import { checkPublicKey } from '@labmesh/tunnel/keys/public-key-files';
import { dropNextWireguardKeys, generateWireguardKeys, loadWireguardKeys } from '@labmesh/tunnel/keys/wireguard-keys';
import { StepPool } from '@labmesh/tunnel/steps/step-pool';
import { groupedFingerprint } from '@labmesh/tunnel/tunnel-text';
import { LabmandError } from '../ask-labmand.ts';
import { pathsOf } from '../settings-of.ts';
import { json, type Verb } from '../verb.ts';

const noKeys = 5;

/** @throws LabmandError when there is none; TunnelKeyError for what is no key */
function publicKeyAt(path: string): Uint8Array {
  if (!existsSync(path)) {
    const way = 'labmand makes keys at its first start, `labman tunnel keygen` does it now';
    throw new LabmandError(`${path} is not there; ${way}`, noKeys);
  }
  const publicKey = new Uint8Array(readFileSync(path));
  checkPublicKey(publicKey);
  return publicKey;
}

export const fingerprint: Verb = async ({ flags, words: [file], print }) => {
  const paths = await pathsOf(flags);
  const sha256 = fingerprintOf(publicKeyAt(file ?? paths.rosenpass.publicKeyPath));
  const wireguard =
    file === undefined ? Buffer.from(loadWireguardKeys(paths.wireguard).publicKey).toString('base64') : undefined;
  if (flags.json)
    print(json({ rosenpassSha256: sha256, ...(wireguard !== undefined && { wireguardPublicKey: wireguard }) }));
  else print(`${groupedFingerprint(sha256)}\n${sha256}\n${wireguard === undefined ? '' : `WireGuard ${wireguard}\n`}`);
  return 0;
};

export const keygen: Verb = async ({ flags, print }) => {
  const paths = await pathsOf(flags);
  const isThere = existsSync(paths.rosenpass.privateKeyPath) || existsSync(paths.wireguard.privateKeyPath);
  if (isThere && !flags.force) {
    throw new LabmandError(
      `${paths.rosenpass.privateKeyPath} is there already; --force replaces it, and every hub must trust the new one`,
      8,
    );
  }
  mkdirSync(flags.stateDir, { recursive: true, mode: 0o700 });
  await using pool = new StepPool({ workers: 1, keysDir: paths.keysDir, cacheBytes: 0, log: silentLogger });
  const pair = await pool.generate();
  const wireguard = generateWireguardKeys();
  writePrivateFile(paths.wireguard.privateKeyPath, `${Buffer.from(wireguard.privateKey).toString('base64')}\n`);
  loadWireguardKeys(paths.wireguard);
  dropNextWireguardKeys(paths.wireguard);
  replaceRosenpassKeys(paths.rosenpass, pair);
  pair.secretKey.fill(0);
  wireguard.privateKey.fill(0);
  return await fingerprint({ flags, words: [], print });
};
