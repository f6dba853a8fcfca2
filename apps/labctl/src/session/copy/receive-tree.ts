/**
 * Files from a server into this machine (CP-1, CP-2). The server is not trusted: it says what lies below the source,
 * never where that goes, nor anything above it.
 *
 *     web-1:/var/log/app → .      first record `app`, which becomes ./app here, whatever it is called there
 *
 * Members are reached through folders that are held open and never through a link; links that lead out of the tree are
 * left out; each file is written beside its name, checked, synced and renamed.
 */
import { stat, symlink, rename, statfs, unlink } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { Folder, FolderPath } from '@labmesh/agent/copy/folders';
import { PartFile, partName, partSize, setOwner, setTimes } from '@labmesh/agent/copy/part-file';
import { errnoOf, Refused } from '@labmesh/agent/session-run';
import { CopyRecordReader, CopyStreamError, encodeCopyRecord, memberParts } from '@labmesh/wire/frame/copy-record';
import type { CopyRecord } from '@labmesh/wire/frame/open';
import { leadsOut } from './link-check.ts';

/** Folders whose mode and times wait for their last member. */
const foldersMax = 200_000;

export type ReceivePlan = {
  /** Here. */
  path: string;
  /** What the source is called when it goes into a folder; undefined for `/`, whose members go there. */
  sourceName: string | undefined;
  recursive: boolean;
  preserve: boolean;
  transfer: string;
};

export type ReceiveParts = {
  input: AsyncIterable<Uint8Array>;
  /** The answer to the other side. */
  answer: (bytes: Uint8Array) => Promise<void>;
  /** File bytes that came; `total` with the first record of a single file. */
  meter: { begin(total: number | undefined, before: number): void; add(bytes: number): void };
  /** Something was left out. Not yet made harmless for a terminal. */
  warn: (path: string, why: string) => void;
};

export type Received = { bytes: number; sha256: string; leftOut: number };
/** What is here of a file that was cut, for `resume` of OPEN. */
export type PartHere = { offset: number; sha256: string };

type Place = { folder: Folder; name: string | undefined };

async function findPlace({ path, sourceName }: ReceivePlan): Promise<Place> {
  const found = await stat(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (found?.isDirectory() === true) return { folder: await Folder.at(path), name: sourceName };
  const name = basename(path);
  if (path.endsWith('/') || ['', '.', '..'].includes(name))
    throw new Refused('not-found', 'there is no such directory');
  return { folder: await Folder.at(dirname(path)), name };
}

/** The part of `transfer` and its sum; undefined when there is none. */
async function partHere(place: Place, transfer: string): Promise<PartHere | undefined> {
  const { folder, name } = place;
  const offset = name === undefined ? 0 : await partSize(folder, transfer);
  if (offset === 0 || name === undefined) return undefined;
  const hash = new Bun.CryptoHasher('sha256');
  for await (const chunk of Bun.file(folder.member(partName(name, transfer)))
    .slice(0, offset)
    .stream())
    hash.update(chunk);
  return { offset, sha256: hash.digest('hex') };
}

export class TreeReceiver implements AsyncDisposable {
  readonly part: PartHere | undefined;
  readonly #plan: ReceivePlan;
  readonly #place: Place;
  readonly #path: FolderPath;
  readonly #all = new Bun.CryptoHasher('sha256');
  readonly #folders: { parts: string[]; record: CopyRecord; isNew: boolean }[] = [];
  #bytes = 0;
  #leftOut = 0;
  /** The first record's path: one name, or '' for `/`. */
  #root: string[] | undefined;
  #file: { part: PartFile; record: CopyRecord } | undefined;

  private constructor(plan: ReceivePlan, place: Place, part: PartHere | undefined) {
    this.#plan = plan;
    this.#place = place;
    this.#path = new FolderPath(place.folder);
    this.part = part;
  }

  /** Looks at the target and at what is there of it already. @throws Refused and the system's errors */
  static async at(plan: ReceivePlan): Promise<TreeReceiver> {
    const place = await findPlace(plan);
    try {
      return new TreeReceiver(plan, place, plan.recursive ? undefined : await partHere(place, plan.transfer));
    } catch (error) {
      await place.folder[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Takes the stream to its end and answers it. @throws Refused, CopyStreamError, the system's errors */
  async run(parts: ReceiveParts): Promise<Received> {
    const reader = new CopyRecordReader();
    for await (const chunk of parts.input) {
      for (const item of reader.feed(chunk)) {
        if (item.kind === 'bytes') {
          this.#bytes += item.bytes.length;
          parts.meter.add(item.bytes.length);
          await this.#file?.part.write(item.bytes);
        } else if (await this.#take(item.record, parts)) {
          const sha256 = this.#all.digest('hex');
          await parts.answer(encodeCopyRecord({ path: '', type: 'end', size: this.#bytes, sha256 }));
          return { bytes: this.#bytes, sha256, leftOut: this.#leftOut };
        }
      }
    }
    throw new Refused('io', 'the stream ended before the copy was whole');
  }

  /** True: that was the last record and everything is in place. */
  async #take(record: CopyRecord, parts: ReceiveParts): Promise<boolean> {
    if (this.#file !== undefined) {
      await this.#finishFile(this.#file, record);
      return false;
    }
    if (record.type === 'end') return this.#finishAll(record);
    const isRoot = this.#root === undefined;
    const target = this.#target(record);
    const name = target.at(-1);
    if (isRoot) await this.#begin(record, parts);
    if (record.type === 'directory') await this.#makeFolder(target, record);
    else if (name === undefined) throw new CopyStreamError('a file stands where the target is');
    else if (record.type === 'file') await this.#beginFile(target, name, record);
    else await this.#makeLink(target, name, record, parts);
    return false;
  }

  /** Where a record goes, below the folder that is held. @throws CopyStreamError when it is not below the first one */
  #target(record: CopyRecord): string[] {
    const path = memberParts(record.path);
    if (this.#root === undefined) {
      if (path.length > 1 || record.type === 'symlink')
        throw new CopyStreamError('the first record is not the source itself');
      if (record.type === 'directory' && !this.#plan.recursive) throw new Refused('io', 'is a directory: -r is needed');
      this.#root = path;
    } else {
      if (!this.#plan.recursive) throw new CopyStreamError('more than one file without -r');
      const isBelow = this.#root.every((name, index) => path[index] === name) && path.length > this.#root.length;
      if (!isBelow) throw new CopyStreamError('a member lies beside the source');
    }
    const { name } = this.#place;
    return [...(name === undefined ? [] : [name]), ...path.slice(this.#root.length)];
  }

  async #begin(record: CopyRecord, { meter }: ReceiveParts): Promise<void> {
    const before = record.offset ?? 0;
    const total = record.type === 'file' ? record.size : undefined;
    meter.begin(total, before);
    if (total === undefined) return;
    const { bavail, bsize } = await statfs(this.#place.folder.member('.'));
    if (bavail * bsize < total - before) throw new Refused('io', `no space is left: ${total - before} bytes to come`);
  }

  async #beginFile(target: string[], name: string, record: CopyRecord): Promise<void> {
    const offset = record.offset ?? 0;
    if (offset !== 0 && offset !== this.part?.offset) throw new CopyStreamError('it goes on where nothing is');
    const folder = await this.#path.folder(target.slice(0, -1));
    // Our own sum, and not what the other side says of our part.
    const { sha256: _said, ...told } = record;
    const ours = offset === 0 || this.part === undefined ? told : { ...told, sha256: this.part.sha256 };
    const part = await PartFile.begin(folder, name, this.#plan.transfer, ours, this.#all);
    this.#bytes += offset;
    // Only a copy of one file can be gone on with; of many, nobody would know which were whole.
    part.keepsPart = !this.#plan.recursive;
    this.#file = { part, record };
  }

  async #finishFile(file: { part: PartFile; record: CopyRecord }, end: CopyRecord): Promise<void> {
    if (end.type !== 'end' || end.path !== file.record.path) throw new CopyStreamError('a file has no end record');
    await file.part.finish(file.record, end.sha256, this.#plan.preserve);
    this.#file = undefined;
    await file.part[Symbol.asyncDispose]();
  }

  async #makeFolder(target: string[], record: CopyRecord): Promise<void> {
    if (this.#folders.length >= foldersMax) throw new Refused('limit', 'too many directories in one copy');
    const name = target.at(-1);
    let isNew = false;
    if (name !== undefined) {
      const above = await this.#path.folder(target.slice(0, -1));
      const made = await above.make(name);
      await made.folder[Symbol.asyncDispose]();
      isNew = made.isNew;
    }
    this.#folders.push({ parts: target, record, isNew });
  }

  async #makeLink(target: string[], name: string, record: CopyRecord, { warn }: ReceiveParts): Promise<void> {
    const { link = '' } = record;
    const depth = memberParts(record.path).length - (this.#root?.length ?? 0) - 1;
    if (leadsOut(link, depth)) {
      this.#leftOut++;
      return warn(record.path, `a link that leads out of the tree: ${link}`);
    }
    const folder = await this.#path.folder(target.slice(0, -1));
    const part = folder.member(partName(name, this.#plan.transfer));
    await unlink(part).catch(() => {});
    await symlink(link, part);
    try {
      await rename(part, folder.member(name));
    } catch (error) {
      await unlink(part).catch(() => {});
      throw error;
    }
  }

  async #finishAll(end: CopyRecord): Promise<boolean> {
    if (end.path !== '' || this.#root === undefined) throw new CopyStreamError('an end record out of place');
    if (this.#all.copy().digest('hex') !== end.sha256) {
      throw new Refused('checksum', 'the copy arrived with another sum than it was sent with');
    }
    // The innermost first: what is done inside a folder changes its time.
    for (const { parts, record, isNew } of this.#folders.toReversed()) {
      const folder = await this.#path.folder(parts);
      if (this.#plan.preserve) {
        await setOwner(folder.handle, record);
        await folder.handle.chmod(record.mode ?? 0o755);
        await setTimes(folder.handle, record);
      } else if (isNew) {
        await folder.handle.chmod((record.mode ?? 0o755) & 0o777 & ~process.umask());
      }
    }
    return true;
  }

  /** Forgets what is here: it is no beginning of the file that is there. */
  async dropPart(): Promise<void> {
    const { folder, name } = this.#place;
    if (name !== undefined) await unlink(folder.member(partName(name, this.#plan.transfer))).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.part[Symbol.asyncDispose]();
    await this.#path[Symbol.asyncDispose]();
  }
}
