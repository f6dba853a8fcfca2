/** A key or ciphertext whose length no layout has. Names lengths, never content. */
export class RosenpassKeyInvalid extends Error {
  override readonly name = 'RosenpassKeyInvalid';
  readonly code = 'ROSENPASS_KEY_INVALID';

  /** @param what for example `public key`; lengths are bytes. */
  constructor(what: string, found: number, ...expected: readonly number[]) {
    super(`${what}: found ${found} bytes, expected ${expected.join(' or ')}`);
  }
}
