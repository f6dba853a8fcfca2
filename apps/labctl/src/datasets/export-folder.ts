/**
 * An export as a folder that only its owner may read: the files, dataset_info.json where a trainer wants one, and a
 * manifest.json with count and SHA-256 of each. It is written beside its place and renamed at the end, so that a folder of
 * that name is whole or not there.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { writePrivateFile } from '@labmesh/kit/saved-file';
import type { ExportEnd, ExportEvent } from '@labmesh/wire/verification/datasets';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

type ExportFile = ExportEnd['files'][number];
type Start = Extract<ExportEvent, { event: 'start' }>;
type Bytes = Extract<ExportEvent, { event: 'bytes' }>;
type Open = { file: ExportFile; hash: Bun.CryptoHasher; fd: number; held: string[]; heldChars: number };

/** Characters that wait for the disk. */
const heldCharsMost = 256 * 1024;

const broken = (why: string) =>
  new CommandError(`the export is not whole: ${why}`, { hint: 'nothing was written; run the command again' });

export class ExportFolder implements Disposable {
  readonly #target: string | undefined;
  readonly #now: number;
  #start: Start | undefined;
  #place = '';
  #draft: string | undefined;
  #open: Open | undefined;
  readonly #files: ExportFile[] = [];
  rows = 0;

  /** Without a target the folder is NAME-vN-FORMAT where the command runs. @param now Unix ms, for the manifest */
  constructor(target: string | undefined, now: number) {
    this.#target = target;
    this.#now = now;
  }

  /** Of the version, once it is known. */
  get expected(): number | undefined {
    return this.#start?.dataset.count;
  }

  /** Takes the next event. @throws CommandError */
  take(event: Exclude<ExportEvent, ExportEnd>): void {
    if (event.event === 'error') throw new CommandError(event.message, { code: event.code });
    if (event.event === 'start') return this.#begin(event);
    if (event.event === 'file') return this.#openFile(event);
    if (event.event === 'bytes') return this.#writeBytes(event);
    this.#write(event.text);
  }

  #begin(start: Start): void {
    if (this.#start !== undefined) throw broken('it begins twice');
    this.#start = start;
    const { dataset, format } = start;
    this.#place = resolve(this.#target ?? `${dataset.name}-v${dataset.number}-${format}`);
    if (existsSync(this.#place)) throw taken(this.#place);
    this.#draft = `${this.#place}.${process.pid}.partial`;
    rmSync(this.#draft, { recursive: true, force: true });
    mkdirSync(dirname(this.#place), { recursive: true });
    mkdirSync(this.#draft, { mode: 0o700 });
  }

  #openFile({ name, part }: Extract<ExportEvent, { event: 'file' }>): void {
    if (this.#draft === undefined) throw broken('a file before its beginning');
    this.#closeFile();
    const file = { name, part, rows: 0, bytes: 0, sha256: '' };
    // `x`: a name twice is refused.
    const fd = openSync(join(this.#draft, name), 'wx', 0o600);
    this.#open = { file, hash: new Bun.CryptoHasher('sha256'), fd, held: [], heldChars: 0 };
  }

  #write(text: string): void {
    const open = this.#open;
    if (open === undefined || text.includes('\n')) throw broken('a line of no file');
    open.file.rows++;
    open.held.push(text, '\n');
    open.heldChars += text.length + 1;
    this.rows++;
    if (open.heldChars > heldCharsMost) flush(open);
  }

  #writeBytes({ base64, rows }: Bytes): void {
    const open = this.#open;
    if (open === undefined || open.held.length > 0) throw broken('bytes of no file');
    open.file.rows += rows;
    this.rows += rows;
    append(open, Uint8Array.fromBase64(base64));
  }

  #closeFile(): void {
    const open = this.#open;
    if (open === undefined) return;
    flush(open);
    fsyncSync(open.fd);
    closeSync(open.fd);
    this.#files.push({ ...open.file, sha256: open.hash.digest('hex') });
    this.#open = undefined;
  }

  /** Ends it. @returns where the folder is, and its manifest @throws CommandError: what was sent is not what came */
  finish(end: ExportEnd) {
    this.#closeFile();
    if (this.#start === undefined || this.#draft === undefined) throw broken('it has no beginning');
    if (JSON.stringify(this.#files.map(figures)) !== JSON.stringify(end.files.map(figures))) {
      throw broken('its checksums do not hold');
    }
    const { dataset, format } = this.#start;
    const refused = Object.values(end.refused).reduce((sum, count) => sum + count, 0);
    if (this.rows === 0) {
      const why = Object.entries(end.refused).map(([code, count]) => `${count} ${code}`);
      throw new CommandError(`no row of this version fits the format ${format} (${why.join(', ')})`, {
        hint: 'choose another format; jsonl holds every row',
        exitCode: exitCodes.conflict,
      });
    }
    if (this.rows + refused !== dataset.count) throw broken(`${this.rows} rows of ${dataset.count}`);
    const exportedAt = new Date(this.#now).toISOString();
    const manifest = { format, exportedAt, dataset, files: this.#files, refused: end.refused };
    if (end.datasetInfo !== null) this.#save('dataset_info.json', end.datasetInfo);
    this.#save('manifest.json', manifest);
    this.#publish();
    return { folder: this.#place, manifest };
  }

  #save(name: string, value: unknown): void {
    writePrivateFile(join(this.#draft ?? '', name), `${JSON.stringify(value, null, 2)}\n`);
  }

  #publish(): void {
    // Made while we wrote: an empty folder would be replaced without a word.
    if (existsSync(this.#place)) throw taken(this.#place);
    renameSync(this.#draft ?? '', this.#place);
    this.#draft = undefined;
    const parent = openSync(dirname(this.#place), 'r');
    fsyncSync(parent);
    closeSync(parent);
  }

  /** Takes away what was not finished. */
  [Symbol.dispose](): void {
    if (this.#open !== undefined) closeSync(this.#open.fd);
    this.#open = undefined;
    if (this.#draft !== undefined) rmSync(this.#draft, { recursive: true, force: true });
    this.#draft = undefined;
  }
}

const taken = (place: string) =>
  new CommandError(`${place} is there already`, { hint: 'name another with --out DIR', exitCode: exitCodes.conflict });

const figures = ({ name, part, rows, bytes, sha256 }: ExportFile) => [name, part, rows, bytes, sha256];

function flush(open: Open): void {
  const bytes = Buffer.from(open.held.join(''));
  open.held = [];
  open.heldChars = 0;
  append(open, bytes);
}

function append({ file, hash, fd }: Open, bytes: Uint8Array): void {
  hash.update(bytes);
  file.bytes += bytes.length;
  for (let from = 0; from < bytes.length;) from += writeSync(fd, bytes, from);
}
