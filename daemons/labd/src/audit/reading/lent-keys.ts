/** The audit keys away from the store: what is needed to verify, lent by the thread that opened them. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { holdsEs256, type SharedKeys, type VerifyKeys } from '../audit-keys.ts';

export class LentKeys implements VerifyKeys {
  readonly #askAgain: () => void;
  #chainKeys = new Map<string, Uint8Array>();
  #signers = new Map<string, KeyObject>();
  #asked: PromiseWithResolvers<void> | undefined;

  /** `askAgain` makes the lender read the keys anew; its answer comes by `reloaded` or `notReloaded`. */
  constructor(askAgain: () => void) {
    this.#askAgain = askAgain;
  }

  take({ chainKeys, signers }: SharedKeys): void {
    this.#chainKeys = new Map(chainKeys);
    this.#signers = new Map(signers.map(([id, der]) => [id, publicKeyOf(der)]));
  }

  chainKey(id: string): Uint8Array | undefined {
    return this.#chainKeys.get(id);
  }

  chainKeyIds(): string[] {
    return [...this.#chainKeys.keys()];
  }

  verify(signerId: string, text: string, signature: string): boolean {
    const publicKey = this.#signers.get(signerId);
    return publicKey !== undefined && holdsEs256(publicKey, text, signature);
  }

  /** Those who ask while an answer is under way share it. */
  reload(): Promise<void> {
    if (this.#asked === undefined) {
      this.#asked = Promise.withResolvers();
      this.#askAgain();
    }
    return this.#asked.promise;
  }

  reloaded(keys: SharedKeys): void {
    this.take(keys);
    this.#asked?.resolve();
    this.#asked = undefined;
  }

  notReloaded(error: Error): void {
    this.#asked?.reject(error);
    this.#asked = undefined;
  }
}

const publicKeyOf = (der: Uint8Array) => createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
