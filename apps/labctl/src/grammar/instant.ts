/** Moments as people give them: `2026-01-01T12:00:00Z`, `2026-01-01`, or a span before or after now. */
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { parseDuration } from './duration.ts';

const instantPattern = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

export type InstantReading = {
  /** Where the text stands, for the error: `--since`. */
  flag: string;
  /** What a span means: so long ago, or from now on. */
  spans: 'ago' | 'ahead';
  /** Unix milliseconds. */
  now: number;
};

/** RFC 3339 in UTC with milliseconds, as the API takes it. @throws CommandError (exit 2) */
export function parseInstant(text: string, { flag, spans, now }: InstantReading): string {
  const span = parseDuration(text);
  const at =
    span !== undefined
      ? now + (spans === 'ago' ? -span : span)
      : instantPattern.test(text)
        ? Date.parse(text)
        : Number.NaN;
  const iso = Number.isNaN(at) ? undefined : new Date(at);
  // Years of five digits have another form, which the API does not take.
  if (iso === undefined || iso.getUTCFullYear() > 9999 || iso.getUTCFullYear() < 0) {
    const example = spans === 'ago' ? '1h (an hour ago)' : '8h (from now)';
    throw new CommandError(`${flag}: found ${JSON.stringify(text.slice(0, 80))}, expected a moment`, {
      hint: `such as ${example} or 2026-01-01T12:00:00Z`,
      exitCode: exitCodes.usage,
    });
  }
  return iso.toISOString();
}
