/** Rows of an export as the bytes of a file: lines of JSON, or Parquet, a group of rows at a time so that memory is bounded. */
import { datasetLimits, type ExportEvent } from '@labmesh/wire/verification/datasets';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { ParquetColumns } from './parquet-columns.ts';

/** Characters and rows of one row group; a group ends behind the row that passes either. */
export const groupLimits = { charsMost: 4 * 1024 * 1024, rowsMost: 10_000 } as const;

export type FileEvent = Extract<ExportEvent, { event: 'line' | 'bytes' }>;

/** Takes rows as lines of JSON; gives what there is to send. `end` once, behind the last row. */
export type ExportFileWriter = {
  readonly ending: string;
  add(line: string): FileEvent[];
  end(): FileEvent[];
};

const jsonLines: ExportFileWriter = { ending: 'jsonl', add: (text) => [{ event: 'line', text }], end: () => [] };

/** Bytes in events of their size; the rows stand with the first. */
function eventsOf(bytes: Uint8Array, rows: number): FileEvent[] {
  const events: FileEvent[] = [];
  for (let from = 0; from < bytes.length; from += datasetLimits.exportBytesMost) {
    const part = bytes.subarray(from, from + datasetLimits.exportBytesMost);
    events.push({ event: 'bytes', base64: part.toBase64(), rows: from === 0 ? rows : 0 });
  }
  return events;
}

function parquetFile(columns: ParquetColumns): ExportFileWriter {
  const writer = new ByteWriter();
  // Minima and maxima of texts would be texts of prompts and answers, where nobody looks for them.
  const file = new ParquetWriter({ writer, schema: [...columns], statistics: false, createdBy: 'labmesh' });
  const names = topNames(columns);
  let rows: Record<string, unknown>[] = [];
  let chars = 0;
  const sent = (count: number): FileEvent[] => {
    const events = eventsOf(writer.getBytes(), count);
    // Offsets in the file go on; the buffer is used again.
    writer.index = 0;
    return events;
  };
  const group = (): FileEvent[] => {
    const columnData = names.map((name) => ({ name, data: rows.map((row) => row[name]), offsetIndex: false }));
    // Of one group the writer makes one: the rows are in memory already.
    void file.write({ columnData, rowGroupSize: rows.length });
    const events = sent(rows.length);
    [rows, chars] = [[], 0];
    return events;
  };
  return {
    ending: 'parquet',
    add(line) {
      rows.push(JSON.parse(line) as Record<string, unknown>);
      chars += line.length;
      return chars > groupLimits.charsMost || rows.length >= groupLimits.rowsMost ? group() : [];
    },
    end() {
      const events = rows.length > 0 ? group() : [];
      void file.finish();
      return [...events, ...sent(0)];
    },
  };
}

/** Names of the root's own children. */
function topNames(columns: ParquetColumns): string[] {
  const names: string[] = [];
  const skip = (at: number): number => {
    let next = at + 1;
    for (let left = columns[at]?.num_children ?? 0; left > 0; left--) next = skip(next);
    return next;
  };
  for (let at = 1; at < columns.length; at = skip(at)) names.push(columns[at]?.name ?? '');
  return names;
}

export const exportFile = (columns: ParquetColumns | undefined): ExportFileWriter =>
  columns === undefined ? jsonLines : parquetFile(columns);
