/** Which of the files that a log was rotated to were read, or were there before we began. */
import { Refused } from '../../session-run.ts';
import { Generation, type Sibling, siblingsOf } from './generations.ts';
import type { LogPaths } from './log-paths.ts';

/** Files that are remembered; older ones have long been removed. */
const knownMax = 256;
/** Each look that finds a file moved is done again. */
const looksMax = 50;

export type Known = { mtimeNs: bigint; head: Uint8Array };

/** The same beginning, as far as both go. */
export function isSameHead(a: Uint8Array, b: Uint8Array): boolean {
  const length = Math.min(a.length, b.length);
  return length > 0 && Buffer.compare(a.subarray(0, length), b.subarray(0, length)) === 0;
}

function deniedOr(error: unknown): 'denied' {
  if (error instanceof Refused && error.reason === 'denied') return 'denied';
  throw error;
}

export class KnownFiles {
  readonly #path: string;
  readonly #paths: LogPaths;
  #known = new Map<string, Known>();

  constructor(path: string, paths: LogPaths) {
    this.#path = path;
    this.#paths = paths;
  }

  /** What is there now and `isOlder` than what we read. */
  async takeAll(isOlder: (sibling: Sibling) => boolean = () => true): Promise<void> {
    for (const sibling of (await siblingsOf(this.#path)).filter(isOlder)) {
      const file = await Generation.open(sibling.path, this.#paths).catch(() => undefined);
      if (file === undefined) continue;
      await this.take(file);
      await file[Symbol.asyncDispose]();
    }
  }

  /** `file` was read to its end. */
  async take(file: Generation): Promise<void> {
    const { mtimeNs } = await file.stat();
    this.#known.delete(file.key);
    this.#known.set(file.key, { mtimeNs, head: await file.head() });
    const oldest = this.#known.keys().next().value;
    if (this.#known.size > knownMax && oldest !== undefined) this.#known.delete(oldest);
  }

  /**
   * Opens the oldest file that is not known and `isWanted`. An inode is used again and again by `rotate 1`, so it is
   * known only with its time or its beginning.
   */
  async nextUnread(
    isWanted: (file: Generation, sibling: Sibling) => Promise<boolean>,
  ): Promise<Generation | undefined> {
    for (let look = 0; look < looksMax; look++) {
      const found = await this.#look(isWanted);
      if (found !== 'moved') return found;
    }
    return undefined;
  }

  async #look(isWanted: (file: Generation, sibling: Sibling) => Promise<boolean>) {
    for (const sibling of await siblingsOf(this.#path)) {
      const known = this.#known.get(sibling.key);
      if (known?.mtimeNs === sibling.mtimeNs || sibling.size === 0) continue;
      const file = await Generation.open(sibling.path, this.#paths).catch(deniedOr);
      // A link put beside the log, to what may not be read, must not stop the log.
      if (file === 'denied') continue;
      // Names move while we look at them: the file itself is asked who it is.
      if (file?.key !== sibling.key) {
        await file?.[Symbol.asyncDispose]();
        return 'moved';
      }
      const isKnown = known !== undefined && isSameHead(known.head, await file.head());
      if (!isKnown && (await isWanted(file, sibling))) return file;
      await file[Symbol.asyncDispose]();
    }
    return undefined;
  }
}
