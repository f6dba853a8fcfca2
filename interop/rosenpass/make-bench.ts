/** What one program is tried with: a fresh pair of each side in a folder of its own. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { convertSecretKey } from '@labmesh/rosenpass/formats/convert-secret-key';
import { openSuites } from '@labmesh/rosenpass/hash/suite';
import { generateKeyPair } from '@labmesh/rosenpass/mceliece/generate/generate-key-pair';
import type { Program } from './programs.ts';
import { generateThere, type Pair, pairIn } from './sides.ts';
import { Transcript } from './transcript.ts';

export type Bench = Disposable & {
  program: Program;
  transcript: Transcript;
  folder: string;
  /** `oursExported`: ours, in the layout that the program reads. */
  pairs: { ours: Pair; theirs: Pair; oursExported: Pair };
  /** Base64 of the V02 peer id of a public key file. */
  peerIdOf: (publicKey: string) => string;
};

export const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

export async function makeBench(program: Program): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-interop-'));
  const [ours, theirs] = [pairIn(folder, 'ours'), pairIn(folder, 'theirs')];
  const oursExported = { ...ours, secretKey: join(folder, 'ours-exported.sk') };
  const { publicKey, secretKey } = generateKeyPair(random, 'pc');
  writeFileSync(ours.publicKey, publicKey);
  writeFileSync(ours.secretKey, secretKey, { mode: 0o600 });
  writeFileSync(oursExported.secretKey, convertSecretKey(secretKey, program.layout, random), { mode: 0o600 });
  generateThere(program, theirs);
  const { V02 } = await openSuites();
  return {
    program,
    transcript: new Transcript(),
    folder,
    pairs: { ours, theirs, oursExported },
    peerIdOf: (path) => V02.hash(V02.labels.peerId, new Uint8Array(readFileSync(path))).toBase64(),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
