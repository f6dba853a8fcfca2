/** A key or ciphertext whose length no layout has, or that is none at all. Names lengths, never content. */
export class RosenpassKeyInvalid extends Error {
  override readonly name = 'RosenpassKeyInvalid';
  readonly code = 'ROSENPASS_KEY_INVALID';

  /** @param what for example `public key`. @param found bytes, or in words what there is. @param expected bytes. */
  constructor(what: string, found: number | string, ...expected: readonly number[]) {
    const there = typeof found === 'string' ? found : `${found} bytes`;
    super(`${what}: found ${there}, expected ${expected.join(' or ')}${typeof found === 'string' ? ' bytes' : ''}`);
  }
}
