/**
 * Empty files for the next parts. A file system takes its time to find room for a new file, and a command that is about
 * to begin waits for it; so while sessions come one after another, some files are made ahead, and renamed when a part
 * takes one. They are gone again when no session came for a while; what a killed labd left goes with the next start.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

const sparesMax = 16;
/** Out of the way of the session that took the last one. */
const refillMs = 5;
const idleMs = 10_000;

type Spare = { path: string; file: FileHandle };

export class SpareFiles implements AsyncDisposable {
  readonly #folder: string;
  readonly #spares: Spare[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isFillDue = false;
  #working: Promise<void>;
  #isClosed = false;

  /** `folder`: where the parts' own folders are. */
  constructor(folder: string) {
    this.#folder = join(folder, '.spares');
    this.#working = rm(this.#folder, { recursive: true, force: true }).catch(() => {});
  }

  /**
   * An empty file at `path`, open for writing; undefined when there is none, or none that can be brought there. More are
   * made soon after.
   */
  async take(path: string): Promise<FileHandle | undefined> {
    if (this.#isClosed) return undefined;
    if (!this.#isFillDue) this.#later(refillMs, () => this.#fill());
    this.#isFillDue = true;
    const spare = this.#spares.shift();
    if (spare === undefined) return undefined;
    try {
      await rename(spare.path, path);
      return spare.file;
    } catch {
      // Removed by somebody, or there is no such place: whoever makes the file says why.
      await this.#discard([spare]);
      return undefined;
    }
  }

  #later(ms: number, work: () => Promise<void>): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#working = this.#working.then(work);
    }, ms).unref();
  }

  async #fill(): Promise<void> {
    this.#isFillDue = false;
    try {
      if (this.#spares.length < sparesMax) await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      while (this.#spares.length < sparesMax && !this.#isClosed) {
        const path = join(this.#folder, randomUUID());
        this.#spares.push({ path, file: await open(path, 'wx', 0o600) });
      }
    } catch {
      // The next session makes its own file, and says what is wrong.
    }
    if (!this.#isClosed && !this.#isFillDue) this.#later(idleMs, () => this.#discard(this.#spares.splice(0)));
  }

  async #discard(spares: readonly Spare[]): Promise<void> {
    for (const { path, file } of spares) {
      await file.close().catch(() => {});
      await rm(path, { force: true }).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#working;
    await this.#discard(this.#spares.splice(0));
  }
}
