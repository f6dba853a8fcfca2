import { expect, test } from 'bun:test';
import answers from '../testdata/mceliece-peers.json';
import { decapsulate, prepareSecretKey } from './decapsulate.ts';

/** Made by interop/mceliece/cross-check.ts; the last answer of a key is to a changed ciphertext. */
test.each(answers)('$peer, a key of $variant: what it encapsulated, and how it rejects', ({ secret, answers }) => {
  using key = prepareSecretKey(Uint8Array.fromBase64(secret));
  expect(answers.length).toBe(6);
  for (const { ciphertext, key: expected } of answers) {
    expect(decapsulate(key, Uint8Array.fromBase64(ciphertext)).toHex()).toBe(expected);
  }
});

test('both encodings and both kinds of key are among the answers', () => {
  expect(answers.map(({ peer, variant }) => `${peer} ${variant}`)).toEqual([
    'liboqs 460896',
    'liboqs 460896f',
    'pqclean 460896',
    'pqclean 460896f',
  ]);
});
