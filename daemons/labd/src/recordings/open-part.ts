/** The asciicast bytes of one sealed part (EX-9), as far as they are whole. */
import type { RecordingsTable } from '@labmesh/store/tables';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Sealer } from '../secrets/sealer.ts';
import { partContext, partMagic } from './part-file.ts';
import { ChunkError, ChunkOpener } from './sealed-chunks.ts';

const newline = 0x0a;

/** What is to be read: the row's fields that open it. */
export type PartRow = Pick<RecordingsTable, 'id' | 'session_id' | 'replica_id' | 'part' | 'sealed_key'>;

/** Bytes after the magic. @throws ChunkError when the file is another kind of file, or ends within the magic. */
async function* withoutMagic(sealed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let start = new Uint8Array();
  let isPast = false;
  for await (const piece of sealed) {
    if (isPast) {
      yield piece;
      continue;
    }
    start = Buffer.concat([start, piece]);
    if (start.length < partMagic.length) continue;
    if (!partMagic.every((byte, i) => start[i] === byte)) throw new ChunkError('damaged', 0);
    isPast = true;
    yield start.subarray(partMagic.length);
  }
  if (!isPast) throw new ChunkError('cut', 0);
}

/** Whole lines out of pieces; a last line without its end is dropped. */
export async function* wholeLines(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest = new Uint8Array();
  for await (const piece of pieces) {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const end = bytes.lastIndexOf(newline) + 1;
    rest = bytes.slice(end);
    if (end > 0) yield bytes.subarray(0, end);
  }
}

/**
 * Plain asciicast bytes of one part. Throws ChunkError once all that is intact was given: `cut` for a part whose end was
 * never written (it still runs, or labd was killed), `damaged` for one that was changed.
 */
export async function* openPart(
  row: PartRow,
  sealed: AsyncIterable<Uint8Array>,
  sealer: Sealer,
): AsyncGenerator<Uint8Array> {
  const key = sealer.open('recordings', row.id, 'sealed_key', row.sealed_key);
  const opener = new ChunkOpener(key, partContext(row.id, row.session_id, row.replica_id, row.part));
  for await (const piece of withoutMagic(sealed)) {
    for (const frame of opener.push(piece)) yield Bun.zstdDecompressSync(frame);
  }
  opener.end();
}

/** For people: a recording that was changed after it was written. */
export const damagedRecording = (error: ChunkError, id: string): FleetError =>
  new FleetError('INTERNAL', {
    message: 'this recording is damaged: it is not what labd wrote',
    log: `recording ${id}: ${error.message}`,
    cause: error,
  });
