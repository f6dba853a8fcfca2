/**
 * Gathers entries and appends them as groups, so that one sync serves many (spec CT4: a checkpoint every second). Who
 * adds an entry waits until it is logged, and then knows where.
 */
import { AttestRefused } from '../attest-refused.ts';
import { entryBytesMax } from '../merkle/entry-bundle.ts';
import { groupEntriesMax, type TransparencyLog } from './transparency-log.ts';

export type LogWriterOptions = {
  log: TransparencyLog;
  /** Between the first entry of a group and its checkpoint, milliseconds. */
  checkpointMs: number;
  /** Entries that wait; above it `add` is refused. At most what one group may hold. */
  waitingMax?: number;
};

type Waiting = { entry: Uint8Array; resolve: (index: number) => void; reject: (error: unknown) => void };

export class LogWriter implements AsyncDisposable {
  readonly #log: TransparencyLog;
  readonly #checkpointMs: number;
  readonly #waitingMax: number;
  #waiting: Waiting[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor({ log, checkpointMs, waitingMax = groupEntriesMax }: LogWriterOptions) {
    this.#log = log;
    this.#checkpointMs = checkpointMs;
    this.#waitingMax = Math.min(waitingMax, groupEntriesMax);
  }

  /**
   * The entry's index, once it is logged: on disk, under a checkpoint.
   * @throws AttestRefused TOO_LARGE; LOG_BUSY when too many wait; LOG_FAILED, and then it may or may not be in the log.
   */
  add(entry: Uint8Array): Promise<number> {
    if (this.#closed) return Promise.reject(new AttestRefused('LOG_FAILED', 'the log is closed'));
    if (entry.length > entryBytesMax) {
      return Promise.reject(new AttestRefused('TOO_LARGE', `an entry has at most ${entryBytesMax} bytes`));
    }
    if (this.#waiting.length >= this.#waitingMax) {
      return Promise.reject(new AttestRefused('LOG_BUSY', `${this.#waitingMax} entries wait to be logged`));
    }
    this.#timer ??= setTimeout(() => void this.flush(), this.#checkpointMs);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, resolve, reject });
    });
  }

  /** Writes what waits now. Never rejects: those who added are told. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#writeGroup());
    await this.#writing;
  }

  async #writeGroup(): Promise<void> {
    const group = this.#waiting;
    this.#waiting = [];
    try {
      const { firstIndex } = await this.#log.append(group.map(({ entry }) => entry));
      group.forEach(({ resolve }, offset) => resolve(firstIndex + offset));
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }

  /** Writes what waits, and takes nothing any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.flush();
  }
}
