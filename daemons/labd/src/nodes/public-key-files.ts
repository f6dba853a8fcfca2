/**
 * Rosenpass public keys of nodes, a file each: `<sha256>.pk`, 524,160 raw bytes (tunnel K7). They are read per handshake and
 * would make the database ten times as large. Nothing in them is secret.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';

const namePattern = /^([0-9a-f]{64})\.pk$/;
const hexOf = (fingerprint: string): string => fingerprint.replace(/^sha256:/, '');

const isMissing = (error: unknown) => (error as { code?: string }).code === 'ENOENT';

export class PublicKeyFiles {
  readonly #folder: string;

  /** `folder` is made when the first key comes. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  #path(fingerprint: string): string {
    return join(this.#folder, `${hexOf(fingerprint)}.pk`);
  }

  /**
   * Whether the key of this fingerprint is here, as it was written; a sweep leaves it a while from now on, for the row to
   * come.
   */
  async keep(fingerprint: string): Promise<boolean> {
    const path = this.#path(fingerprint);
    try {
      // What a disk has spoilt is asked for again.
      if (fingerprintOf(await readFile(path)) !== `sha256:${hexOf(fingerprint)}`) return false;
      const now = new Date();
      await utimes(path, now, now);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** The raw key; undefined when it is not here. */
  async read(fingerprint: string): Promise<Uint8Array | undefined> {
    try {
      return new Uint8Array(await readFile(this.#path(fingerprint)));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Keeps a key; gives its fingerprint. A crash leaves it whole or not at all. */
  async write(key: Uint8Array): Promise<string> {
    const fingerprint = fingerprintOf(key);
    if (await this.keep(fingerprint)) return fingerprint;
    await mkdir(this.#folder, { recursive: true, mode: 0o755 });
    const path = this.#path(fingerprint);
    const draft = `${path}.${crypto.randomUUID()}.tmp`;
    try {
      const file = await open(draft, 'wx', 0o644);
      try {
        await file.writeFile(key);
        // Whatever the umask: other programs of the hub may read it.
        await file.chmod(0o644);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, path);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
    return fingerprint;
  }

  /** Removes keys that nobody uses, and drafts, once they are older than `ageMs`. Gives how many went. */
  async sweep(used: ReadonlySet<string>, ageMs: number): Promise<number> {
    const names = await readdir(this.#folder).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw error;
    });
    let gone = 0;
    // The files' times are the system's, whatever clock labd was given.
    const before = Date.now() - ageMs;
    for (const name of names) {
      const hex = namePattern.exec(name)?.[1];
      if ((hex !== undefined && used.has(`sha256:${hex}`)) || (hex === undefined && !name.endsWith('.tmp'))) continue;
      const path = join(this.#folder, name);
      if ((await stat(path)).mtimeMs > before) continue;
      await rm(path, { force: true });
      gone++;
    }
    return gone;
  }
}

/** `sha256:` and 64 hex digits (K2). */
export const fingerprintOf = (key: Uint8Array): string => `sha256:${createHash('sha256').update(key).digest('hex')}`;
