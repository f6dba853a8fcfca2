/**
 * ChaCha20-Poly1305 by OpenSSL's libcrypto through bun:ffi: about a million 1,424-byte packets a second. Two contexts
 * live as long as the process; each packet gives them key and nonce anew.
 */
import { dlopen, type Pointer, ptr } from 'bun:ffi';
import { type AeadProvider, checkRegion, tagBytes } from './aead-provider.ts';

/** All that is ever called of libcrypto (spec tunnel.md R6). */
export const libcryptoSymbols = {
  EVP_CIPHER_CTX_new: { args: [], returns: 'ptr' },
  EVP_CIPHER_CTX_ctrl: { args: ['ptr', 'i32', 'i32', 'ptr'], returns: 'i32' },
  EVP_chacha20_poly1305: { args: [], returns: 'ptr' },
  EVP_EncryptInit_ex: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'ptr'], returns: 'i32' },
  EVP_EncryptUpdate: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'i32'], returns: 'i32' },
  EVP_EncryptFinal_ex: { args: ['ptr', 'ptr', 'ptr'], returns: 'i32' },
  EVP_DecryptInit_ex: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'ptr'], returns: 'i32' },
  EVP_DecryptUpdate: { args: ['ptr', 'ptr', 'ptr', 'ptr', 'i32'], returns: 'i32' },
  EVP_DecryptFinal_ex: { args: ['ptr', 'ptr', 'ptr'], returns: 'i32' },
} as const;

const getTag = 0x10;
const setTag = 0x11;

function failed(): never {
  throw new Error('libcrypto refused to encrypt');
}

/** @throws Error when the library is missing or lacks the cipher. */
export function openLibcryptoAead(library = 'libcrypto.so.3'): AeadProvider {
  const evp = dlopen(library, libcryptoSymbols).symbols;
  const cipher = evp.EVP_chacha20_poly1305();
  const [sealing, opening] = [evp.EVP_CIPHER_CTX_new(), evp.EVP_CIPHER_CTX_new()];
  if (cipher === null || sealing === null || opening === null) throw new Error('libcrypto has no ChaCha20-Poly1305');
  if (evp.EVP_EncryptInit_ex(sealing, cipher, null, null, null) !== 1) failed();
  if (evp.EVP_DecryptInit_ex(opening, cipher, null, null, null) !== 1) failed();
  // Where the library writes how much it wrote; its answer is not needed, since nothing is padded.
  const written = new Int32Array(2);

  return {
    name: 'libcrypto',
    seal: (key, nonce, buffer, start, length, associated) => {
      checkRegion(key, nonce, buffer, start, length + tagBytes);
      if (evp.EVP_EncryptInit_ex(sealing, null, null, key, nonce) !== 1) failed();
      if (associated !== undefined && associated.length > 0) {
        if (evp.EVP_EncryptUpdate(sealing, null, written, associated, associated.length) !== 1) failed();
      }
      const place = ptr(buffer, start);
      const behind = (place + length) as Pointer;
      if (length > 0 && evp.EVP_EncryptUpdate(sealing, place, written, place, length) !== 1) failed();
      if (evp.EVP_EncryptFinal_ex(sealing, behind, written) !== 1) failed();
      if (evp.EVP_CIPHER_CTX_ctrl(sealing, getTag, tagBytes, behind) !== 1) failed();
    },
    open: (key, nonce, buffer, start, length, associated) => {
      checkRegion(key, nonce, buffer, start, length);
      const [place, plain] = [ptr(buffer, start), length - tagBytes];
      const tag = (place + plain) as Pointer;
      if (evp.EVP_DecryptInit_ex(opening, null, null, key, nonce) !== 1) return false;
      if (evp.EVP_CIPHER_CTX_ctrl(opening, setTag, tagBytes, tag) !== 1) return false;
      if (associated !== undefined && associated.length > 0) {
        if (evp.EVP_DecryptUpdate(opening, null, written, associated, associated.length) !== 1) return false;
      }
      if (plain > 0 && evp.EVP_DecryptUpdate(opening, place, written, place, plain) !== 1) return false;
      return evp.EVP_DecryptFinal_ex(opening, tag, written) === 1;
    },
  };
}
