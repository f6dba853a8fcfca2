/** The KEKs that this process holds, from the key file and the passphrase. */
import { kekOf, passphraseKey, hasCheckValue } from '@labmesh/pki/seal/kek';
import { readKeyFile } from '@labmesh/pki/seal/key-file';
import type { KeyRow } from './key-rows.ts';
import type { Kek } from '@labmesh/pki/seal/seal-value';

export type KeySources = {
  keyFile: string;
  /** CA_ENCRYPTION_KEY. */
  passphrase?: string | undefined;
  /** The one that a rotation goes to, while both are known. */
  nextPassphrase?: string | undefined;
};

export class KeyRing {
  readonly #sources: KeySources;
  readonly #keys = new Map<string, Kek>();
  /** Keys of the file, oldest first. */
  #inFile: readonly Kek[] = [];
  /** Salts whose passphrase was tried, so that half a second of scrypt is spent once. */
  readonly #tried = new Set<string>();

  constructor(sources: KeySources) {
    this.#sources = sources;
  }

  readonly find = (id: string): Uint8Array | undefined => this.#keys.get(id)?.key;

  get(id: string): Kek | undefined {
    return this.#keys.get(id);
  }
  has(row: KeyRow): boolean {
    const key = this.find(row.id);
    return key !== undefined && hasCheckValue(key, row.checkValue);
  }
  get ids(): string[] {
    return [...this.#keys.keys()].toSorted();
  }
  get newestInFile(): Kek | undefined {
    return this.#inFile.at(-1);
  }
  add(kek: Kek): void {
    this.#keys.set(kek.id, kek);
  }

  /** Reads the file and derives what the rows ask for. @throws SecretsRefused for a bad file. */
  async load(rows: readonly KeyRow[]): Promise<void> {
    this.#inFile = (await readKeyFile(this.#sources.keyFile)) ?? [];
    for (const kek of this.#inFile) this.add(kek);
    for (const { id, salt } of rows) {
      if (salt === null || this.#keys.has(id)) continue;
      for (const passphrase of [this.#sources.passphrase, this.#sources.nextPassphrase]) {
        if (passphrase !== undefined && !this.#keys.has(id)) await this.#derive(passphrase, salt, id);
      }
    }
  }

  /** A passphrase gives some key for any salt: only the one with the row's id is kept. */
  async #derive(passphrase: string, salt: string, id: string): Promise<void> {
    const attempt = `${salt}:${passphrase}`;
    if (this.#tried.has(attempt)) return;
    this.#tried.add(attempt);
    const kek = kekOf(await passphraseKey(passphrase, Buffer.from(salt, 'hex')));
    if (kek.id === id) this.add(kek);
  }
}
