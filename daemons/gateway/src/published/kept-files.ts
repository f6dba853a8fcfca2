/** Files of the log that are remembered, within bounds; what was asked for longest ago gives way. */

/** undefined: the arena has no such file. */
export type LogFile = { bytes: Buffer; etag: string } | undefined;

export type Kept = {
  /** Has come, or failed; nobody waits for it. */
  file: Promise<LogFile>;
  isThere: boolean;
  bytes: number;
  /** ms of the clock; what is older may have changed. */
  until: number;
};

export class KeptFiles {
  readonly #most: number;
  readonly #bytesMost: number;
  /** What was asked for last stands last. */
  readonly #files = new Map<string, Kept>();
  #bytes = 0;

  constructor(bounds: { most: number; bytesMost: number }) {
    this.#most = bounds.most;
    this.#bytesMost = bounds.bytesMost;
  }

  get(path: string): Kept | undefined {
    const kept = this.#files.get(path);
    if (kept === undefined) return undefined;
    this.#files.delete(path);
    this.#files.set(path, kept);
    return kept;
  }

  /** In place of what stood there. */
  set(path: string, kept: Kept): void {
    this.drop(path);
    this.#files.set(path, kept);
    this.#bytes += kept.bytes;
    for (const oldest of this.#files.keys()) {
      if (this.#files.size <= this.#most && this.#bytes <= this.#bytesMost) return;
      this.drop(oldest);
    }
  }

  drop(path: string): void {
    this.#bytes -= this.#files.get(path)?.bytes ?? 0;
    this.#files.delete(path);
  }

  clear(): void {
    this.#files.clear();
    this.#bytes = 0;
  }
}
