/** A batch as it stands in the spool: one line of JSON, numbered. */
import { parseJson } from '@labmesh/kit/parse-json';
import { logBatchLimits, type ShippedLine, shippedLineSchema } from '@labmesh/wire/frame/log-batch';
import { z } from 'zod';

export type Batch = {
  /** The same each time it is sent. */
  id: string;
  /** Unix ms. */
  readAt: number;
  /** Where each source goes on after these lines. */
  places: Record<string, string>;
  lines: ShippedLine[];
};
export type Entry = Batch & { seq: number };

/** Largest entry: the lines, and a place of each source. */
export const entryBytesMax = 512 * 1024;

export const placesSchema = z.record(z.string().max(4_200), z.string().max(1_100));
const entrySchema = z.object({
  seq: z.int().min(1),
  id: z.uuid(),
  readAt: z.int(),
  places: placesSchema,
  lines: z.array(shippedLineSchema).min(1).max(logBatchLimits.linesMax),
});

export const entryText = (entry: Entry): Buffer => Buffer.from(`${JSON.stringify(entry)}\n`);

/** Undefined: the text is none, half of one for instance. */
export const parseEntry = (text: string): Entry | undefined => entrySchema.safeParse(parseJson(text)).data;
