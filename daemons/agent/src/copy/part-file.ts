/**
 * A file on its way in (CP-2): written beside its target as `.<name>.labmesh-<id>`, checked, synced, then renamed over
 * the target in one step. A part that is left from a cut is gone on with where its bytes agree.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, rename, unlink } from 'node:fs/promises';
import type { CopyRecord } from '@labmesh/wire/frame/open';
import { errnoOf, Refused } from '../session-run.ts';
import type { Folder } from './folders.ts';

const nameBytesMax = 200;
const bufferBytes = 256 * 1024;
const readBytes = 1024 * 1024;
const ownFlags = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export type Sums = { file: Bun.CryptoHasher; all: Bun.CryptoHasher };

/** Cut on a character's border, so that the part's name fits where the file's does. */
export function partName(name: string, transfer: string): string {
  let short = name;
  while (Buffer.byteLength(short) > nameBytesMax) short = short.slice(0, -1);
  return `.${short}.labmesh-${transfer}`;
}

/** A part of ours: nobody else could have put a link or another's file in its place. */
async function openPart(path: string): Promise<FileHandle | undefined> {
  const handle = await open(path, ownFlags).catch(() => undefined);
  if (handle === undefined) return undefined;
  const stat = await handle.stat();
  if (stat.isFile() && stat.nlink === 1 && stat.uid === process.geteuid?.()) return handle;
  await handle.close();
  return undefined;
}

/** Bytes of `transfer` that lie in `folder`; 0 when there are none. */
export async function partSize(folder: Folder, transfer: string): Promise<number> {
  const names = await readdir(folder.member('.')).catch(() => []);
  const found = names.find((name) => name.startsWith('.') && name.endsWith(`.labmesh-${transfer}`));
  const handle = found === undefined ? undefined : await openPart(folder.member(found));
  if (handle === undefined) return 0;
  await using _ = handle;
  return (await handle.stat()).size;
}

export class PartFile implements AsyncDisposable {
  readonly #folder: Folder;
  readonly #name: string;
  readonly #part: string;
  readonly #handle: FileHandle;
  readonly #sums: Sums;
  #buffer = Buffer.alloc(bufferBytes);
  #filled = 0;
  #at: number;
  #isDone = false;
  /** Leave the part behind when it is not finished, for a later try. */
  keepsPart = false;

  private constructor(folder: Folder, name: string, part: string, handle: FileHandle, at: number, sums: Sums) {
    this.#folder = folder;
    this.#name = name;
    this.#part = part;
    this.#handle = handle;
    this.#at = at;
    this.#sums = sums;
  }

  /**
   * Begins, or goes on at `record.offset` when the part's bytes up to there have the sum `record.sha256`.
   * @throws Refused checksum when they have not; the part is gone then. The system's errors.
   */
  static async begin(
    folder: Folder,
    name: string,
    transfer: string,
    record: CopyRecord,
    all: Bun.CryptoHasher,
  ): Promise<PartFile> {
    const part = partName(name, transfer);
    const path = folder.member(part);
    const sums = { file: new Bun.CryptoHasher('sha256'), all };
    const offset = record.offset ?? 0;
    if (offset === 0) {
      await unlink(path).catch(() => {});
      const handle = await open(path, ownFlags | constants.O_CREAT | constants.O_EXCL, 0o600);
      return new PartFile(folder, name, part, handle, 0, sums);
    }
    const handle = await openPart(path);
    if (handle === undefined) throw new Refused('checksum', 'there is no part to go on with');
    const file = new PartFile(folder, name, part, handle, 0, sums);
    if (await file.#goOnAt(offset, record.sha256)) return file;
    await file[Symbol.asyncDispose]();
    throw new Refused('checksum', 'the part that is here differs; copy from the start');
  }

  async #goOnAt(offset: number, sha256: string | undefined): Promise<boolean> {
    if ((await this.#handle.stat()).size < offset) return false;
    const buffer = Buffer.alloc(Math.min(readBytes, offset));
    while (this.#at < offset) {
      const { bytesRead } = await this.#handle.read(buffer, 0, Math.min(buffer.length, offset - this.#at), this.#at);
      if (bytesRead === 0) return false;
      this.#sums.file.update(buffer.subarray(0, bytesRead));
      this.#sums.all.update(buffer.subarray(0, bytesRead));
      this.#at += bytesRead;
    }
    await this.#handle.truncate(offset);
    return this.#sums.file.copy().digest('hex') === sha256;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0;) {
      const taken = rest.subarray(0, bufferBytes - this.#filled);
      this.#buffer.set(taken, this.#filled);
      this.#filled += taken.length;
      rest = rest.subarray(taken.length);
      if (this.#filled === bufferBytes) await this.#flush();
    }
  }

  async #flush(): Promise<void> {
    const bytes = this.#buffer.subarray(0, this.#filled);
    this.#filled = 0;
    this.#sums.file.update(bytes);
    this.#sums.all.update(bytes);
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, this.#at);
      done += bytesWritten;
      this.#at += bytesWritten;
    }
  }

  /** Puts the file in place. @throws Refused checksum when its sum is not `sha256`. */
  async finish(record: CopyRecord, sha256: string | undefined, preserve: boolean): Promise<void> {
    await this.#flush();
    if (this.#sums.file.digest('hex') !== sha256) {
      this.keepsPart = false;
      throw new Refused('checksum', 'a file arrived with another sum than it was sent with');
    }
    await this.#setAttributes(record, preserve);
    await this.#handle.sync();
    await rename(this.#folder.member(this.#part), this.#folder.member(this.#name));
    this.#isDone = true;
    await this.#folder.handle.sync();
  }

  /** With `preserve` those of the source; else those of the file that it replaces, as a copy into it would. */
  async #setAttributes(record: CopyRecord, preserve: boolean): Promise<void> {
    const before = await lstat(this.#folder.member(this.#name)).catch(() => undefined);
    const old = before?.isFile() === true ? before : undefined;
    const owner = preserve ? { uid: record.uid, gid: record.gid } : { uid: old?.uid, gid: old?.gid };
    await setOwner(this.#handle, owner);
    const plain = (record.mode ?? 0o644) & 0o777 & ~process.umask();
    // Set-id bits only go along when the operator asked for it.
    await this.#handle.chmod(preserve ? (record.mode ?? 0o644) : old === undefined ? plain : old.mode & 0o7777);
    if (preserve) await setTimes(this.#handle, record);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isDone && this.keepsPart) await this.#flush().catch(() => {});
    await this.#handle.close();
    if (!this.#isDone && !this.keepsPart) await unlink(this.#folder.member(this.#part)).catch(() => {});
  }
}

/** Only root can give a file away; for others it stays theirs. */
export async function setOwner(handle: FileHandle, owner: { uid?: number; gid?: number }): Promise<void> {
  if (process.geteuid?.() !== 0 || owner.uid === undefined || owner.gid === undefined) return;
  try {
    await handle.chown(owner.uid, owner.gid);
  } catch (error) {
    // File systems without owners (vfat, some mounts) refuse; the bytes are what was asked for.
    if (!['EPERM', 'EINVAL', 'ENOSYS'].includes(errnoOf(error))) throw error;
  }
}

export async function setTimes(handle: FileHandle, record: CopyRecord): Promise<void> {
  if (record.mtimeMs === undefined) return;
  const time = new Date(record.mtimeMs);
  await handle.utimes(time, time);
}
