/**
 * A version as a stream of events (PD4): a page of rows at a time, so that no version has to fit into memory. What the
 * sink returns is awaited, so a slow reader slows the database down and nothing piles up.
 */
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import {
  type Dataset,
  datasetParts,
  type DatasetPart,
  type ExportEnd,
  type ExportEvent,
} from '@labmesh/wire/verification/datasets';
import type { ExportFormat } from '@labmesh/wire/verification/preference';
import { datasetPage } from '../dataset-rows.ts';
import { PairsError } from '../pairs-error.ts';
import { readTriplet } from '../triplet-rows.ts';
import { exportFile, type FileEvent } from './export-file.ts';
import { formats } from './formats.ts';
import { RowRefused } from './row-refused.ts';

export type ExportSink = (event: ExportEvent) => Promise<void> | void;
export type ExportAsk = {
  store: Store;
  tenant: string;
  dataset: Dataset;
  format: ExportFormat;
  sink: ExportSink;
  signal: AbortSignal;
};

/** Rows read at a time. */
const pageRows = 50;
type ExportFile = ExportEnd['files'][number];

async function* rowsOf({ store, tenant, dataset, signal }: ExportAsk, part: DatasetPart) {
  let left = dataset[part];
  for (let after = ''; ;) {
    signal.throwIfAborted();
    const ask = { tenant, id: dataset.id, part, after, limit: pageRows };
    const found = await store.read(system('pairs'), (db) => datasetPage(db, ask));
    for (const row of found) {
      const triplet = readTriplet(row);
      if (triplet === undefined) throw new PairsError('DATASET_DAMAGED', 'a row is not what its id names');
      left--;
      yield triplet;
    }
    const last = found.at(-1);
    if (found.length < pageRows || last === undefined) break;
    after = last.id;
  }
  // Deleted while we read: the file would not be the version.
  if (left !== 0) throw new PairsError('DATASET_TAINTED', 'rows of this version were deleted; make another');
}

class Counting {
  readonly files: ExportFile[] = [];
  readonly refused: Record<string, number> = {};
  readonly #ask: ExportAsk;

  constructor(ask: ExportAsk) {
    this.#ask = ask;
  }

  refuse(error: unknown): void {
    if (!(error instanceof RowRefused)) throw error;
    this.refused[error.code] = (this.refused[error.code] ?? 0) + 1;
  }

  /** One file; none when no row fits: loaders stumble over empty ones. */
  async write(part: DatasetPart): Promise<void> {
    const { dataset, format, sink } = this.#ask;
    const writer = exportFile(formats[format].parquet);
    const name = `${dataset.name}-v${dataset.number}-${part}.${writer.ending}`;
    const hash = new Bun.CryptoHasher('sha256');
    const file = { name, part, rows: 0, bytes: 0, sha256: '' };
    const send = async (events: readonly FileEvent[]) => {
      for (const event of events) {
        await sink(event);
        const bytes = bytesOf(event);
        hash.update(bytes);
        file.bytes += bytes.length;
      }
    };
    for await (const triplet of rowsOf(this.#ask, part)) {
      let text: string;
      try {
        text = formats[format].line(triplet);
      } catch (error) {
        this.refuse(error);
        continue;
      }
      if (file.rows === 0) await sink({ event: 'file', name, part });
      file.rows++;
      await send(writer.add(text));
    }
    if (file.rows === 0) return;
    await send(writer.end());
    this.files.push({ ...file, sha256: hash.digest('hex') });
  }
}

const bytesOf = (event: FileEvent): Uint8Array =>
  event.event === 'line' ? Buffer.from(`${event.text}\n`) : Uint8Array.fromBase64(event.base64);

/** dataset_info.json: an entry a file, named as the file without its ending. */
function infoOf(files: readonly ExportFile[], format: ExportFormat): ExportEnd['datasetInfo'] {
  const { info } = formats[format];
  if (info === null) return null;
  return Object.fromEntries(files.map(({ name }) => [name.replace(/\.jsonl$/, ''), info(name)]));
}

/** @throws PairsError DATASET_DAMAGED, DATASET_TAINTED; what the sink throws; the signal's reason */
export async function writeExport(ask: ExportAsk): Promise<ExportEnd> {
  const { dataset, format, sink } = ask;
  await sink({ event: 'start', dataset, format });
  const counting = new Counting(ask);
  for (const part of datasetParts) await counting.write(part);
  const { files, refused } = counting;
  const end: ExportEnd = { event: 'end', files, refused, datasetInfo: infoOf(files, format) };
  await sink(end);
  return end;
}
