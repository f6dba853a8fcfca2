/**
 * Log shipping over the agent link (AG-7): an agent sends `log-batch` and keeps it until `log-ack` says that the
 * collector has it. One batch is one frame, so it stays below the 256 KiB of AG-7; the next one leaves after the answer.
 *
 *     agent ── log-batch {id, lines} ─▶ labd ── OTLP/HTTP ─▶ collector
 *           ◀── log-ack {id, status} ──
 */
import { z } from 'zod';

export const logBatchLimits = {
  /** Bytes of the lines as JSON: with their frame below `frameLimits.payloadBytesMax`. */
  bytesMax: 60 * 1024,
  linesMax: 1_000,
  /** Bytes of one line as JSON; its text is cut to fit. */
  lineBytesMax: 24 * 1024,
} as const;

export const logLevels = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'] as const;

/** One line on its way to a collector. A line without `file` is one of the journal. */
export const shippedLineSchema = z.lazy(() =>
  z.object({
    /** Unix ms, null when the source tells none. */
    at: z.int().min(0).max(8_640_000_000_000).nullable(),
    level: z.enum(logLevels).optional(),
    unit: z.string().max(256).optional(),
    file: z.string().max(4_096).optional(),
    text: z.string().max(logBatchLimits.lineBytesMax),
  }),
);
export type ShippedLine = z.infer<typeof shippedLineSchema>;

/** Judged by whoever forwards it: a batch that is none is refused by `log-ack`, and the link stays. */
export const logBatchSchema = z.object({
  kind: z.literal('log-batch'),
  /** The same each time this batch is sent: with it and its place in the batch a line is known. */
  id: z.uuid(),
  /** Unix ms when the agent had read the last line. */
  readAt: z.int().min(0).max(8_640_000_000_000).optional(),
  lines: z.array(z.unknown()).max(10_000),
});

/**
 * `done`: the collector has it. `retry`: not now, again after `retryAfterMs`. `refused`: it will never be taken, drop
 * it. `off`: this labd has no collector; send none until a HELLO_OK says otherwise.
 */
export const logAckSchema = z.object({
  kind: z.literal('log-ack'),
  id: z.uuid(),
  status: z.enum(['done', 'retry', 'refused', 'off']),
  retryAfterMs: z.int().min(0).max(600_000).optional(),
});
export type LogAck = z.infer<typeof logAckSchema>;

/** How shipping goes on an agent, for labd's metrics. */
export const shippingReportSchema = z.lazy(() =>
  z.object({
    spooledBytes: z.int().min(0),
    /** Since the spool was made. */
    shippedLines: z.int().min(0),
    droppedLines: z.int().min(0),
  }),
);
export type ShippingReport = z.infer<typeof shippingReportSchema>;
