/**
 * The encryption service (spec 2.13): opens the keys that the store is sealed with, seals and opens values from memory,
 * and takes a rotation forward step by step. labd calls `advance` on a timer; between two calls nothing happens.
 */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { type Principal, system } from '@labmesh/wire/fleet/principal';
import { join } from 'node:path';
import { registerFirstKey } from './first-key.ts';
import { kekOf, newKek, newSalt, passphraseKey } from '@labmesh/pki/seal/kek';
import { addToKeyFile, sweepKeyDrafts } from '@labmesh/pki/seal/key-file';
import { KeyRing } from './key-ring.ts';
import { insertKey, type KeyRow, readKeyRows, type SecretKeyState } from './key-rows.ts';
import { Rotation } from './rotation.ts';
import { type Kek, openWith, sealWith } from '@labmesh/pki/seal/seal-value';
import type { Sealer } from './sealer.ts';
import { SecretsRefused } from '@labmesh/pki/seal/secrets-refused';
import type { World } from '../settings/world.ts';

export type SecretsOptions = {
  store: World['store'];
  dataDir: string;
  /** Default `<dataDir>/kek.key`. */
  keyFile?: string | undefined;
  /** CA_ENCRYPTION_KEY: then no key file is made. */
  passphrase?: string | undefined;
  /** A rotation goes to this one; both are needed until the old key is retired. */
  nextPassphrase?: string | undefined;
  /** This replica's row in `replicas`, to tell which keys it holds. */
  replicaId?: string | undefined;
  clock: World['clock'];
  log: World['log'];
};

/** Times are Unix ms. */
export type SecretKey = { id: string; state: SecretKeyState; createdAt: number; updatedAt: number; isLoaded: boolean };

export interface Secrets extends Sealer, AsyncDisposable {
  readonly activeKeyId: string;
  /** KEKs, oldest first. */
  list(): Promise<SecretKey[]>;
  /**
   * Starts a rotation (SE-3): a new key, staged. With a key file its new line has to reach the other replicas' files;
   * with a passphrase each derives it by itself.
   * @throws FleetError CONFLICT while one is staged.
   */
  rotate(principal?: Principal): Promise<SecretKey>;
  /** One step of what is due; idempotent, for a timer. Resolves true when there is more to do at once. */
  advance(): Promise<boolean>;
}

const opening = system('open-secrets');

class KeptSecrets implements Secrets {
  readonly #options: SecretsOptions;
  readonly #ring: KeyRing;
  readonly #rotation: Rotation;
  readonly #keyFile: string;
  #active: Kek | undefined;
  #stepping: Promise<unknown> = Promise.resolve();

  constructor(options: SecretsOptions) {
    const { store, clock, log, replicaId, passphrase, nextPassphrase } = options;
    this.#options = options;
    this.#keyFile = options.keyFile ?? join(options.dataDir, 'kek.key');
    this.#ring = new KeyRing({ keyFile: this.#keyFile, passphrase, nextPassphrase });
    this.#rotation = new Rotation({ store, ring: this.#ring, replicaId, clock, log });
  }

  get activeKeyId(): string {
    return this.#sealing().id;
  }

  #sealing(): Kek {
    if (this.#active === undefined) throw new FleetError('INTERNAL', { log: 'no key is active' });
    return this.#active;
  }

  #rows(): Promise<KeyRow[]> {
    return this.#options.store.read(opening, readKeyRows);
  }

  /** @throws SecretsRefused naming the key that is missing or wrong. Nothing was changed then. */
  async start(): Promise<void> {
    const { store, clock, log, passphrase } = this.#options;
    const swept = await sweepKeyDrafts(this.#keyFile);
    if (swept > 0) log.info('removed drafts of the key file that a killed process had left', { swept });
    let rows = await this.#rows();
    await this.#ring.load(rows);
    if (rows.length === 0) {
      await registerFirstKey({ store, ring: this.#ring, keyFile: this.#keyFile, passphrase, clock, log });
      rows = await this.#rows();
      await this.#ring.load(rows);
    }
    await this.#check(rows);
    this.#take(rows);
    await this.#rotation.report();
  }

  async #check(rows: readonly KeyRow[]): Promise<void> {
    for (const row of rows) {
      if (this.#ring.has(row)) continue;
      const isNeeded = row.state === 'active' || (row.state === 'retiring' && (await this.#rotation.isInUse(row.id)));
      if (!isNeeded) continue;
      const source = row.salt === null ? `it is not in ${this.#keyFile}` : 'CA_ENCRYPTION_KEY gives another';
      throw new SecretsRefused(`the store is sealed with key ${row.id}, and ${source}`, row.id);
    }
  }

  /** The active key seals from now on, if it is loaded; else the one before goes on. */
  #take(rows: readonly KeyRow[]): void {
    const active = rows.find(({ state }) => state === 'active');
    if (active !== undefined && this.#ring.has(active)) this.#active = this.#ring.get(active.id) ?? this.#active;
  }

  seal(table: string, rowId: string, field: string, plain: Uint8Array): string {
    return sealWith(this.#sealing(), { table, rowId, field }, plain);
  }

  open(table: string, rowId: string, field: string, text: string): Uint8Array {
    return openWith(this.#ring.find, { table, rowId, field }, text);
  }

  async list(): Promise<SecretKey[]> {
    const rows = await this.#rows();
    return rows.map((row) => this.#told(row));
  }

  #told(row: KeyRow): SecretKey {
    const { id, state, createdAt, updatedAt } = row;
    return { id, state, createdAt, updatedAt, isLoaded: this.#ring.has(row) };
  }

  async rotate(principal: Principal = system('rotate-secrets')): Promise<SecretKey> {
    const { store, clock, log, passphrase, nextPassphrase } = this.#options;
    if ((await this.#rows()).some(({ state }) => state === 'staged')) throw isStaged();
    const next = nextPassphrase ?? passphrase;
    const salt = next === undefined ? undefined : newSalt();
    const kek = next === undefined || salt === undefined ? newKek() : kekOf(await passphraseKey(next, salt));
    // In the file before it is in the store: a key that is known and cannot be had would be worse than a spare line.
    if (salt === undefined) await addToKeyFile(this.#keyFile, kek);
    const row = await store.write(principal, async (tx) => {
      const rows = await readKeyRows(tx);
      if (rows.some(({ state }) => state === 'staged')) throw isStaged();
      await insertKey(tx, { kek, salt, state: 'staged', at: clock.wall() });
      return (await readKeyRows(tx)).find(({ id }) => id === kek.id);
    });
    this.#ring.add(kek);
    if (row === undefined) throw new FleetError('INTERNAL', { log: 'the staged key is gone' });
    log.info('a new key is staged; it must reach every replica', { keyId: kek.id });
    return this.#told(row);
  }

  /** One at a time: a timer and an operator's call may come together, and a pass keeps its place between steps. */
  advance(): Promise<boolean> {
    const step = this.#stepping.then(() => this.#step());
    this.#stepping = step.catch(() => false);
    return step;
  }

  async #step(): Promise<boolean> {
    const rows = await this.#rows();
    const isMissing = rows.some((row) => row.state !== 'retired' && !this.#ring.has(row));
    if (isMissing) await this.#ring.load(rows);
    await this.#rotation.report();
    const now = await this.#rotation.activate(rows);
    this.#take(now);
    const hasMore = await this.#rotation.rewrap(now);
    if (!hasMore) await this.#rotation.retire(now);
    return hasMore;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stepping;
    this.#active = undefined;
  }
}

const isStaged = () =>
  new FleetError('CONFLICT', {
    message: 'a new key is staged already',
    hint: 'it becomes active once every live replica holds it',
  });

/**
 * Opens the keys, making the first one on an empty store: a key file (0600, with a warning to back it up), or the
 * passphrase's key.
 * @throws SecretsRefused (exitCode 78) for a wrong, missing or readable-by-others key; FleetError STORE_UNAVAILABLE.
 */
export async function openSecrets(options: SecretsOptions): Promise<Secrets> {
  const secrets = new KeptSecrets(options);
  await secrets.start();
  return secrets;
}
