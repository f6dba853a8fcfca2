import type { Endpoint } from '../effects.ts';
import type { Suites } from '../hash/suite.ts';
import { cookieFits } from '../message/envelope.ts';
import type { RandomSource as Random } from '../mceliece/random-source.ts';

const secretBytes = 16;
const cookieBytes = 16;
const secretLifeMs = 120_000;
const text = new TextEncoder();

/**
 * The values that a source gets in a cookie reply and proves to have got (spec tunnel.md 5.6). Nothing is kept per
 * source: a value is a hash of the address under a secret that changes every 120 s and stays good for 120 s more. Of the
 * secret only its hash is kept, which every value begins with: these run for each datagram of a flood.
 */
export class CookieSecrets {
  readonly #suites: Suites;
  readonly #random: Random;
  #current: Uint8Array | undefined;
  #previous: Uint8Array | undefined;
  #madeAt = 0;

  constructor(suites: Suites, random: Random) {
    this.#suites = suites;
    this.#random = random;
  }

  /** The 16-byte value of this source. */
  valueFor(source: Endpoint, now: number): Uint8Array {
    return this.#value(this.#turned(now), source);
  }

  /** Whether the message's cookie was made with a value that this source got at most 240 s ago. */
  fits(source: Endpoint, message: Uint8Array, now: number): boolean {
    this.#turned(now);
    // Who was not asked yet sends zeros.
    if (message.subarray(-cookieBytes).every((byte) => byte === 0)) return false;
    const secrets = [this.#current, this.#previous].filter((secret) => secret !== undefined);
    return secrets.some((secret) => cookieFits(this.#suites, this.#value(secret, source), message));
  }

  #value(secret: Uint8Array, { address, port }: Endpoint): Uint8Array {
    return this.#suites.V03.hash(secret, text.encode(`${address} ${port}`)).subarray(0, cookieBytes);
  }

  /** The present secret; made when first wanted, so that nothing ticks in peace. */
  #turned(now: number): Uint8Array {
    const age = now - this.#madeAt;
    if (this.#current !== undefined && age < secretLifeMs) return this.#current;
    this.#previous?.fill(0);
    this.#previous = age < 2 * secretLifeMs ? this.#current : undefined;
    const { hash, labels } = this.#suites.V03;
    const secret = this.#random(secretBytes);
    this.#current = hash(labels.cookieValue, secret);
    secret.fill(0);
    this.#madeAt = now;
    return this.#current;
  }
}
