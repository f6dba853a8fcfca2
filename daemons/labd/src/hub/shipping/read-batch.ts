/** The lines of a batch, from an agent that nobody trusts. */
import { logBatchLimits, type ShippedLine, shippedLineSchema } from '@labmesh/wire/frame/log-batch';

/** Undefined: it is none, and will be none when it is sent again. What is in it, is not told. */
export function readBatch(lines: readonly unknown[]): ShippedLine[] | undefined {
  if (lines.length === 0 || lines.length > logBatchLimits.linesMax) return undefined;
  const read: ShippedLine[] = [];
  for (const line of lines) {
    const parsed = shippedLineSchema.safeParse(line);
    if (!parsed.success) return undefined;
    read.push(parsed.data);
  }
  return read;
}
