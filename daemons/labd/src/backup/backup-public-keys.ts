/**
 * Rosenpass public keys of the tunnel's peers in a backup (tunnel K7): `keys/<sha256>.pk`, as they lie beside the store.
 * Without them a restored hub exchanges with nobody before each node has registered again, and never with foreign clients.
 */
import { createHash } from 'node:crypto';
import { rosenpassPublicKeyBytes } from '@labmesh/wire/tunnel';
import { tarFile, type TarEntry } from './tar.ts';

/** Where the keys are kept. */
export type PublicKeySource = { read(fingerprint: string): Promise<Uint8Array | undefined> };
export type PublicKeySink = { write(key: Uint8Array): Promise<string> };

const namePattern = /^keys\/([0-9a-f]{64})\.pk$/;

export const isPublicKeyFile = (name: string): boolean => namePattern.test(name);

/** One that is not there is left out: its node is asked for it again (K3). */
export async function* publicKeyFiles(source: PublicKeySource, fingerprints: Iterable<string>, at: number) {
  for (const fingerprint of fingerprints) {
    const key = await source.read(fingerprint);
    if (key?.length === rosenpassPublicKeyBytes) {
      yield tarFile(`keys/${fingerprint.replace(/^sha256:/, '')}.pk`, key, at);
    }
  }
}

/** The key of such a file. @throws RangeError, SyntaxError when it is none, or another than its name says. */
export async function publicKeyOf({ name, size, body }: TarEntry): Promise<Uint8Array> {
  if (size !== rosenpassPublicKeyBytes) throw new RangeError(`${name} has ${size} bytes`);
  const key = new Uint8Array(Buffer.concat(await Array.fromAsync(body)));
  const [, hex] = namePattern.exec(name) ?? [];
  if (createHash('sha256').update(key).digest('hex') === hex) return key;
  throw new SyntaxError(`${name} holds another key`);
}
