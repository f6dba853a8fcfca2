/** Sealing as an issuer's folder asks for it, under a key of this process; `text` marks the file, for tests to tell it. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { equalBytes, utf8 } from '../bytes/bytes.ts';
import type { KeySealer } from '../keys/key-folder.ts';

const [nonceBytes, tagBytes] = [12, 16];
const headOf = (name: string) => utf8(`sealed:${name}:`);

/** @param name of the key: what another name sealed does not open, save of `older`, which is due to be sealed anew */
export function testSealer(name = 'a', older: readonly string[] = []): KeySealer {
  const keyOf = (one: string) => Buffer.alloc(32, one);
  const openAs = (one: string, bytes: Uint8Array): Uint8Array | undefined => {
    const head = headOf(one);
    if (!equalBytes(bytes.subarray(0, head.length), head)) return undefined;
    const [from, end] = [head.length + nonceBytes, bytes.length - tagBytes];
    const decipher = createDecipheriv('aes-256-gcm', keyOf(one), bytes.subarray(head.length, from));
    decipher.setAuthTag(bytes.subarray(end));
    return new Uint8Array(Buffer.concat([decipher.update(bytes.subarray(from, end)), decipher.final()]));
  };
  return {
    seal: async (plain) => {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', keyOf(name), nonce);
      const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
      return new Uint8Array(Buffer.concat([headOf(name), nonce, sealed, cipher.getAuthTag()]));
    },
    open: async (bytes) => {
      for (const one of [name, ...older]) {
        const plain = openAs(one, bytes);
        if (plain !== undefined) return { plain, form: one === name ? 'current' : 'older' };
      }
      if (Buffer.from(bytes.subarray(0, 7)).toString() === 'sealed:') throw new Error('another key');
      return { plain: bytes, form: 'clear' };
    },
  };
}
