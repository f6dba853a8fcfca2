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

/** An empty file, open for writing. Whoever took it brings it to its place, or drops it. */
export class SpareFile {
  readonly file: FileHandle;
  readonly #path: string;

  constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.file = file;
  }

  /** Throws what the file system says; ENOENT when somebody removed it. */
  moveTo(path: string): Promise<void> {
    return rename(this.#path, path);
  }

  async drop(): Promise<void> {
    await this.file.close().catch(() => {});
    await rm(this.#path, { force: true }).catch(() => {});
  }
}

export class SpareFiles implements AsyncDisposable {
  readonly #folder: string;
  readonly #spares: SpareFile[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isFillDue = false;
  #working: Promise<void>;
  #isClosed = false;

  /** `folder`: where the parts' own folders are. */
  constructor(folder: string) {
    this.#folder = join(folder, '.spares');
    this.#working = rm(this.#folder, { recursive: true, force: true }).catch(() => {});
  }

  /** One of them; more are made soon after. */
  take(): SpareFile | undefined {
    if (this.#isClosed) return undefined;
    if (!this.#isFillDue) this.#later(refillMs, () => this.#fill());
    this.#isFillDue = true;
    return this.#spares.shift();
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
      while (this.#spares.length < sparesMax && !this.#isClosed) this.#spares.push(await this.#make());
    } catch {
      // The next session makes its own file, and says what is wrong.
    }
    if (!this.#isClosed && !this.#isFillDue) this.#later(idleMs, () => this.#dropAll());
  }

  async #make(): Promise<SpareFile> {
    const path = join(this.#folder, randomUUID());
    const make = async () => new SpareFile(path, await open(path, 'wx', 0o600));
    // Its folder is there but for the first one.
    return make().catch(async () => {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      return make();
    });
  }

  async #dropAll(): Promise<void> {
    for (const spare of this.#spares.splice(0)) await spare.drop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#working;
    await this.#dropAll();
  }
}
