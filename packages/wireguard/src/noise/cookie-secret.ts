import { mac } from './key-derivation.ts';

/** A cookie is good for as long as the secret it comes from. */
export const cookieLifeMs = 120_000;

/** Makes cookies from a secret that changes every two minutes; keeps nothing per source. */
export class CookieSecret {
  readonly #random: (length: number) => Uint8Array;
  #secret: Uint8Array | undefined;
  #bornMs = 0;

  constructor(random: (length: number) => Uint8Array) {
    this.#random = random;
  }

  /** The cookie of a source (IP and port as bytes) at this moment, 16 bytes. */
  cookieFor(source: Uint8Array, nowMs: number): Uint8Array {
    if (this.#secret === undefined || nowMs - this.#bornMs >= cookieLifeMs) {
      this.#secret?.fill(0);
      this.#secret = this.#random(32);
      this.#bornMs = nowMs;
    }
    return mac(this.#secret, source);
  }
}
