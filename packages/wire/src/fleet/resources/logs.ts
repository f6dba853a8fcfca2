/** What the log streams of the API take (LG-1): the flags of `labctl logs` as a query. */
import { z } from 'zod';
import { openLogsSchema } from '../../frame/open.ts';

/** Lines of a log to begin with when neither a number nor a time is asked for. */
export const logTailDefault = 100;
/** Rows of the audit log that a stream may begin with. */
export const auditTailMax = 10_000;

const { unit, file, grep, level } = openLogsSchema.unwrap().shape;
const span = { since: z.iso.datetime().optional(), until: z.iso.datetime().optional(), grep };

export const serverLogQuerySchema = z.object({
  ...span,
  follow: z.stringbool().default(false),
  tail: z.coerce.number().int().min(0).max(1_000_000).optional(),
  unit,
  file,
  level,
});
export const auditLogQuerySchema = z.object({
  ...span,
  follow: z.stringbool().default(false),
  tail: z.coerce.number().int().min(0).max(auditTailMax).optional(),
});
