/**
 * Where the sealed files of this replica are: `<folder>/2025-11-21/<recording id>.labrec`. A row's url is `file:` and
 * the path below the folder, so that a folder may move, or come back out of a backup; `s3:` once it is in the bucket.
 */
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';

const urlPattern = /^(?:file|s3):(\d{4}-\d{2}-\d{2})\/([0-9a-f-]{36}\.labrec)$/;
const dayPattern = /^\d{4}-\d{2}-\d{2}$/;
const dayMs = 86_400_000;
const readBytes = 256 * 1024;

/** The folder of `recordings.url`: `file:/var/…`, `file:///var/…`, `file:below/here`. @throws FleetError. */
export function folderOfUrl(url: string): string {
  const path = url.startsWith('file://') ? fileURLToPath(url) : url.replace(/^file:/, '');
  if (url.startsWith('file:') && path !== '') return isAbsolute(path) ? path : resolve(path);
  throw new FleetError('VALIDATION_FAILED', {
    field: 'recordings.url',
    message: 'recordings.url is file:<folder> or s3://<bucket>/<prefix>',
    hint: 'recordings.url = "file:/var/lib/labmesh/labd/recordings"',
  });
}

/** The url of a new file, by the day it is made. */
export const urlOf = (id: string, wallMs: number): string =>
  `file:${new Date(wallMs).toISOString().slice(0, 10)}/${id}.labrec`;

/** The url that a part has, or had, in a folder; undefined for one that is not ours. */
export const fileUrlOf = (url: string): string | undefined =>
  urlPattern.test(url) ? `file:${url.slice(url.indexOf(':') + 1)}` : undefined;

export class RecordingFolder {
  readonly path: string;
  #today = '';

  constructor(path: string) {
    this.path = path;
  }

  /** The path of a new file; its folder is there after it. Throws what the file system says. */
  async place(url: string): Promise<string> {
    const path = this.find(url);
    if (path === undefined) throw new TypeError('no url of a recording');
    const day = basename(dirname(path));
    if (this.#today !== day) {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      this.#today = day;
    }
    return path;
  }

  /** Makes the next `place` look for its folder again: somebody may have removed it. */
  forget(): void {
    this.#today = '';
  }

  /** The path of a row's url; undefined for one that is not ours. */
  find(url: string): string | undefined {
    const [, day, name] = urlPattern.exec(url) ?? [];
    return day === undefined || name === undefined ? undefined : join(this.path, day, name);
  }

  /** The sealed bytes. Throws what the file system says, and holds nothing open before it is read. */
  async *read(path: string): AsyncGenerator<Uint8Array> {
    const file = await open(path, 'r');
    try {
      for (;;) {
        const { buffer, bytesRead } = await file.read(new Uint8Array(readBytes), 0, readBytes, null);
        if (bytesRead === 0) return;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }

  /** undefined when there is no such file. */
  async size(path: string): Promise<number | undefined> {
    const found = await stat(path).catch(() => undefined);
    return found?.size;
  }

  /** Removes a file, if it is there and can be. */
  async remove(url: string): Promise<void> {
    const path = this.find(url);
    if (path !== undefined) await rm(path, { force: true }).catch(() => {});
  }

  /** Removes the folders of days that ended before `beforeMs`; gives how many. */
  async sweep(beforeMs: number): Promise<number> {
    const names = await readdir(this.path).catch(() => []);
    const old = names.filter((name) => dayPattern.test(name) && Date.parse(name) + dayMs < beforeMs);
    for (const name of old) await rm(join(this.path, name), { recursive: true, force: true });
    return old.length;
  }
}
