/** Fields that many resources share (AP-2, AP-3): camelCase keys, ids uuid v7, times RFC 3339 UTC with milliseconds. */
import { z } from 'zod';

export const idField = z.uuid();
/** Names in paths and references (CT-1). */
export const nameField = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
    'is not a name: lower-case letters, digits, dots and dashes, at most 253',
  );
export const timeField = z.iso.datetime({ precision: 3 });
export const labelKeyField = z.string().regex(/^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/, 'is not a label key');
export const labelValueField = z
  .string()
  .max(253)
  .regex(/^[A-Za-z0-9._:/@+-]*$/, 'is not a label value');
export const labelsField = z
  .record(labelKeyField, labelValueField)
  .refine((labels) => Object.keys(labels).length <= 64, 'has more than 64 labels');
export const revisionField = z.int().min(1);

export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(500).default(100),
  cursor: z.string().max(512).optional(),
};
export const pageQuerySchema = z.object(pageQuery);

/** A list's answer; `nextCursor` is null on the last page. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });

/** Text of an instant as the API writes it. */
export const timeText = (ms: number): string => new Date(ms).toISOString();
/** The same for a time that may be missing. */
export const timeTextOrNull = (ms: number | null): string | null => (ms === null ? null : timeText(ms));

export const doneSchema = z.object({ ok: z.literal(true) });
