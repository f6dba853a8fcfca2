/** `spool/state.json`: what is through, and where each source goes on. */
import { readFileSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseJson } from '@labmesh/kit/parse-json';
import { z } from 'zod';
import { placesSchema } from './entry.ts';

const stateSchema = z.object({
  version: z.literal(1),
  /** The last entry that need not be sent any more. */
  doneSeq: z.int().min(0),
  /** The last entry that `places` know of; later ones stand in the entries themselves. */
  placesSeq: z.int().min(0),
  places: placesSchema,
  shippedLines: z.int().min(0),
  droppedLines: z.int().min(0),
});
export type SpoolState = z.infer<typeof stateSchema>;

const pathOf = (folder: string) => join(folder, 'state.json');

/** A new one when there is none that can be read: the sources begin anew, which loses less than it would to stop. */
export function readSpoolState(folder: string): SpoolState {
  let text = '';
  try {
    text = readFileSync(pathOf(folder), 'utf8');
  } catch {
    // The first start.
  }
  const empty = { version: 1, doneSeq: 0, placesSeq: 0, places: {}, shippedLines: 0, droppedLines: 0 } as const;
  return stateSchema.safeParse(parseJson(text)).data ?? { ...empty, places: {} };
}

/** The old one or the new one, whatever happens. @throws what the file system says. */
export async function writeSpoolState(folder: string, state: SpoolState): Promise<void> {
  const draft = `${pathOf(folder)}.tmp`;
  try {
    const file = await open(draft, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(state)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, pathOf(folder));
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
}
