/**
 * API keys in a file of the data folder: only HMAC-SHA-256(pepper, key) is kept, so that neither the file nor a backup
 * of it lets anyone in. The pepper lives in a file of its own.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { ApiError } from '@labmesh/wire/errors';
import { makeApiKey, parseApiKey } from '@labmesh/wire/ids';
import { z } from 'zod';
import { parseJson } from '@labmesh/kit/parse-json';
import { readPrivateFile, SavedFile, writePrivateFile } from '@labmesh/kit/saved-file';

export type Key = {
  id: string;
  /** What the operator calls it. */
  name: string;
  scopes: string[];
  /** Unix ms. */
  createdAt: number;
  lastUsedAt?: number | undefined;
  revokedAt?: number | undefined;
};

export const keysMax = 10_000;
export const allScopes = ['chat', 'completions', 'embeddings', 'models', 'slugs', 'metrics'] as const;

/** The file's own schema: what a hand or an older version wrote there is checked before it is trusted. */
const storedKey = z.object({
  id: z.string(),
  name: z.string(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  scopes: z.array(z.string()),
  createdAt: z.number(),
  lastUsedAt: z.number().optional(),
  revokedAt: z.number().optional(),
});
const storedKeys = z.object({ version: z.literal(1), keys: z.array(storedKey) });
type StoredKey = z.infer<typeof storedKey>;

/** Only the time of last use waits this long; keys are written at once. */
const saveDelayMs = 60_000;

export class KeyStore {
  #path: string;
  #pepper: Buffer;
  #keys = new Map<string, StoredKey>();
  #decoded = new WeakMap<StoredKey, Buffer>();
  #file: SavedFile;

  /** Opens the store in `folder`. Throws when its file is damaged: going on would lock everybody out in silence. */
  constructor(folder: string, onError: (error: unknown) => void) {
    this.#path = join(folder, 'keys.json');
    this.#file = new SavedFile({
      path: this.#path,
      render: () => `${JSON.stringify({ version: 1, keys: [...this.#keys.values()] }, null, 1)}\n`,
      delayMs: saveDelayMs,
      onError,
    });
    this.#pepper = readPepper(join(folder, 'pepper'));
    const text = readPrivateFile(this.#path);
    if (text === undefined) return;
    const read = storedKeys.safeParse(parseJson(text));
    if (!read.success) throw new Error(`${this.#path} is damaged; restore it, or remove it to begin with no keys`);
    for (const key of read.data.keys) this.#keys.set(key.id, key);
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Keyed, so that a copy of the file alone does not let anyone try keys against it. */
  #hash(text: string): Buffer {
    return new Bun.CryptoHasher('sha256', this.#pepper).update(text).digest();
  }

  /** Makes a key; its text is given this once. */
  create(name: string, scopes: readonly string[] = allScopes): { key: Key; text: string } {
    if (this.#keys.size >= keysMax) throw new ApiError('bad_request', { message: `there are ${keysMax} keys already` });
    const { id, key: text } = makeApiKey((length) => randomBytes(length));
    const stored: StoredKey = {
      id,
      name,
      scopes: [...scopes],
      createdAt: Date.now(),
      hash: this.#hash(text).toString('hex'),
    };
    this.#keys.set(id, stored);
    this.#file.saveNow();
    return { key: withoutHash(stored), text };
  }

  /** The key that `text` is; undefined for garbage, unknown and revoked ones alike. */
  check(text: string): Key | undefined {
    const id = parseApiKey(text)?.id;
    const stored = id === undefined ? undefined : this.#keys.get(id);
    if (stored === undefined || stored.revokedAt !== undefined) return undefined;
    if (!timingSafeEqual(this.#hash(text), this.#hashBytes(stored))) return undefined;
    stored.lastUsedAt = Date.now();
    this.#file.saveSoon();
    return stored;
  }

  /** Hashes as bytes, decoded once. */
  #hashBytes(stored: StoredKey): Buffer {
    let bytes = this.#decoded.get(stored);
    if (bytes === undefined) this.#decoded.set(stored, (bytes = Buffer.from(stored.hash, 'hex')));
    return bytes;
  }

  /** Ends a key at once. Throws key_not_found. */
  revoke(id: string): Key {
    const stored = this.#keys.get(id);
    if (stored === undefined) throw new ApiError('key_not_found');
    stored.revokedAt ??= Date.now();
    this.#file.saveNow();
    return withoutHash(stored);
  }

  /** All keys, revoked ones too: usage is booked on them. */
  list(): Key[] {
    return [...this.#keys.values()].map(withoutHash);
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** Keys leave this file without their hash. */
const withoutHash = ({ hash: _, ...key }: StoredKey): Key => key;

/** Made at the first start. A damaged one stops the start: going on would refuse every key in silence. */
function readPepper(path: string): Buffer {
  const text = readPrivateFile(path);
  if (text !== undefined) {
    const pepper = Buffer.from(text.trim(), 'base64url');
    if (pepper.length !== 32) throw new Error(`${path} is damaged: without it no key can be checked; restore it`);
    return pepper;
  }
  const pepper = randomBytes(32);
  writePrivateFile(path, `${pepper.toString('base64url')}\n`);
  return pepper;
}
