/** `labman tunnel export` (tunnel 2.10): this node's end as files of other programs, its secret keys among them. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writePrivateFile } from '@labmesh/kit/saved-file';
import { convertSecretKey } from '@labmesh/rosenpass/formats/convert-secret-key';
import { readRosenpassKeys } from '@labmesh/tunnel/keys/rosenpass-keys';
import { loadWireguardKeys } from '@labmesh/tunnel/keys/wireguard-keys';
import { readNodeState } from '../../conplane/node-file.ts';
import { LabmandError } from '../ask-labmand.ts';
import { pathsOf } from '../settings-of.ts';
import type { Verb } from '../verb.ts';
import { exportedFiles } from './exported-files.ts';

/** X8: into a folder that only its owner enters. */
export const exportKeys: Verb = async ({ flags, print }) => {
  const { out, format, sk } = flags;
  if (out === undefined) throw new LabmandError('labman tunnel export --out DIR: the folder is missing', 2);
  if (existsSync(out)) throw new LabmandError(`${out} is there already; name a folder that is not`, 8);
  const paths = await pathsOf(flags);
  const pair = readRosenpassKeys(paths.rosenpass);
  if (pair === undefined) throw new LabmandError('there are no keys yet; `labman tunnel keygen` makes them', 5);
  const { privateKey } = loadWireguardKeys(paths.wireguard);
  const secretKey = convertSecretKey(pair.secretKey, sk, (bytes) => new Uint8Array(randomBytes(bytes)));
  pair.secretKey.fill(0);
  const keys = { wireguardPrivateKey: privateKey, rosenpassSecretKey: secretKey, rosenpassPublicKey: pair.publicKey };
  try {
    const files = exportedFiles(format, keys, readNodeState(flags.stateDir), paths.keysDir);
    mkdirSync(out, { mode: 0o700 });
    for (const [name, content] of files) writePrivateFile(join(out, name), content);
    print(`${out}: ${[...files.keys()].join(', ')}\n`);
    return 0;
  } finally {
    secretKey.fill(0);
    privateKey.fill(0);
  }
};
