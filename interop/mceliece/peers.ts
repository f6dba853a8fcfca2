import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CiphertextEncoding } from '@labmesh/rosenpass/mceliece/parameters';
import type { SecretKeyLayout } from '@labmesh/rosenpass/mceliece/secret-key';

export type Variant = '460896' | '460896f';
export type Encapsulation = { ciphertext: Uint8Array; key: Uint8Array };

/** Another implementation; lists go together because starting one costs. */
export type Peer = {
  name: string;
  encoding: CiphertextEncoding;
  layout: SecretKeyLayout;
  generate(variant: Variant): { publicKey: Uint8Array; secretKey: Uint8Array };
  encapsulate(publicKey: Uint8Array, count: number): Encapsulation[];
  decapsulate(secretKey: Uint8Array, ciphertexts: readonly Uint8Array[]): Uint8Array[];
};

type LiboqsKem = {
  generateKeyPair(): { publicKey: Uint8Array; secretKey: Uint8Array };
  encapsulate(publicKey: Uint8Array): { ciphertext: Uint8Array; sharedSecret: Uint8Array };
  decapsulate(ciphertext: Uint8Array, secretKey: Uint8Array): Uint8Array;
};

/** @param folder that the package is installed in: the one that holds node_modules. */
export async function liboqsPeer(folder: string): Promise<Peer> {
  const load = createRequire(join(folder, 'package.json'));
  const module = load(join(folder, 'node_modules/@openforge-sh/liboqs/src/kem.js')) as {
    createClassicMcEliece460896(): Promise<LiboqsKem>;
    createClassicMcEliece460896f(): Promise<LiboqsKem>;
  };
  const plain = await module.createClassicMcEliece460896();
  const f = await module.createClassicMcEliece460896f();
  return {
    name: 'liboqs',
    encoding: 'r4-156',
    layout: 'r4',
    generate: (variant) => (variant === '460896' ? plain : f).generateKeyPair(),
    encapsulate: (publicKey, count) =>
      Array.from({ length: count }, () => {
        const { ciphertext, sharedSecret } = plain.encapsulate(publicKey);
        return { ciphertext, key: sharedSecret };
      }),
    decapsulate: (secretKey, ciphertexts) => ciphertexts.map((ciphertext) => plain.decapsulate(ciphertext, secretKey)),
  };
}

/** @param program as built from `pqclean/`; it works on files of one folder. */
export function pqcleanPeer(program: string): Peer {
  const inFolder = <T>(use: (path: (name: string) => string, run: (verb: string, what: string) => void) => T): T => {
    const folder = mkdtempSync(join(tmpdir(), 'mceliece-peer-'));
    const run = (verb: string, what: string) => {
      const { exitCode, stderr } = Bun.spawnSync([program, verb, folder, what]);
      if (exitCode !== 0) throw new Error(`${verb}: ${stderr.toString()}`);
    };
    try {
      return use((name) => join(folder, name), run);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
  const read = (path: string) => new Uint8Array(readFileSync(path));
  return {
    name: 'pqclean',
    encoding: 'pc188',
    layout: 'pc',
    generate: (variant) =>
      inFolder((path, run) => {
        run('generate', variant);
        return { publicKey: read(path('pk')), secretKey: read(path('sk')) };
      }),
    encapsulate: (publicKey, count) =>
      inFolder((path, run) => {
        writeFileSync(path('pk'), publicKey);
        run('encapsulate', String(count));
        return Array.from({ length: count }, (_, i) => ({
          ciphertext: read(path(`ct${i}`)),
          key: read(path(`ss${i}`)),
        }));
      }),
    decapsulate: (secretKey, ciphertexts) =>
      inFolder((path, run) => {
        writeFileSync(path('sk'), secretKey);
        ciphertexts.forEach((ciphertext, i) => writeFileSync(path(`ct${i}`), ciphertext));
        run('decapsulate', String(ciphertexts.length));
        return ciphertexts.map((_, i) => read(path(`ss${i}`)));
      }),
  };
}
