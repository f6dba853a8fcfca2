/** Our own pair and the peers' public keys, with the thread that works on them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@labmesh/kit/log';
import type { KnownKey } from '@labmesh/rosenpass/effects';
import { keepPublicKey } from '@labmesh/tunnel/keys/public-key-files';
import { readRosenpassKeys, type RosenpassKeyPaths } from '@labmesh/tunnel/keys/rosenpass-keys';
import { StepPool } from '@labmesh/tunnel/steps/step-pool';

const cacheBytes = 2 ** 21;

export class OurKeys implements AsyncDisposable {
  readonly pool: StepPool;
  readonly #folder = mkdtempSync(join(tmpdir(), 'labmesh-peer-'));
  readonly #paths: RosenpassKeyPaths;

  constructor(paths: RosenpassKeyPaths) {
    this.#paths = paths;
    const log = createLogger({ level: 'warn', format: 'pretty' });
    this.pool = new StepPool({ workers: 1, keysDir: this.#folder, cacheBytes, log });
    this.pool.setOwnKey(0, () => this.#read());
  }

  own(): Promise<KnownKey> {
    const { secretKey, publicKey } = this.#read();
    secretKey.fill(0);
    return this.know(publicKey);
  }

  /** Keeps a public key for the thread and gives what else is to be known of it. */
  async know(publicKey: Uint8Array): Promise<KnownKey> {
    const fingerprint = keepPublicKey(this.#folder, publicKey);
    const described = await this.pool.run({ step: 'describe', peerKey: fingerprint });
    if (described.step !== 'describe') throw new Error('a public key was not hashed');
    return { fingerprint, prefixes: described.prefixes };
  }

  #read() {
    const pair = readRosenpassKeys(this.#paths);
    if (pair === undefined) throw new Error('the own keys are not there');
    return pair;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pool[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
