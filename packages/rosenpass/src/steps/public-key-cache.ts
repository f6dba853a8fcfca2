import type { PublicKeySource } from './step-context.ts';

/** Keeps the public keys used last, up to `bytesMax` (key_cache_mb, spec tunnel.md H4); the others are read again. */
export class PublicKeyCache implements PublicKeySource {
  readonly #read: (fingerprint: string) => Uint8Array | undefined;
  readonly #bytesMax: number;
  /** Oldest use first. */
  readonly #keys = new Map<string, Uint8Array>();
  #bytes = 0;

  /** `read` gives the key from where it is stored, undefined when there is none. */
  constructor(read: (fingerprint: string) => Uint8Array | undefined, bytesMax: number) {
    this.#read = read;
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(fingerprint: string): Uint8Array | undefined {
    const key = this.#keys.get(fingerprint) ?? this.#read(fingerprint);
    if (key === undefined) return undefined;
    this.forget(fingerprint);
    this.#keys.set(fingerprint, key);
    this.#bytes += key.length;
    for (const oldest of this.#keys.keys()) {
      if (this.#bytes <= this.#bytesMax) break;
      this.forget(oldest);
    }
    return key;
  }

  /** Lets go of a key, as when its peer is removed. */
  forget(fingerprint: string): void {
    this.#bytes -= this.#keys.get(fingerprint)?.length ?? 0;
    this.#keys.delete(fingerprint);
  }
}
