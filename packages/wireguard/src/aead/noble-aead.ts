/** ChaCha20-Poly1305 in plain JavaScript: runs wherever the rest runs, for a few links. */
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { type AeadProvider, checkRegion, tagBytes } from './aead-provider.ts';

export function openNobleAead(): AeadProvider {
  return {
    name: 'js',
    seal: (key, nonce, buffer, start, length, associated) => {
      checkRegion(key, nonce, buffer, start, length + tagBytes);
      const plain = buffer.slice(start, start + length);
      buffer.set(chacha20poly1305(key, nonce, associated).encrypt(plain), start);
    },
    open: (key, nonce, buffer, start, length, associated) => {
      checkRegion(key, nonce, buffer, start, length);
      try {
        const sealed = buffer.slice(start, start + length);
        buffer.set(chacha20poly1305(key, nonce, associated).decrypt(sealed), start);
        return true;
      } catch {
        return false; // it throws for a forgery
      }
    },
  };
}
