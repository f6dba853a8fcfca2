/** Files of this machine as a copy stream (CP-1, CP-2). */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open as openFile, readdir, readlink, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { copyLimits, encodeCopyRecord } from '@labmesh/wire/frame/copy-record';
import type { CopyRecord, OpenOf } from '@labmesh/wire/frame/open';
import { errnoOf, errnoText, Refused } from '../session-run.ts';
import { type CopyEnd, type CopyPort, escapedName, type PreparedCopy } from './copy-port.ts';
import { Folder } from './folders.ts';

type CopyOut = OpenOf<'copy-out'>;

const chunkBytes = 256 * 1024;
/** A file up to this size is read before its size is told: those of /proc and /sys tell wrong ones. */
const smallBytes = 256 * 1024;
const smallBytesMax = 4 * 1024 * 1024;
const pageBytes = 4096;
/** Without NONBLOCK the opening of a FIFO that took a file's place would wait for ever. */
const readFlags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
const decoder = new TextDecoder('utf-8', { fatal: true });

/** UTF-8 or nothing: a name that is none cannot stand in a record. */
function decoded(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Opens what the operator named; links on the way count. @throws Refused and the system's errors. */
export async function prepareSend(open: CopyOut): Promise<PreparedCopy> {
  const found = await stat(open.path);
  const name = basename(open.path);
  if (found.isDirectory()) {
    if (!open.recursive) throw new Refused('io', 'is a directory: recursive is needed');
    if (open.resume !== undefined) throw new Refused('protocol', 'only a copy of one file can go on');
    const folder = await Folder.at(open.path);
    return {
      answer: {},
      run: (port) => new Sender(open, port).sendTree(folder, name),
      dispose: () => folder[Symbol.asyncDispose](),
    };
  }
  // Looked at before it is opened: opening a device may already do something.
  if (!found.isFile()) throw new Refused('io', 'is neither file nor directory');
  const handle = await openFile(open.path, readFlags);
  return {
    answer: open.resume === undefined ? {} : { offset: open.resume.offset },
    run: (port) => new Sender(open, port).sendOne(handle, name),
    dispose: () => handle.close(),
  };
}

class Sender {
  readonly #open: CopyOut;
  readonly #port: CopyPort;
  readonly #all = new Bun.CryptoHasher('sha256');
  #bytes = 0;
  #leftOut = 0;
  /** A file's head is out: its bytes must follow, or the stream is of no use. */
  #isInside = false;

  constructor(open: CopyOut, port: CopyPort) {
    this.#open = open;
    this.#port = port;
  }

  async sendOne(handle: FileHandle, name: string): Promise<CopyEnd> {
    await using _ = handle;
    await this.#file(handle, name);
    return await this.#finish();
  }

  async sendTree(folder: Folder, name: string): Promise<CopyEnd> {
    await using _ = folder;
    await this.#tree(folder, name, 1);
    return await this.#finish();
  }

  async #finish(): Promise<CopyEnd> {
    const copied = { bytes: this.#bytes, sha256: this.#all.digest('hex') };
    await this.#record({ path: '', type: 'end', size: copied.bytes, sha256: copied.sha256 });
    if (this.#leftOut === 0) return { reason: 'ok', text: '', copied };
    return { reason: 'io', text: `${this.#leftOut} entries were left out`, copied };
  }

  async #record(record: CopyRecord): Promise<void> {
    await this.#port.write(encodeCopyRecord(record));
  }

  #attributes(found: Stats): Pick<CopyRecord, 'mode' | 'uid' | 'gid' | 'mtimeMs'> {
    return { mode: found.mode & 0o7777, uid: found.uid, gid: found.gid, mtimeMs: found.mtimeMs };
  }

  async #tree(folder: Folder, path: string, depth: number): Promise<void> {
    await this.#record({ path, type: 'directory', ...this.#attributes(await folder.handle.stat()) });
    if (depth >= copyLimits.depthMax) return this.#leaveOut(path, 'lies too deep');
    const names = await readdir(folder.member('.'), { encoding: 'buffer' });
    for (const raw of names.toSorted((a, b) => Buffer.compare(a, b))) {
      const name = decoded(raw);
      if (name === undefined) {
        await this.#leaveOut(`${path}/${Buffer.from(raw).toString('latin1')}`, 'its name is not UTF-8');
        continue;
      }
      try {
        await this.#member(folder, name, path === '' ? name : `${path}/${name}`, depth);
      } catch (error) {
        // Gone, swapped or not ours to read: the others are still wanted, and the end tells it.
        if (this.#isInside || (errnoOf(error) === '' && !(error instanceof Refused))) throw error;
        const why = error instanceof Refused ? error.message : errnoText(error);
        await this.#leaveOut(`${path}/${name}`, why);
      }
    }
  }

  async #leaveOut(path: string, why: string): Promise<void> {
    this.#leftOut += 1;
    await this.#port.warn(`${escapedName(path)}: ${why}`);
  }

  async #member(folder: Folder, name: string, path: string, depth: number): Promise<void> {
    const found = await lstat(folder.member(name));
    if (found.isDirectory()) {
      await using below = await folder.enter(name);
      return await this.#tree(below, path, depth + 1);
    }
    if (found.isSymbolicLink()) {
      const link = decoded(await readlink(folder.member(name), { encoding: 'buffer' }));
      if (link === undefined) return this.#leaveOut(path, 'its target is not UTF-8');
      return this.#record({ path, type: 'symlink', link, ...this.#attributes(found) });
    }
    if (!found.isFile()) return this.#leaveOut(path, 'is neither file, directory nor link');
    await using handle = await openFile(folder.member(name), readFlags | constants.O_NOFOLLOW);
    await this.#file(handle, path);
  }

  async #file(handle: FileHandle, path: string): Promise<void> {
    const found = await handle.stat();
    // It may have been swapped since it was looked at.
    if (!found.isFile()) throw new Refused('io', 'is not a file any more');
    const sums = new Bun.CryptoHasher('sha256');
    const offset = await this.#agreedOffset(handle, found.size, sums);
    // The receiver holds its part against it.
    const sha256 = this.#open.resume?.sha256;
    const head = { path, type: 'file', ...this.#attributes(found), ...(offset > 0 && { offset, sha256 }) } as const;
    const small = found.size <= smallBytes && offset === 0 ? await readSmall(handle, found.size) : undefined;
    this.#isInside = true;
    await this.#record({ ...head, size: small?.length ?? found.size });
    if (small === undefined) await this.#content(handle, offset, found.size, sums);
    else await this.#bytesOf(small, sums);
    await this.#record({ path, type: 'end', sha256: sums.digest('hex') });
    this.#isInside = false;
  }

  async #content(handle: FileHandle, offset: number, size: number, sums: Bun.CryptoHasher): Promise<void> {
    for (let at = offset; at < size;) {
      const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, size - at));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Refused('io', 'a file became shorter while it was read');
      await this.#bytesOf(buffer.subarray(0, bytesRead), sums);
      at += bytesRead;
    }
  }

  async #bytesOf(bytes: Uint8Array, sums: Bun.CryptoHasher): Promise<void> {
    if (bytes.length === 0) return;
    sums.update(bytes);
    this.#all.update(bytes);
    this.#bytes += bytes.length;
    await this.#port.write(bytes);
  }

  /** CP-2: the receiver's part must be the beginning of this file. */
  async #agreedOffset(handle: FileHandle, size: number, sums: Bun.CryptoHasher): Promise<number> {
    const wanted = this.#open.resume;
    if (wanted === undefined || wanted.offset === 0) return 0;
    if (wanted.offset > size) throw new Refused('checksum', 'the file is shorter than the part that is there');
    const buffer = Buffer.allocUnsafe(chunkBytes);
    for (let at = 0; at < wanted.offset;) {
      const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, wanted.offset - at), at);
      if (bytesRead === 0) throw new Refused('io', 'a file became shorter while it was read');
      sums.update(buffer.subarray(0, bytesRead));
      this.#all.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
    if (sums.copy().digest('hex') !== wanted.sha256) throw new Refused('checksum', 'the part that is there differs');
    this.#bytes += wanted.offset;
    return wanted.offset;
  }
}

/** All bytes of a file that claims to be small. */
async function readSmall(handle: FileHandle, claimedBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let total = 0;
  for (;;) {
    const buffer = Buffer.allocUnsafe(total === 0 ? claimedBytes + pageBytes : smallBytes);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, total);
    if (bytesRead === 0) return Buffer.concat(chunks);
    chunks.push(buffer.subarray(0, bytesRead));
    total += bytesRead;
    // What grows faster than it is read has no end; as much as this of it is a copy.
    if (total >= smallBytesMax) return Buffer.concat(chunks);
  }
}
