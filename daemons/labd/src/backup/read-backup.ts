/** Reads a backup file: what is in it, its rows, its recordings. Both `verify` and `restore` go through here. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { ZodError } from 'zod';
import type { OpenedBackup } from './backup-file.ts';
import {
  countsSchema,
  manifestSchema,
  rowsOfBody,
  tableOfFile,
  wholeBody,
  type Counts,
  type Manifest,
} from './backup-content.ts';
import { isPublicKeyFile, publicKeyOf } from './backup-public-keys.ts';
import { readTar, TarError, type TarEntry } from './tar.ts';

const refuse = (what: string, cause?: unknown) =>
  new FleetError('VALIDATION_FAILED', { message: `this is no backup of ours: ${what}`, cause });

/** Everything that reading bytes of a stranger may throw becomes one code. */
function explain(error: unknown): unknown {
  if (error instanceof TarError || error instanceof SyntaxError || error instanceof RangeError)
    return refuse(error.message, error);
  return error instanceof ZodError ? refuse('its manifest', error) : error;
}

export type TableRow = { table: string; row: unknown };

/** Called for each recording's file; the body may be left alone. `path`: `2025-11-21/<id>.labrec`. */
export type OnRecording = (path: string, entry: TarEntry) => Promise<void>;
/** Called for each public key of a tunnel's peer, 524,160 bytes. */
export type OnPublicKey = (key: Uint8Array) => Promise<unknown>;

/** A backup that was read once from start to end, so that it is known to be whole and ours. */
export class BackupReader {
  readonly #opened: OpenedBackup;
  readonly manifest: Manifest;
  readonly counts: Counts;
  /** Text of the key file, with `withKey`. */
  readonly keyText: string | undefined;
  /** Rows of `secret_keys`. */
  readonly keyRows: readonly unknown[];

  private constructor(opened: OpenedBackup, seen: Seen) {
    this.#opened = opened;
    this.manifest = seen.manifest;
    this.counts = seen.counts;
    this.keyText = seen.keyText;
    this.keyRows = seen.keyRows;
  }

  /** Reads the whole file once. @throws FleetError VALIDATION_FAILED when it was changed, cut, or is none. */
  static async open(opened: OpenedBackup): Promise<BackupReader> {
    try {
      return new BackupReader(opened, await survey(opened));
    } catch (error) {
      throw explain(error);
    }
  }

  /** All rows in the order of the file; what is no row goes elsewhere as it comes. */
  async *rows(onRecording?: OnRecording, onPublicKey?: OnPublicKey): AsyncGenerator<TableRow> {
    try {
      for await (const entry of readTar(this.#opened.content())) {
        const table = tableOfFile(entry.name);
        if (table !== undefined) for await (const row of rowsOfBody(entry)) yield { table, row };
        else if (isPublicKeyFile(entry.name)) await onPublicKey?.(await publicKeyOf(entry));
        else if (entry.name.startsWith('recordings/'))
          await onRecording?.(entry.name.slice('recordings/'.length), entry);
      }
    } catch (error) {
      throw explain(error);
    }
  }

  /** The key file of the backup in a folder of its own until disposed. */
  async keyFile(): Promise<({ path: string } & AsyncDisposable) | undefined> {
    if (this.keyText === undefined) return undefined;
    const folder = await mkdtemp(join(tmpdir(), 'labmesh-backup-'));
    const path = join(folder, 'kek.key');
    await writeFile(path, this.keyText, { mode: 0o600 });
    return { path, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
  }
}

type Seen = { manifest: Manifest; counts: Counts; keyText: string | undefined; keyRows: unknown[] };

async function survey(opened: OpenedBackup): Promise<Seen> {
  let manifest: Manifest | undefined;
  let counts: Counts | undefined;
  let keyText: string | undefined;
  const keyRows: unknown[] = [];
  for await (const entry of readTar(opened.content())) {
    if (manifest === undefined && entry.name !== 'manifest.json') throw refuse('it has no manifest');
    if (entry.name === 'manifest.json') manifest = manifestSchema.parse(JSON.parse(await wholeBody(entry)));
    else if (entry.name === 'kek.key') keyText = await wholeBody(entry);
    else if (entry.name === 'counts.json') counts = countsSchema.parse(JSON.parse(await wholeBody(entry)));
    else if (isPublicKeyFile(entry.name)) await publicKeyOf(entry);
    else if (tableOfFile(entry.name) === 'secret_keys') keyRows.push(...(await Array.fromAsync(rowsOfBody(entry))));
  }
  if (manifest === undefined || counts === undefined) throw refuse('it is not complete');
  return { manifest, counts, keyText, keyRows };
}

/** @throws FleetError when not as many rows came in as went out. */
export function checkCounts(loaded: Readonly<Record<string, number>>, { tables }: Counts): void {
  const names = new Set([...Object.keys(loaded), ...Object.keys(tables)]);
  const wrong = [...names].find((name) => (loaded[name] ?? 0) !== (tables[name] ?? 0));
  if (wrong !== undefined) throw refuse(`${loaded[wrong] ?? 0} rows of ${wrong}, it should hold ${tables[wrong] ?? 0}`);
}
