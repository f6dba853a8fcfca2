/**
 * The own keys of a tunnel's end, made at the first start, and the threads that hold the secret Rosenpass half (K1). While
 * they are changed (K8) there are two of a kind: the own pair, and the next, which takes over once it is proven.
 */
import { existsSync } from 'node:fs';
import type { Logger } from '@labmesh/kit/log';
import type { OwnKey } from '@labmesh/rosenpass/effects';
import { hideMemory } from '@labmesh/wireguard/ffi/hide-memory';
import { nextKeyPaths, promoteNextKeys, settleNextKeys } from './next-key-files.ts';
import { dropPublicKey, keepPublicKey } from './public-key-files.ts';
import {
  ensureRosenpassKeys,
  readRosenpassKeys,
  type RosenpassKeyPaths,
  writeRosenpassKeys,
} from './rosenpass-keys.ts';
import { StepPool } from '../steps/step-pool.ts';
import { TunnelKeyError } from './tunnel-key-error.ts';
import {
  dropNextWireguardKeys,
  findNextWireguardKeys,
  loadWireguardKeys,
  makeNextWireguardKeys,
  promoteNextWireguardKeys,
  type WireguardKeyPaths,
  type WireguardKeys,
} from './wireguard-keys.ts';

export type TunnelKeysOptions = {
  wireguard: WireguardKeyPaths;
  rosenpass: RosenpassKeyPaths;
  /** Public Rosenpass keys, own and others', by fingerprint. */
  keysDir: string;
  workers: number;
  cacheBytes: number;
  log: Logger;
};

/** A Rosenpass pair as the key exchange knows it, and its public half: raw, 524,160 bytes. */
export type OwnPair = OwnKey & { publicKey: Uint8Array };
type HeldPair = OwnPair & { paths: RosenpassKeyPaths };

/** Making a Rosenpass pair takes up to 3 s of a core; before this nothing is said. */
const quietMs = 2_000;

export class TunnelKeys implements AsyncDisposable {
  readonly pool: StepPool;
  readonly keysDir: string;
  /** One of both pairs was made just now: nobody knows us by it. */
  readonly isNew: boolean;
  readonly #paths: Pick<TunnelKeysOptions, 'rosenpass' | 'wireguard'>;
  #wireguard: WireguardKeys;
  #nextWireguard: WireguardKeys | undefined;
  #own: HeldPair;
  #next: HeldPair | undefined;
  #making: Promise<HeldPair> | undefined;

  private constructor(
    options: TunnelKeysOptions,
    pool: StepPool,
    wireguard: WireguardKeys,
    own: HeldPair,
    isNew: boolean,
  ) {
    this.isNew = isNew;
    this.#paths = options;
    this.keysDir = options.keysDir;
    this.pool = pool;
    this.#wireguard = wireguard;
    this.#own = own;
  }

  /** @throws TunnelKeyError KEY_FILE_MODE, KEY_FILE_INVALID, ROSENPASS_KEY_INVALID */
  static async open(options: TunnelKeysOptions): Promise<TunnelKeys> {
    const { rosenpass, keysDir, workers, cacheBytes, log } = options;
    if (!hideMemory()) log.warn('the memory of this process, keys and all, may be dumped: it could not be hidden');
    const isFirst = !existsSync(options.wireguard.privateKeyPath);
    const wireguard = loadWireguardKeys(options.wireguard);
    const hasNext = settleNextKeys(rosenpass);
    await using opening = new AsyncDisposableStack();
    const pool = opening.use(new StepPool({ workers, keysDir, cacheBytes, log }));
    const telling = setTimeout(() => log.info('making the Rosenpass key pair; this is done once'), quietMs);
    const made = await ensureRosenpassKeys(rosenpass, () => pool.generate()).finally(() => clearTimeout(telling));
    if (made.isNew) log.info('a Rosenpass key pair was made', { fingerprint: made.fingerprint });
    const own = await hold(pool, keysDir, 0, rosenpass);
    const keys = new TunnelKeys(options, pool, wireguard, own, isFirst || made.isNew);
    if (hasNext) await keys.#takeUpNext(log);
    keys.#takeUpNextWireguard(log);
    opening.move();
    return keys;
  }

  /** The pair in use; the arrays are zeroed when another takes its place. */
  get wireguard(): WireguardKeys {
    return this.#wireguard;
  }
  /** The WireGuard pair that is to follow, also one of an earlier run. */
  get nextWireguard(): WireguardKeys | undefined {
    return this.#nextWireguard;
  }

  /** The next WireGuard pair, made if there is none yet. @throws what the file system says */
  makeNextWireguard(): WireguardKeys {
    return (this.#nextWireguard ??= makeNextWireguardKeys(this.#paths.wireguard));
  }

  /** The next WireGuard pair is the own one from now on; the old one is gone. @throws what the file system says */
  promoteNextWireguard(): WireguardKeys {
    const next = this.#nextWireguard;
    if (next === undefined) throw new Error('there is no next WireGuard pair');
    promoteNextWireguardKeys(this.#paths.wireguard);
    this.#wireguard.privateKey.fill(0);
    this.#nextWireguard = undefined;
    return (this.#wireguard = next);
  }

  /** There is no next WireGuard pair any more. */
  dropNextWireguard(): void {
    dropNextWireguardKeys(this.#paths.wireguard);
    this.#nextWireguard?.privateKey.fill(0);
    this.#nextWireguard = undefined;
  }

  /** The pair in use. */
  get ownKey(): OwnPair {
    return this.#own;
  }
  /** The pair that is to follow, from `makeNext` on until it took over; also one of an earlier run. */
  get nextKey(): OwnPair | undefined {
    return this.#next;
  }
  /** Raw, 524,160 bytes. */
  get rosenpassPublicKey(): Uint8Array {
    return this.#own.publicKey;
  }

  /** The next pair, made if there is none yet: 0.4–3 s of a core. @throws what the file system says */
  makeNext(): Promise<OwnPair> {
    if (this.#next !== undefined) return Promise.resolve(this.#next);
    this.#making ??= this.#makeNext().finally(() => (this.#making = undefined));
    return this.#making;
  }

  /** The next pair is the own one from now on; the old one and its files are gone. Gives the old one. */
  promoteNext(): OwnPair {
    const [old, next] = [this.#own, this.#next];
    if (next === undefined) throw new Error('there is no next Rosenpass pair');
    promoteNextKeys(this.#paths.rosenpass);
    next.paths = this.#paths.rosenpass;
    this.#own = next;
    this.#next = undefined;
    this.pool.dropOwnKey(old.index);
    dropPublicKey(this.keysDir, old.fingerprint);
    return old;
  }

  async #makeNext(): Promise<HeldPair> {
    const paths = nextKeyPaths(this.#paths.rosenpass);
    const pair = await this.pool.generate();
    try {
      writeRosenpassKeys(paths, pair);
    } finally {
      pair.secretKey.fill(0);
    }
    this.#next = await hold(this.pool, this.keysDir, 1 - this.#own.index, paths);
    return this.#next;
  }

  /** One that cannot be used keeps nobody from starting with the own one. */
  async #takeUpNext(log: Logger): Promise<void> {
    try {
      this.#next = await hold(this.pool, this.keysDir, 1, nextKeyPaths(this.#paths.rosenpass));
    } catch (error) {
      if (!(error instanceof TunnelKeyError)) throw error;
      log.warn('the next Rosenpass pair cannot be used; the one before stays', { reason: error.message });
    }
  }

  /** As with Rosenpass's. */
  #takeUpNextWireguard(log: Logger): void {
    try {
      this.#nextWireguard = findNextWireguardKeys(this.#paths.wireguard);
    } catch (error) {
      if (!(error instanceof TunnelKeyError)) throw error;
      log.warn('the next WireGuard pair cannot be used; the one before stays', { reason: error.message });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pool[Symbol.asyncDispose]();
    this.#wireguard.privateKey.fill(0);
    this.#nextWireguard?.privateKey.fill(0);
  }
}

function readPair(paths: RosenpassKeyPaths) {
  const pair = readRosenpassKeys(paths);
  if (pair === undefined) throw new TunnelKeyError('ROSENPASS_KEY_INVALID', 'the Rosenpass key files are gone');
  return pair;
}

/** Gives a pair on disk to the threads. */
async function hold(pool: StepPool, keysDir: string, index: number, paths: RosenpassKeyPaths): Promise<HeldPair> {
  const { secretKey, publicKey } = readPair(paths);
  secretKey.fill(0);
  const fingerprint = keepPublicKey(keysDir, publicKey);
  const held: HeldPair = { index, fingerprint, prefixes: new Uint8Array(), publicKey, paths };
  pool.setOwnKey(index, () => readPair(held.paths));
  const described = await pool.run({ step: 'describe', peerKey: fingerprint });
  if (described.step !== 'describe') {
    throw new TunnelKeyError('ROSENPASS_KEY_INVALID', 'an own Rosenpass key cannot be used; see the log');
  }
  return Object.assign(held, { prefixes: described.prefixes });
}
