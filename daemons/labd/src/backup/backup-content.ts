/**
 * The inside of a backup (BK-1), a tar:
 *
 *     manifest.json                      what is in it
 *     kek.key                            with `withKey`: the key file
 *     tables/secret_keys.000001.jsonl    first, so that a restore knows its keys before it writes anything
 *     tables/….000001.jsonl …            a row a line, parents before children, at most 1 MiB or one row a file
 *     keys/<sha256>.pk                   Rosenpass public keys of the tunnel's peers
 *     recordings/2025-11-21/….labrec     with `recordings`: sealed files as they are
 *     counts.json                        rows of each table, and recordings
 */
import type { DumpRow } from '@labmesh/store/dump/dump-tables';
import type { DataTable } from '@labmesh/store/dump/columns';
import { z } from 'zod';
import type { TarEntry } from './tar.ts';

/** Bytes of one JSON file, of the key file, and of one row. */
const smallBytesMax = 1024 * 1024;
const rowBytesMax = 64 * 1024 * 1024;

export const manifestSchema = z.strictObject({
  version: z.literal(1),
  /** Unix ms. */
  createdAt: z.int().min(0),
  engine: z.enum(['sqlite', 'postgres']),
  /** labd's version, for people. */
  release: z.string().max(64),
  /** Ids of the keys that open what is sealed in it, the active one first. */
  keyIds: z.array(z.string().max(64)).max(64),
  withKey: z.boolean(),
  recordings: z.boolean(),
});
export type Manifest = z.infer<typeof manifestSchema>;

export const countsSchema = z.strictObject({
  tables: z.record(z.string().max(64), z.int().min(0)),
  recordings: z.int().min(0),
  /** Recordings whose file was not there. */
  recordingsMissing: z.int().min(0),
});
export type Counts = z.infer<typeof countsSchema>;

/** One line of a table's file. */
export const rowLine = (row: DumpRow['row']): string => `${JSON.stringify(row)}\n`;

export const tableFile = (table: DataTable, number: number): string =>
  `tables/${table}.${String(number).padStart(6, '0')}.jsonl`;

/** The table of a file's name; undefined for other files. */
export const tableOfFile = (name: string): string | undefined => /^tables\/([a-z_]+)\.\d{6,9}\.jsonl$/.exec(name)?.[1];

/** A small file whole. @throws RangeError above 1 MiB. */
export async function wholeBody({ name, size, body }: TarEntry): Promise<string> {
  if (size > smallBytesMax) throw new RangeError(`${name} is too large`);
  return Buffer.concat(await Array.fromAsync(body)).toString();
}

/** The rows of a table's file. @throws RangeError, SyntaxError for what we do not write. */
export async function* rowsOfBody({ name, body }: TarEntry): AsyncGenerator {
  let waiting: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body) {
    let from = 0;
    for (let at = piece.indexOf(0x0a); at >= 0; at = piece.indexOf(0x0a, from)) {
      yield JSON.parse(Buffer.concat([...waiting, piece.subarray(from, at)]).toString()) as unknown;
      waiting = [];
      length = 0;
      from = at + 1;
    }
    if (from === piece.length) continue;
    waiting.push(piece.slice(from));
    length += piece.length - from;
    if (length > rowBytesMax) throw new RangeError(`a row of ${name} is too large`);
  }
  if (length > 0) throw new SyntaxError(`${name} ends within a row`);
}
