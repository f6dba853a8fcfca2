/**
 * The CA as this replica knows it: read whole from the store, replaced whole when the version there moves. Whoever
 * changes the CA reloads; the other replicas look each second.
 */
import type { Reader, Store, Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import type { Sealer } from '../secrets/sealer.ts';
import type { CaOptions } from './ca-options.ts';
import { readCa, readMeta } from './keys/ca-rows.ts';
import { type CaState, caState, signerFor, type Signer } from './keys/ca-state.ts';
import { openSigners } from './keys/make-keys.ts';
import { openCa } from './open-ca.ts';
import { readCrls, type RevocationList, servedCrl, type StoredCrl } from './revocation-list.ts';
import type { World } from '../settings/world.ts';

export type CaMirrorParts = {
  store: Store;
  sealer: Sealer;
  clock: World['clock'];
  log: World['log'];
  options: CaOptions;
};

const who = system('ca');

export class CaMirror {
  readonly #parts: CaMirrorParts;
  readonly #listeners = new Set<() => void>();
  /** Open intermediates by row id; opening one costs a decryption and a key import. */
  #signers: ReadonlyMap<string, Signer> = new Map();
  #crls: ReadonlyMap<string, StoredCrl> = new Map();
  #state: CaState;
  #reading: Promise<void> | undefined;

  private constructor(parts: CaMirrorParts, state: CaState) {
    this.#parts = parts;
    this.#state = state;
  }

  /** Reads the CA, or makes it on the first start. @throws AuthorityRefused, FleetError. */
  static async open(parts: CaMirrorParts): Promise<CaMirror> {
    const { store, sealer, clock, log, options } = parts;
    const rows = await openCa(store, { sealer, options, now: clock.wall() }, log);
    const mirror = new CaMirror(parts, caState(rows, new Map()));
    await mirror.reload();
    return mirror;
  }

  get state(): CaState {
    return this.#state;
  }

  /** The state as a transaction sees it: by far most often the one in memory. */
  async stateIn(tx: Writer): Promise<CaState> {
    const meta = await readMeta(tx);
    return meta?.version === this.#state.meta.version ? this.#state : await this.#build(tx);
  }

  /** @throws FleetError STORE_UNAVAILABLE before the first list was signed. */
  crl(): RevocationList {
    const served = servedCrl(this.#crls, signerFor(this.#state, 'agent').id);
    if (served === undefined) throw new FleetError('STORE_UNAVAILABLE', { log: 'no revocation list yet' });
    return served;
  }

  onChange(fn: () => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  /** Looks whether another replica changed something. Never rejects. */
  async poll(): Promise<void> {
    try {
      const meta = await this.#parts.store.read(who, readMeta);
      if (meta?.version !== this.#state.meta.version) await this.reload();
    } catch (error) {
      this.#parts.log.warn('the CA could not be read', { error });
    }
  }

  /** @throws FleetError STORE_UNAVAILABLE, INTERNAL when a key does not open. */
  async reload(): Promise<void> {
    // A read under way may have begun before the caller's write.
    await this.#reading?.catch(() => {});
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  /** Lets go of the open keys. */
  close(): void {
    this.#listeners.clear();
    this.#signers = new Map();
  }

  async #read(): Promise<void> {
    const { store, log } = this.#parts;
    const [state, crls] = await store.read(who, async (db) => [await this.#build(db), await readCrls(db)] as const);
    const isChanged = state.meta.version !== this.#state.meta.version;
    this.#state = state;
    this.#signers = state.signers;
    this.#crls = crls;
    if (!isChanged) return;
    for (const fn of this.#listeners) {
      try {
        fn();
      } catch (error) {
        log.error('a listener of the CA failed', { error });
      }
    }
  }

  async #build(db: Reader): Promise<CaState> {
    const rows = await readCa(db);
    if (rows === undefined) throw new FleetError('INTERNAL', { log: 'the CA is gone from the store' });
    return caState(rows, await openSigners(this.#parts.sealer, rows.keys, this.#signers));
  }
}
