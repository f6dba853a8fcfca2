/** `labman tunnel import` (tunnel X8): keys of another program become this node's. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writePrivateFile } from '@labmesh/kit/saved-file';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { convertSecretKey } from '@labmesh/rosenpass/formats/convert-secret-key';
import { replaceRosenpassKeys } from '@labmesh/tunnel/keys/next-key-files';
import { dropNextWireguardKeys, loadWireguardKeys } from '@labmesh/tunnel/keys/wireguard-keys';
import { groupedFingerprint } from '@labmesh/tunnel/tunnel-text';
import type { TunnelPaths } from '../../tunnel/tunnel-paths.ts';
import { LabmandError } from '../ask-labmand.ts';
import { pathsOf } from '../settings-of.ts';
import { json, type Verb } from '../verb.ts';
import { type ForeignKeys, readForeignKeys } from './foreign-keys.ts';

/** In the layout that releases of Rosenpass write. The arrays are zeroed. */
function writeKeys(paths: TunnelPaths, { rosenpass, wireguard }: ForeignKeys): void {
  const secretKey = convertSecretKey(rosenpass.secretKey, 'pc', (bytes) => new Uint8Array(randomBytes(bytes)));
  rosenpass.secretKey.fill(0);
  if (wireguard !== undefined) {
    writePrivateFile(paths.wireguard.privateKeyPath, `${Buffer.from(wireguard).toString('base64')}\n`);
    wireguard.fill(0);
    dropNextWireguardKeys(paths.wireguard);
  }
  replaceRosenpassKeys(paths.rosenpass, { secretKey, publicKey: rosenpass.publicKey });
  secretKey.fill(0);
}

export const importKeys: Verb = async ({ flags, words: [path], print }) => {
  if (path === undefined) throw new LabmandError('labman tunnel import PATH: the folder or file is missing', 2);
  if (!existsSync(path)) throw new LabmandError(`${path}: there is no such folder or file`, 3);
  const paths = await pathsOf(flags);
  const isThere = [paths.rosenpass.privateKeyPath, paths.wireguard.privateKeyPath].find((one) => existsSync(one));
  if (isThere !== undefined && !flags.force) {
    throw new LabmandError(`${isThere} is there already; --force replaces this node's keys`, 8);
  }
  const keys = readForeignKeys(path);
  const sha256 = fingerprintOf(keys.rosenpass.publicKey);
  writeKeys(paths, keys);
  const wireguardPublicKey = Buffer.from(loadWireguardKeys(paths.wireguard).publicKey).toString('base64');
  const { warnings } = keys;
  if (flags.json) print(json({ rosenpassSha256: sha256, wireguardPublicKey, warnings }));
  else {
    for (const warning of warnings) print(`warning: ${warning}\n`);
    print(`${groupedFingerprint(sha256)}\n${sha256}\nWireGuard ${wireguardPublicKey}\n`);
    print(`restart labmand; a hub that knows this node by other keys wants: labctl tunnel trust NODE ${sha256}\n`);
  }
  return 0;
};
