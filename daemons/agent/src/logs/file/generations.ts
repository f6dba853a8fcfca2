/**
 * The files that one log is kept in: the live one, and those it was renamed or copied to (LG-2). A place in a log is a
 * file, a count of bytes, and a mark of the bytes before it: after copytruncate the file is the same and the mark is not.
 */
import type { FileHandle } from 'node:fs/promises';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { LogPaths } from './log-paths.ts';

const markBytes = 64;
const headBytes = 512;
const readBytes = 64 * 1024;
/** Rotated files that are looked at; more is nobody's log. */
const siblingsMax = 64;
const listsMax = 25;
/** What rotation appends: `.1`, `-20250101`, `.old`. Compressed ones cannot be gone on with. */
const suffix = String.raw`[._-](?:\d[\dT:._-]{0,40}|old|bak)`;

export type Mark = { length: number; hash: string };
export const noMark: Mark = { length: 0, hash: '' };
export type LogPlace = { key: string; offset: number; mark: Mark };

/** `before`: what stands before a place, as far back as it is known. */
export function markOf(before: Uint8Array): Mark {
  const bytes = before.subarray(Math.max(0, before.length - markBytes));
  return bytes.length === 0 ? noMark : { length: bytes.length, hash: Bun.hash.xxHash32(bytes).toString(36) };
}

export const keptBytes = (bytes: Uint8Array): Uint8Array => bytes.slice(Math.max(0, bytes.length - markBytes));

export const placeText = ({ key, offset, mark }: LogPlace): string =>
  `file:${key}:${offset}:${mark.length}:${mark.hash}`;

/** Undefined when `text` is no cursor of a file. */
export function parsePlace(text: string): LogPlace | undefined {
  const found = /^file:(\d+-\d+):(\d{1,16}):(\d{1,2}):([0-9a-z]{0,8})$/.exec(text);
  if (found === null) return undefined;
  const [, key = '', offset, length, hash = ''] = found;
  return { key, offset: Number(offset), mark: { length: Number(length), hash } };
}

type BigStat = { dev: bigint; ino: bigint; mtimeNs: bigint; size: bigint };
const keyOf = ({ dev, ino }: BigStat) => `${dev}-${ino}`;

export class Generation implements AsyncDisposable {
  readonly handle: FileHandle;
  readonly key: string;

  private constructor(handle: FileHandle, key: string) {
    this.handle = handle;
    this.key = key;
  }

  /** Undefined when there is no such file. @throws Refused */
  static async open(path: string, paths: LogPaths): Promise<Generation | undefined> {
    const handle = await paths.read(path);
    return handle === undefined ? undefined : new Generation(handle, keyOf(await handle.stat({ bigint: true })));
  }

  async stat(): Promise<{ size: number; mtimeNs: bigint }> {
    const { size, mtimeNs } = await this.handle.stat({ bigint: true });
    return { size: Number(size), mtimeNs };
  }

  /**
   * Bytes after `offset`, none at the end. Undefined: what stands before is not what `mark` says, so the file was
   * truncated. Both are read in one call, so that nothing comes between.
   */
  async readAfter(offset: number, mark: Mark): Promise<Uint8Array | undefined> {
    const buffer = Buffer.allocUnsafe(mark.length + readBytes);
    const { bytesRead } = await this.handle.read(buffer, 0, buffer.length, offset - mark.length);
    if (bytesRead < mark.length) return undefined;
    if (markOf(buffer.subarray(0, mark.length)).hash !== mark.hash) return undefined;
    return buffer.subarray(mark.length, bytesRead);
  }

  /** How it begins: two files with one beginning hold the same lines, as a log and its copy do. */
  async head(): Promise<Uint8Array> {
    const buffer = Buffer.alloc(headBytes);
    const { bytesRead } = await this.handle.read(buffer, 0, headBytes, 0);
    return new Uint8Array(buffer.subarray(0, bytesRead));
  }

  /** The last bytes before `offset`, for a mark. */
  async bytesBefore(offset: number): Promise<Uint8Array> {
    const buffer = Buffer.alloc(Math.min(markBytes, offset));
    const { bytesRead } = await this.handle.read(buffer, 0, buffer.length, offset - buffer.length);
    return new Uint8Array(buffer.subarray(0, bytesRead));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle.close();
  }
}

/** Key of the live file now; undefined while there is none. */
export async function liveKey(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found === undefined ? undefined : keyOf(found);
}

export type Sibling = { path: string; key: string; mtimeNs: bigint; size: number };

/** `app.log.3` → 3. */
const rotationOf = (path: string) => Number(/\.(\d{1,9})$/.exec(path)?.[1] ?? 0);

/** Clocks of file systems tick each few ms: at the same time the higher number is the older file. */
function isOlderFirst(a: Sibling, b: Sibling): number {
  if (a.mtimeNs !== b.mtimeNs) return a.mtimeNs < b.mtimeNs ? -1 : 1;
  return rotationOf(b.path) - rotationOf(a.path);
}

async function listSiblings(path: string): Promise<Sibling[]> {
  const [folder, name] = [dirname(path), basename(path)];
  const extension = extname(name);
  const stem = RegExp.escape(name.slice(0, name.length - extension.length));
  const rotated = new RegExp(`^(?:${RegExp.escape(name)}${suffix}|${stem}${suffix}${RegExp.escape(extension)})$`);
  const names = (await readdir(folder).catch(() => [])).filter((one) => one !== name && rotated.test(one));
  const found = await Promise.all(
    names.slice(0, siblingsMax).map(async (one): Promise<Sibling[]> => {
      const path = join(folder, one);
      const about = await stat(path, { bigint: true }).catch(() => undefined);
      return about?.isFile() === true
        ? [{ path, key: keyOf(about), mtimeNs: about.mtimeNs, size: Number(about.size) }]
        : [];
    }),
  );
  return found.flat().toSorted(isOlderFirst);
}

const asText = (siblings: readonly Sibling[]) => siblings.map((one) => `${one.path} ${one.key}`).join('\n');

/** Files that `path` was rotated to, the oldest first: names move while they are listed, so until two lists agree. */
export async function siblingsOf(path: string): Promise<Sibling[]> {
  let before = await listSiblings(path);
  for (let round = 0; round < listsMax; round++) {
    const again = await listSiblings(path);
    if (asText(again) === asText(before)) return again;
    before = again;
  }
  return before;
}
