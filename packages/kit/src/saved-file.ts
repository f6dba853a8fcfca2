/** Small state in a file that only its owner may read (0600): written whole and renamed, so a crash leaves the old or the new. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Text of a file; undefined when there is none. Throws when it cannot be read. */
export function readPrivateFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
}

let drafts = 0;
const draftOf = (path: string) => `${path}.${process.pid}.${drafts++}.tmp`;

/** Writes a file only its owner may read, whole or not at all. Throws what the file system says, and leaves the old one. */
export function writePrivateFile(path: string, content: string | Uint8Array): void {
  writeWholeFile(path, content, 0o600);
}

/** The same with another mode, for files that hold no secret. */
export function writeWholeFile(path: string, content: string | Uint8Array, mode: number): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = draftOf(path);
  try {
    const file = openSync(draft, 'wx', mode);
    try {
      writeFileSync(file, content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

export type SavedFileOptions = {
  path: string;
  /** The text as it is now. */
  render: () => string;
  /** Changes are gathered for this long. */
  delayMs: number;
  /** A late write failed (a full disk, say): it is tried again after the next delay, the process goes on. */
  onError: (error: unknown) => void;
};

/** A file that follows a value in memory: at once when it matters, else a moment later and off the main path. */
export class SavedFile implements Disposable {
  readonly #options: SavedFileOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Rises with each whole write, so that a slow late one does not replace a newer one. */
  #epoch = 0;
  #dirty = false;
  #disposed = false;

  constructor(options: SavedFileOptions) {
    this.#options = options;
  }

  saveSoon(): void {
    this.#dirty = true;
    this.#timer ??= setTimeout(() => void this.#saveLate(), this.#options.delayMs);
  }

  /** Writes now. Throws what the file system says. */
  saveNow(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#epoch++;
    writePrivateFile(this.#options.path, this.#options.render());
    this.#dirty = false;
  }

  async #saveLate(): Promise<void> {
    const { path, render, onError } = this.#options;
    const draft = draftOf(path);
    const epoch = ++this.#epoch;
    this.#timer = undefined;
    this.#dirty = false;
    try {
      const file = await open(draft, 'wx', 0o600);
      try {
        await file.writeFile(render());
        await file.sync();
      } finally {
        await file.close();
      }
      // Check and rename in one step: a newer whole write in between must not be undone.
      if (epoch === this.#epoch) renameSync(draft, path);
      else await rm(draft, { force: true });
    } catch (error) {
      await rm(draft, { force: true }).catch(() => {});
      onError(error);
      if (!this.#disposed) this.saveSoon();
    }
  }

  /** Writes what is not written yet; a failure goes to `onError`. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    const pending = this.#timer !== undefined || this.#dirty;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!pending) return;
    try {
      this.saveNow();
    } catch (error) {
      this.#options.onError(error);
    }
  }
}
