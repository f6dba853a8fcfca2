/** Which files `logs --file` may read: those that lie under `agent.log_paths` once every link is resolved (LG-2). */
import { constants, readlinkSync } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Glob } from 'bun';
import { errnoOf, errnoText, Refused } from '../../session-run.ts';
import { followLinks, mayFollow } from './follow-links.ts';

/** Neither waits for a FIFO nor takes a terminal. */
const readFlags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
const denied = () => new Refused('denied', 'that file is not under agent.log_paths of this server');

/** Of an open file, without links. */
const nameOf = (handle: FileHandle) => readlinkSync(`/proc/self/fd/${handle.fd}`).replace(/ \(deleted\)$/, '');

/** The part of a glob before its first wildcard, as whole folders. */
function fixedPart(glob: string): string {
  const wild = glob.search(/[*?[{\\!]/);
  return wild < 0 ? glob : glob.slice(0, glob.lastIndexOf('/', wild)) || '/';
}

/** `own`: links of root, and those to a file of the link's own owner. */
type Links = 'any' | 'own';
/** A name that moves between the look and the opening, as rotation moves it, is looked at again. */
const looksMax = 8;

export class LogPaths {
  readonly #globs: readonly Glob[];
  readonly #links: Links;

  private constructor(globs: readonly string[], links: Links) {
    this.#globs = globs.map((glob) => new Glob(glob));
    this.#links = links;
  }

  /** `/var/log` may be a link itself: each glob counts as it is written and as it resolves. */
  static async open(globs: readonly string[], links: Links = 'any'): Promise<LogPaths> {
    const resolved = await Promise.all(
      globs.map(async (glob) => {
        const fixed = fixedPart(glob);
        const real = await realpath(fixed).catch(() => fixed);
        return real === fixed ? [glob] : [glob, join(real, glob.slice(fixed.length))];
      }),
    );
    return new LogPaths(resolved.flat(), links);
  }

  /** `path` has no links left in it. */
  allows(path: string): boolean {
    return path.split('/').every((part) => part !== '..') && this.#globs.some((glob) => glob.match(path));
  }

  /**
   * Opens a file to read. What was opened is asked for its name, so a link swapped in between leads nowhere.
   * Undefined: it is not there (yet). @throws Refused denied, io; `what` may name a folder that is missing.
   */
  async read(path: string): Promise<FileHandle | undefined> {
    if (this.#links === 'any') return this.#read(path);
    for (let look = 0; look < looksMax; look++) {
      const walked = await followLinks(path).catch(() => undefined);
      // What cannot be walked is told as ever: it is missing, or lies where we may not look.
      const handle = await this.#read(walked?.real ?? path);
      if (handle === undefined) return undefined;
      // No link may have come in between: the file is the one that the walk ended at.
      if (walked !== undefined && nameOf(handle) === walked.real) {
        if (mayFollow(walked.linkOwners, (await handle.stat()).uid)) return handle;
        await handle.close();
        throw new Refused('denied', 'a link leads to a file of another owner');
      }
      await handle.close();
    }
    throw denied();
  }

  async #read(path: string): Promise<FileHandle | undefined> {
    const found = await stat(path).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw new Refused('io', errnoText(error));
    });
    if (found === undefined) {
      await this.#checkMissing(path);
      return undefined;
    }
    // Before it is opened, and again after that: opening a device may already do something.
    const real = await realpath(path).catch(() => path);
    if (!this.allows(real)) throw denied();
    if (!found.isFile()) throw new Refused('io', 'is not a file');
    const handle = await open(path, readFlags).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw new Refused('io', errnoText(error));
    });
    if (handle === undefined) return undefined;
    if (this.allows(nameOf(handle)) && (await handle.stat()).isFile()) return handle;
    await handle.close();
    throw denied();
  }

  /** A file that is missing must lie where it would be allowed; else waiting for it would tell what is there. */
  async #checkMissing(path: string): Promise<void> {
    const folder = await realpath(dirname(path)).catch(() => dirname(path));
    if (!this.allows(join(folder, basename(path)))) throw denied();
  }
}
