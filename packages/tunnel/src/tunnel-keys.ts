/** The own keys of a tunnel's end, made at the first start, and the threads that hold the secret Rosenpass half (K1). */
import type { Logger } from '@labmesh/kit/log';
import type { OwnKey } from '@labmesh/rosenpass/effects';
import { keepPublicKey } from './public-key-files.ts';
import { ensureRosenpassKeys, readRosenpassKeys, type RosenpassKeyPaths } from './rosenpass-keys.ts';
import { StepPool } from './step-pool.ts';
import { TunnelKeyError } from './tunnel-key-error.ts';
import { loadWireguardKeys, type WireguardKeyPaths, type WireguardKeys } from './wireguard-keys.ts';

export type TunnelKeysOptions = {
  wireguard: WireguardKeyPaths;
  rosenpass: RosenpassKeyPaths;
  /** Public Rosenpass keys, own and others', by fingerprint. */
  keysDir: string;
  workers: number;
  cacheBytes: number;
  log: Logger;
};

/** Making a Rosenpass pair takes up to 3 s of a core; before this nothing is said. */
const quietMs = 2_000;
const ownIndex = 0;

export class TunnelKeys implements AsyncDisposable {
  readonly pool: StepPool;
  readonly wireguard: WireguardKeys;
  /** As the key exchange knows it. */
  readonly ownKey: OwnKey;
  /** Raw, 524,160 bytes. */
  readonly rosenpassPublicKey: Uint8Array;
  readonly keysDir: string;

  private constructor(
    pool: StepPool,
    wireguard: WireguardKeys,
    ownKey: OwnKey,
    rosenpassPublicKey: Uint8Array,
    keysDir: string,
  ) {
    this.pool = pool;
    this.wireguard = wireguard;
    this.ownKey = ownKey;
    this.rosenpassPublicKey = rosenpassPublicKey;
    this.keysDir = keysDir;
  }

  /** @throws TunnelKeyError KEY_FILE_MODE, KEY_FILE_INVALID, ROSENPASS_KEY_INVALID */
  static async open(options: TunnelKeysOptions): Promise<TunnelKeys> {
    const { keysDir, workers, cacheBytes, log } = options;
    const wireguard = loadWireguardKeys(options.wireguard);
    await using opening = new AsyncDisposableStack();
    const pool = opening.use(new StepPool({ workers, keysDir, cacheBytes, log }));
    const telling = setTimeout(() => log.info('making the Rosenpass key pair; this is done once'), quietMs);
    const made = await ensureRosenpassKeys(options.rosenpass, () => pool.generate()).finally(() =>
      clearTimeout(telling),
    );
    if (made.isNew) log.info('a Rosenpass key pair was made', { fingerprint: made.fingerprint });
    const fingerprint = keepPublicKey(keysDir, made.publicKey);
    pool.setOwnKey(ownIndex, () => {
      const pair = readRosenpassKeys(options.rosenpass);
      if (pair === undefined) throw new TunnelKeyError('ROSENPASS_KEY_INVALID', 'the Rosenpass key files are gone');
      return pair;
    });
    const described = await pool.run({ step: 'describe', peerKey: fingerprint });
    if (described.step !== 'describe') {
      throw new TunnelKeyError('ROSENPASS_KEY_INVALID', 'the own Rosenpass key cannot be used; see the log');
    }
    const ownKey = { index: ownIndex, fingerprint, prefixes: described.prefixes };
    opening.move();
    return new TunnelKeys(pool, wireguard, ownKey, made.publicKey, keysDir);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pool[Symbol.asyncDispose]();
    this.wireguard.privateKey.fill(0);
  }
}
