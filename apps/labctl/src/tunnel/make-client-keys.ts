import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '@labmesh/kit/log';
import { writePrivateFile, writeWholeFile } from '@labmesh/kit/saved-file';
import { rpPrivateDirectory, rpPublicDirectory } from '@labmesh/rosenpass/formats/rp-directory';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { generateWireguardKeys } from '@labmesh/tunnel/keys/wireguard-keys';
import { StepPool } from '@labmesh/tunnel/steps/step-pool';

/**
 * Makes the key pairs of a client as `rp` has them (tunnel X3): secret ones in `dir` (0700, files 0600), public ones in
 * `publicDir`. Gives the fingerprint of the Rosenpass key. @throws what the file system says
 */
export async function makeClientKeys(dir: string, publicDir: string): Promise<string> {
  await using pool = new StepPool({ workers: 1, keysDir: dir, cacheBytes: 0, log: silentLogger });
  const [rosenpass, wireguard] = [await pool.generate(), generateWireguardKeys()];
  const { publicKey: rosenpassPublicKey, secretKey: rosenpassSecretKey } = rosenpass;
  const { publicKey: wireguardPublicKey, privateKey: wireguardPrivateKey } = wireguard;
  mkdirSync(dir, { mode: 0o700 });
  mkdirSync(publicDir, { mode: 0o755 });
  const secret = rpPrivateDirectory({ wireguardPrivateKey, rosenpassSecretKey, rosenpassPublicKey });
  for (const [name, content] of secret) writePrivateFile(join(dir, name), content);
  const open = rpPublicDirectory({ wireguardPublicKey, rosenpassPublicKey });
  for (const [name, content] of open) writeWholeFile(join(publicDir, name), content, 0o644);
  rosenpassSecretKey.fill(0);
  wireguardPrivateKey.fill(0);
  return fingerprintOf(rosenpassPublicKey);
}
