import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { readPrivateFile, writePrivateFile } from '@labmesh/kit/saved-file';

/**
 * The secret under which keys are hashed, 32 bytes of the folder's file `pepper`; made at the first start.
 * @throws Error when it is damaged: going on would refuse every key in silence
 */
export function readPepper(folder: string): Buffer {
  const path = join(folder, 'pepper');
  const text = readPrivateFile(path);
  if (text !== undefined) {
    const pepper = Buffer.from(text.trim(), 'base64url');
    if (pepper.length !== 32) throw new Error(`${path} is damaged: without it no key can be checked; restore it`);
    return pepper;
  }
  const pepper = randomBytes(32);
  writePrivateFile(path, `${pepper.toString('base64url')}\n`);
  return pepper;
}
