/** An export as it comes in: events, a line each, into the folder. What breaks off on the way leaves nothing behind. */
import { readLines } from '@labmesh/kit/line-splitter';
import { parseJson } from '@labmesh/kit/parse-json';
import { arenaLineBytesMost } from '@labmesh/wire/verification/arena-run';
import { type ExportEnd, type ExportEvent, exportEventSchema } from '@labmesh/wire/verification/datasets';
import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { startProgress } from '../terminal/progress.ts';
import type { ExportFolder } from './export-folder.ts';

/** The events of the answer. @throws CommandError for a line that is none */
async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<ExportEvent> {
  try {
    for await (const line of readLines(body, 'arena.line_bytes', arenaLineBytesMost)) {
      const read = exportEventSchema.safeParse(parseJson(line));
      if (!read.success)
        throw new CommandError('the export is not understood', { hint: 'it may be of another version' });
      yield read.data;
    }
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError('the export broke off', {
      hint: 'nothing was written; run the command again',
      cause: error,
    });
  }
}

/** Writes what comes, to the end of the export. */
export async function receiveExport(
  body: AsyncIterable<Uint8Array>,
  folder: ExportFolder,
  world: World,
): Promise<ExportEnd> {
  const progress = startProgress(world);
  try {
    for await (const event of eventsOf(body)) {
      if (event.event === 'end') return event;
      folder.take(event);
      // Rows that the format cannot hold are counted as expected too: the share may end below 100.
      const share = Math.floor((100 * folder.rows) / Math.max(1, folder.expected ?? 1));
      progress.step(`rows of the version: ${share} %`);
    }
  } finally {
    progress.end();
  }
  throw new CommandError('the export broke off', { hint: 'nothing was written; run the command again' });
}
