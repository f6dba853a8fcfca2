/**
 * API keys in the store (table `keys`): only HMAC-SHA-256(pepper, key) is kept, so that neither the database nor a
 * backup of it lets anyone in. The pepper lives in a file of its own. All keys are in memory: checking one asks nobody.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { type VerificationMode, verificationModeField } from '@labmesh/wire/verification/verification-block';
import type { KeysTable } from '@labmesh/store/plane-tables';
import type { Store } from '@labmesh/store/store';
import { ApiError } from '@labmesh/wire/errors';
import { system } from '@labmesh/wire/fleet/principal';
import { makeApiKey, parseApiKey } from '@labmesh/wire/ids';
import { importKeysFile } from './import-keys-file.ts';
import { changePriority, type KeyRights, withPriority } from './key-rights.ts';
import { readPepper } from './pepper.ts';

export type Key = {
  id: string;
  /** What the operator calls it. */
  name: string;
  scopes: string[];
  /** Who pays; results and certificates of one tenant are never shown to another. */
  tenant: string;
  /** How its answers are verified unless a request says so itself; absent = the gateway's mode. */
  verification?: VerificationMode | undefined;
  /** Most variations that a run of it may have; absent = as many as the arena gives everybody. */
  variations?: number | undefined;
  /** Unix ms. */
  createdAt: number;
  lastUsedAt?: number | undefined;
  revokedAt?: number | undefined;
};
type KnownKey = Key & { hash: Buffer };

export const keysMax = 10_000;
export const allScopes = ['chat', 'completions', 'embeddings', 'models', 'verify', 'slugs', 'metrics'] as const;
export const defaultTenant = 'default';

/** What a key is made with; left out: all scopes, the default tenant, the gateway's mode, the rights that everybody has. */
export type KeyTraits = {
  scopes?: readonly string[] | undefined;
  tenant?: string | undefined;
  verification?: VerificationMode | undefined;
  priority?: KeyRights['priorityMost'] | undefined;
  variations?: number | undefined;
};

/** What changes of a key: undefined = stays, null = as for everybody. */
type KeyEdit = {
  verification?: VerificationMode | null | undefined;
  priority?: KeyRights['priorityMost'] | undefined;
  variations?: number | null | undefined;
};

const who = system('gateway-keys');
/** Only the time of last use waits this long; keys are written at once. */
const usedEveryMs = 60_000;
/** Where replicas share a database, a key made or ended on another one is known here after. */
const refreshMs = 1_000;

const fromRow = (row: KeysTable): KnownKey => ({
  id: row.id,
  name: row.name,
  scopes: JSON.parse(row.scopes) as string[],
  tenant: row.tenant,
  // A mode that another release wrote and this one does not know is verified as strictly as we can, never relayed unseen.
  ...(row.verification !== null && {
    verification: verificationModeField.catch('intercept').parse(row.verification),
  }),
  ...(row.variations !== null && { variations: row.variations }),
  createdAt: row.created_at,
  ...(row.last_used_at !== null && { lastUsedAt: row.last_used_at }),
  ...(row.revoked_at !== null && { revokedAt: row.revoked_at }),
  hash: Buffer.from(row.hash, 'hex'),
});

export class KeyStore implements AsyncDisposable {
  readonly #store: Store;
  readonly #pepper: Buffer;
  readonly #onError: (error: unknown) => void;
  readonly #timers: NodeJS.Timeout[] = [];
  #keys = new Map<string, KnownKey>();
  #used = new Set<string>();

  private constructor(store: Store, pepper: Buffer, onError: (error: unknown) => void) {
    this.#store = store;
    this.#pepper = pepper;
    this.#onError = onError;
  }

  /**
   * Reads all keys; `folder` holds the pepper, and perhaps the `keys.json` of an older version, whose keys move into the
   * store. Throws when the pepper or that file is damaged: going on would lock everybody out in silence.
   */
  static async open(store: Store, folder: string, onError: (error: unknown) => void): Promise<KeyStore> {
    const keys = new KeyStore(store, readPepper(folder), onError);
    await importKeysFile(store, folder);
    await keys.#load();
    const quietly = (work: () => Promise<void>) => () => void work().catch(onError);
    keys.#timers.push(
      setInterval(
        quietly(() => keys.#saveUsed()),
        usedEveryMs,
      ),
    );
    if (store.engine === 'postgres')
      keys.#timers.push(
        setInterval(
          quietly(() => keys.#load()),
          refreshMs,
        ),
      );
    return keys;
  }

  async #load(): Promise<void> {
    const rows = await this.#store.read(who, (db) => db.selectFrom('keys').selectAll().limit(keysMax).execute());
    const used = (id: string) => (this.#used.has(id) ? this.#keys.get(id)?.lastUsedAt : undefined);
    this.#keys = new Map(
      rows.map((row) => [row.id, { ...fromRow(row), ...(used(row.id) !== undefined && { lastUsedAt: used(row.id) }) }]),
    );
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Keyed, so that a copy of the rows alone does not let anyone try keys against them. */
  #hash(text: string): Buffer {
    return new Bun.CryptoHasher('sha256', this.#pepper).update(text).digest();
  }

  /** Makes a key; its text is given this once. @throws ApiError bad_request above 10,000 keys; FleetError of the store. */
  async create(name: string, traits: KeyTraits = {}): Promise<{ key: Key; text: string }> {
    const { scopes = allScopes, tenant = defaultTenant, verification = null, priority, variations = null } = traits;
    if (this.#keys.size >= keysMax) throw new ApiError('bad_request', { message: `there are ${keysMax} keys already` });
    const { id, key: text } = makeApiKey((length) => randomBytes(length));
    const row: KeysTable = {
      id,
      created_at: Date.now(),
      name,
      hash: this.#hash(text).toString('hex'),
      scopes: JSON.stringify(withPriority(scopes, priority)),
      last_used_at: null,
      tenant,
      verification,
      variations,
      revoked_at: null,
    };
    await this.#store.write(who, (tx) => tx.insertInto('keys').values(row).execute());
    const known = fromRow(row);
    this.#keys.set(id, known);
    return { key: withoutHash(known), text };
  }

  /** The key that `text` is; undefined for garbage, unknown and revoked ones alike. */
  check(text: string): Key | undefined {
    const id = parseApiKey(text)?.id;
    const known = id === undefined ? undefined : this.#keys.get(id);
    if (known === undefined || known.revokedAt !== undefined) return undefined;
    if (!timingSafeEqual(this.#hash(text), known.hash)) return undefined;
    known.lastUsedAt = Date.now();
    this.#used.add(known.id);
    return known;
  }

  /** A key that is not revoked, by its id. */
  find(id: string): Key | undefined {
    const known = this.#keys.get(id);
    return known === undefined || known.revokedAt !== undefined ? undefined : known;
  }

  /** Changes a key: here at once, on other replicas within a second. @throws ApiError key_not_found, for a revoked one too. */
  async edit(id: string, { verification, priority, variations }: KeyEdit): Promise<Key> {
    const found = this.find(id);
    if (found === undefined) throw new ApiError('key_not_found');
    const scopes = [...changePriority(found.scopes, priority)];
    const columns = {
      scopes: JSON.stringify(scopes),
      ...(verification !== undefined && { verification }),
      ...(variations !== undefined && { variations }),
    };
    await this.#store.write(who, (tx) => tx.updateTable('keys').set(columns).where('id', '=', id).execute());
    // Sought again: the keys may have been read anew, or this one revoked, while it was written.
    const known = this.#keys.get(id);
    if (known === undefined) throw new ApiError('key_not_found');
    known.scopes = scopes;
    if (verification !== undefined) known.verification = verification ?? undefined;
    if (variations !== undefined) known.variations = variations ?? undefined;
    return withoutHash(known);
  }

  /** Ends a key: here at once, on other replicas within a second. Throws key_not_found. */
  async revoke(id: string): Promise<Key> {
    const known = this.#keys.get(id);
    if (known === undefined) throw new ApiError('key_not_found');
    known.revokedAt ??= Date.now();
    const at = known.revokedAt;
    await this.#store.write(who, (tx) => tx.updateTable('keys').set({ revoked_at: at }).where('id', '=', id).execute());
    return withoutHash(known);
  }

  /** All keys, revoked ones too: usage is booked on them. */
  list(): Key[] {
    return [...this.#keys.values()].map(withoutHash);
  }

  async #saveUsed(): Promise<void> {
    const used = [...this.#used].flatMap((id) => this.#keys.get(id) ?? []);
    this.#used.clear();
    if (used.length === 0) return;
    await this.#store.write(who, async (tx) => {
      for (const { id, lastUsedAt = null } of used) {
        await tx.updateTable('keys').set({ last_used_at: lastUsedAt }).where('id', '=', id).execute();
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#saveUsed().catch(this.#onError);
  }
}

/** Keys leave this file without their hash. */
const withoutHash = ({ hash: _, ...key }: KnownKey): Key => key;
