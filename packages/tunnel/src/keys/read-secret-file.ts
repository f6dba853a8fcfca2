import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { TunnelKeyError } from './tunnel-key-error.ts';

/** Longer than any key; a wrong path must not fill the memory. */
const fileBytesMax = 1024 * 1024;

/**
 * Bytes of a key file; undefined when there is none. A file that its group or others may read does not load (K1).
 * @throws TunnelKeyError KEY_FILE_MODE; KEY_FILE_INVALID for a file that is no key by its size
 */
export function readSecretFile(path: string, mode: 'secret' | 'any mode' = 'secret'): Uint8Array | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const stat = fstatSync(file);
    if (mode === 'secret' && (stat.mode & 0o077) !== 0) {
      const found = (stat.mode & 0o777).toString(8).padStart(4, '0');
      throw new TunnelKeyError('KEY_FILE_MODE', `${path}: expected mode 0600, found ${found}; run chmod 600 ${path}`);
    }
    if (!stat.isFile() || stat.size > fileBytesMax) {
      throw new TunnelKeyError('KEY_FILE_INVALID', `${path}: expected a key file, found ${stat.size} bytes`);
    }
    const read = readFileSync(file);
    // In an array of its own, so that it can move to another thread; nothing of it stays here.
    const bytes = new Uint8Array(read);
    read.fill(0);
    return bytes;
  } finally {
    closeSync(file);
  }
}
