/** The chaining key of one handshake (spec tunnel.md 5.5). Every value it leaves behind is zeroed. */
import type { LabelName, Suite } from '../hash/suite.ts';

const noNonce = new Uint8Array(12);
const nothing = new Uint8Array(0);

export class ChainingKey implements Disposable {
  readonly #suite: Suite;
  #ck: Uint8Array;

  /** Copies `ck` (32 bytes). */
  constructor(suite: Suite, ck: Uint8Array) {
    this.#suite = suite;
    this.#ck = ck.slice();
  }

  /** For each d: ck = H(H(ck, mix), d). */
  mix(...data: readonly Uint8Array[]): this {
    const { hash, labels } = this.#suite;
    for (const d of data) {
      const key = hash(this.#ck, labels.mix);
      this.#ck.fill(0);
      this.#ck = hash(key, d);
      key.fill(0);
    }
    return this;
  }

  /** Seals under the present key and mixes the result in. 16 bytes longer than `plain`. */
  encrypt(plain: Uint8Array = nothing): Uint8Array {
    const key = this.derive('handshakeKey');
    const sealed = this.#suite.ciphers.seal(key, noNonce, plain);
    key.fill(0);
    this.mix(sealed);
    return sealed;
  }

  /** The reverse; undefined, and nothing mixed in, when the other side's key differs. */
  decrypt(sealed: Uint8Array): Uint8Array | undefined {
    const key = this.derive('handshakeKey');
    const plain = this.#suite.ciphers.open(key, noNonce, sealed);
    key.fill(0);
    if (plain !== undefined) this.mix(sealed);
    return plain;
  }

  /** H(ck, label). */
  derive(label: LabelName): Uint8Array {
    return this.#suite.hash(this.#ck, this.#suite.labels[label]);
  }

  /** A copy of the present value. */
  value(): Uint8Array {
    return this.#ck.slice();
  }

  [Symbol.dispose](): void {
    this.#ck.fill(0);
  }
}
