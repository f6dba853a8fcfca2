/** A line of a log as it is shipped (AG-7), small enough for a batch. */
import type { LogLine } from '@labmesh/wire/frame/open';
import { logBatchLimits, logLevels, type ShippedLine } from '@labmesh/wire/frame/log-batch';

/** Bytes as JSON, with the comma behind it. */
export type SizedLine = { line: ShippedLine; bytes: number };

/** A cut text is made smaller than it need be, as its characters may be of unequal size. */
const cutShare = 0.9;
const cutNotice = ' [labmesh: cut]';
const unitCharsMax = 256;
const wallMax = 8_640_000_000_000;

const sizeOf = (line: ShippedLine) => Buffer.byteLength(JSON.stringify(line)) + 1;
const timeOf = (at: number | null) => (at !== null && at >= 0 && at <= wallMax ? Math.floor(at) : null);

/** `file`: where it stands; absent for the journal. */
export function shippedLine({ at, unit, level, text }: LogLine, file?: string): SizedLine {
  const known = logLevels.find((one) => one === level);
  const rest = {
    at: timeOf(at),
    ...(known !== undefined && { level: known }),
    ...(unit !== undefined && { unit: unit.slice(0, unitCharsMax) }),
    ...(file !== undefined && { file }),
  };
  let line: ShippedLine = { ...rest, text };
  let kept = text;
  for (let bytes = sizeOf(line); bytes > logBatchLimits.lineBytesMax; bytes = sizeOf(line)) {
    kept = kept.slice(0, Math.floor((kept.length * logBatchLimits.lineBytesMax * cutShare) / bytes));
    line = { ...rest, text: kept + cutNotice };
  }
  return { line, bytes: sizeOf(line) };
}
