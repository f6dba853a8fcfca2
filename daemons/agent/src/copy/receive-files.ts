/** Files from a copy stream into this machine (CP-1, CP-2). */
import { lchown, lutimes, rename, stat, statfs, symlink, unlink } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { CopyRecordReader, CopyStreamError, encodeCopyRecord, memberParts } from '@labmesh/wire/frame/copy-record';
import type { CopyRecord, OpenOf } from '@labmesh/wire/frame/open';
import { errnoOf, Refused } from '../session-run.ts';
import type { CopyEnd, CopyPort, PreparedCopy } from './copy-port.ts';
import { Folder, FolderPath } from './folders.ts';
import { PartFile, partName, partSize, setOwner, setTimes } from './part-file.ts';

/** Folders whose mode and times wait for their last member. */
const foldersMax = 200_000;

type CopyIn = OpenOf<'copy-in'>;

/** Where the source's root goes: into the target under its own name, or as the target. */
type Place = { folder: Folder; name: string | undefined };

async function findPlace(path: string): Promise<Place> {
  const found = await stat(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (found?.isDirectory() === true) return { folder: await Folder.at(path), name: undefined };
  const name = basename(path);
  if (path.endsWith('/') || ['', '.', '..'].includes(name)) {
    throw new Refused('not-found', 'there is no such directory');
  }
  return { folder: await Folder.at(dirname(path)), name };
}

/** @throws Refused io when `bytes` do not fit. */
async function checkSpace(folder: Folder, bytes: number | undefined): Promise<void> {
  if (bytes === undefined) return;
  const { bavail, bsize } = await statfs(folder.member('.'));
  if (bavail * bsize < bytes) {
    throw new Refused('io', `no space is left: ${bytes} bytes to come, ${bavail * bsize} free`);
  }
}

/** Looks at the target and at what is there of it already. @throws Refused and the system's errors. */
export async function prepareReceive(open: CopyIn): Promise<PreparedCopy> {
  const place = await findPlace(open.path);
  try {
    const offset = open.recursive ? 0 : await partSize(place.folder, open.transfer);
    await checkSpace(place.folder, open.totalBytes === undefined ? undefined : open.totalBytes - offset);
    return {
      answer: { offset },
      run: async (port) => {
        await using receiver = new Receiver(open, place);
        return await receiver.run(port);
      },
      dispose: () => place.folder[Symbol.asyncDispose](),
    };
  } catch (error) {
    await place.folder[Symbol.asyncDispose]();
    throw error;
  }
}

class Receiver implements AsyncDisposable {
  readonly #open: CopyIn;
  readonly #name: string | undefined;
  readonly #path: FolderPath;
  readonly #all = new Bun.CryptoHasher('sha256');
  #bytes = 0;
  /** Parts of the first record's path, which is the source itself. */
  #rootDepth: number | undefined;
  #file: { part: PartFile; record: CopyRecord } | undefined;
  #folders: { parts: string[]; record: CopyRecord; isNew: boolean }[] = [];

  constructor(open: CopyIn, place: Place) {
    this.#open = open;
    this.#name = place.name;
    this.#path = new FolderPath(place.folder);
  }

  async run(port: CopyPort): Promise<CopyEnd> {
    const reader = new CopyRecordReader();
    for await (const chunk of port.input) {
      for (const item of reader.feed(chunk)) {
        if (item.kind === 'bytes') {
          this.#bytes += item.bytes.length;
          await this.#file?.part.write(item.bytes);
        } else if (await this.#take(item.record)) {
          const copied = { bytes: this.#bytes, sha256: this.#all.digest('hex') };
          await port.write(encodeCopyRecord({ path: '', type: 'end', size: copied.bytes, sha256: copied.sha256 }));
          return { reason: 'ok', text: '', copied };
        }
      }
    }
    throw new Refused('cancelled', 'the stream ended before the copy was whole');
  }

  /** True: that was the last record and everything is in place. */
  async #take(record: CopyRecord): Promise<boolean> {
    if (this.#file !== undefined) {
      await this.#finishFile(this.#file, record);
      return false;
    }
    if (record.type === 'end') return this.#finishAll(record);
    const parts = this.#target(record);
    const name = parts.at(-1);
    if (record.type === 'directory') await this.#makeFolder(parts, record);
    else if (name === undefined) throw new Refused('io', 'is a directory');
    else if (record.type === 'file') await this.#beginFile(parts, name, record);
    else await this.#makeLink(parts, name, record);
    return false;
  }

  /** Where a record goes, below the folder that is held. @throws when it does not belong below the first one. */
  #target(record: CopyRecord): string[] {
    const parts = memberParts(record.path);
    if (this.#rootDepth === undefined) {
      if (parts.length > 1) throw new CopyStreamError('the first record is not the source itself');
      this.#rootDepth = parts.length;
      if (record.type === 'directory' && !this.#open.recursive) {
        throw new Refused('io', 'is a directory: recursive is needed');
      }
    } else if (!this.#open.recursive) {
      throw new CopyStreamError('more than one file without recursive');
    }
    return this.#name === undefined ? parts : [this.#name, ...parts.slice(this.#rootDepth)];
  }

  async #beginFile(parts: string[], name: string, record: CopyRecord): Promise<void> {
    const folder = await this.#path.folder(parts.slice(0, -1));
    const part = await PartFile.begin(folder, name, this.#open.transfer, record, this.#all);
    this.#bytes += record.offset ?? 0;
    // Only a copy of one file can be gone on with; of many, nobody would know which were whole.
    part.keepsPart = !this.#open.recursive;
    this.#file = { part, record };
  }

  async #finishFile(file: { part: PartFile; record: CopyRecord }, end: CopyRecord): Promise<void> {
    if (end.type !== 'end' || end.path !== file.record.path) throw new CopyStreamError('a file has no end record');
    await file.part.finish(file.record, end.sha256, this.#open.preserve);
    this.#file = undefined;
    await file.part[Symbol.asyncDispose]();
  }

  async #makeFolder(parts: string[], record: CopyRecord): Promise<void> {
    if (this.#folders.length >= foldersMax) throw new Refused('limit', 'too many directories in one copy');
    const name = parts.at(-1);
    let isNew = false;
    if (name !== undefined) {
      const above = await this.#path.folder(parts.slice(0, -1));
      const made = await above.make(name);
      await made.folder[Symbol.asyncDispose]();
      isNew = made.isNew;
    }
    this.#folders.push({ parts, record, isNew });
  }

  async #makeLink(parts: string[], name: string, record: CopyRecord): Promise<void> {
    const folder = await this.#path.folder(parts.slice(0, -1));
    const part = folder.member(partName(name, this.#open.transfer));
    await unlink(part).catch(() => {});
    await symlink(record.link ?? '', part);
    try {
      if (this.#open.preserve) await preserveLink(part, record);
      await rename(part, folder.member(name));
    } catch (error) {
      await unlink(part).catch(() => {});
      throw error;
    }
  }

  async #finishAll(end: CopyRecord): Promise<boolean> {
    if (end.path !== '' || this.#rootDepth === undefined) throw new CopyStreamError('an end record out of place');
    if (this.#all.copy().digest('hex') !== end.sha256) {
      throw new Refused('checksum', 'the copy arrived with another sum than it was sent with');
    }
    // The innermost first: what is done inside a folder changes its time.
    for (const { parts, record, isNew } of this.#folders.toReversed()) {
      const folder = await this.#path.folder(parts);
      if (this.#open.preserve) {
        await setOwner(folder.handle, record);
        await folder.handle.chmod(record.mode ?? 0o755);
        await setTimes(folder.handle, record);
      } else if (isNew) {
        await folder.handle.chmod((record.mode ?? 0o755) & 0o777 & ~process.umask());
      }
    }
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.part[Symbol.asyncDispose]();
    await this.#path[Symbol.asyncDispose]();
  }
}

async function preserveLink(path: string, record: CopyRecord): Promise<void> {
  if (process.geteuid?.() === 0 && record.uid !== undefined && record.gid !== undefined) {
    await lchown(path, record.uid, record.gid);
  }
  if (record.mtimeMs === undefined) return;
  const time = new Date(record.mtimeMs);
  await lutimes(path, time, time);
}
