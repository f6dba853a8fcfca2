import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { OptionsError } from '@labmesh/kit/options';
import { slugKeyBytes } from '@labmesh/wire/slug';

const codeOf = (error: unknown) => (error as { code?: string }).code ?? 'unreadable';
const hint = 'let this user own the folder, or write slug_scheme = "classic"';

/** The key's bytes; undefined when there is no file yet. */
function readKey(path: string): Uint8Array<ArrayBuffer> | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
    // A restore from a backup may have opened it to others.
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new OptionsError({ source: path, exitCode: 3, hint }, `the slug key cannot be read (${codeOf(error)})`);
  }
  if (bytes.length === slugKeyBytes) return new Uint8Array(bytes);
  const restore = 'restore it from a backup; removing it gives every model of this node a new slug';
  throw new OptionsError(
    { source: path, exitCode: 3, hint: restore },
    `holds ${bytes.length} bytes instead of ${slugKeyBytes}`,
  );
}

/** Writes a key and gives it its name in one step, unless another process was first. */
function makeKey(path: string): void {
  const draft = `${path}.${process.pid}.tmp`;
  const file = openSync(draft, 'w', 0o600);
  try {
    writeSync(file, randomBytes(slugKeyBytes));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  try {
    linkSync(draft, path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    unlinkSync(draft);
  }
}

/**
 * The secret that sealed slugs are made with: 32 bytes in `<stateDir>/slug.key`, 0600, made at the first start.
 * @throws OptionsError (exit 3) when it cannot be read or kept.
 */
export function loadSlugKey(stateDir: string): Uint8Array<ArrayBuffer> {
  const path = join(stateDir, 'slug.key');
  const found = readKey(path);
  if (found !== undefined) return found;
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    makeKey(path);
  } catch (error) {
    throw new OptionsError({ source: path, exitCode: 3, hint }, `the slug key cannot be kept (${codeOf(error)})`);
  }
  const made = readKey(path);
  if (made === undefined) throw new OptionsError({ source: path, exitCode: 3, hint }, 'the slug key is gone again');
  return made;
}
