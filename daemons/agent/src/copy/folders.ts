/**
 * Folders held open while a copy works in them. Members are reached through the folder that is held
 * (`/proc/self/fd/N/name`, an openat), one component at a time and never through a link: whoever swaps a folder for a
 * link during the copy gets an error, not a file elsewhere (CP-1, acceptance 7).
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { errnoOf, Refused } from '../session-run.ts';

const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY;

export class Folder implements AsyncDisposable {
  readonly handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.handle = handle;
  }

  /** The folder that the operator named: links on the way to it count. @throws the system's error */
  static async at(path: string): Promise<Folder> {
    return new Folder(await open(path, folderFlags));
  }

  /** The path of a member, good while this is held. `name` is one component. */
  member(name: string): string {
    return `/proc/self/fd/${this.handle.fd}/${name}`;
  }

  /** @throws Refused denied when `name` is a link or no folder; the system's error. */
  async enter(name: string): Promise<Folder> {
    try {
      return new Folder(await open(this.member(name), folderFlags | constants.O_NOFOLLOW));
    } catch (error) {
      if (['ELOOP', 'ENOTDIR'].includes(errnoOf(error)))
        throw new Refused('denied', 'a link or file stands in the way');
      throw error;
    }
  }

  /** Enters, making it first when it is not there. True: it was made. */
  async make(name: string): Promise<{ folder: Folder; isNew: boolean }> {
    let isNew = true;
    try {
      await mkdir(this.member(name), 0o755);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      isNew = false;
    }
    return { folder: await this.enter(name), isNew };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle.close();
  }
}

/** The folders from a root down to the last one asked for: depth first streams ask for neighbours. */
export class FolderPath implements AsyncDisposable {
  readonly root: Folder;
  #names: string[] = [];
  #folders: Folder[] = [];

  /** Takes over `root`. */
  constructor(root: Folder) {
    this.root = root;
  }

  /** The folder at `parts` below the root; it must be there. Good until the next call. */
  async folder(parts: readonly string[]): Promise<Folder> {
    let same = 0;
    while (same < parts.length && same < this.#names.length && parts[same] === this.#names[same]) same += 1;
    await this.#leave(same);
    for (const name of parts.slice(same)) {
      const below = await this.#last.enter(name);
      this.#names.push(name);
      this.#folders.push(below);
    }
    return this.#last;
  }

  get #last(): Folder {
    return this.#folders.at(-1) ?? this.root;
  }

  async #leave(depth: number): Promise<void> {
    this.#names.length = Math.min(this.#names.length, depth);
    for (const folder of this.#folders.splice(depth)) await folder[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#leave(0);
    await this.root[Symbol.asyncDispose]();
  }
}
