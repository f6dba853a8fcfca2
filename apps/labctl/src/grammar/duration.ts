/** Spans of time as people write them: `500ms`, `30s`, `1h30m`, `7d`. */

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof unitMs;

/** Longest span taken, milliseconds: ten years. */
const longestMs = 3_650 * unitMs.d;

export const durationExpectation = 'a duration such as 30s, 5m or 1h30m';

/** Milliseconds, or undefined when the text is no duration. Each unit at most once, large before small. */
export function parseDuration(text: string): number | undefined {
  const match =
    /^(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9}(?:\.\d{1,3})?)s)?(?:(\d{1,9})ms)?$/.exec(text);
  if (match === null || text === '') return undefined;
  const units: readonly Unit[] = ['d', 'h', 'm', 's', 'ms'];
  const total = units.reduce((sum, unit, index) => sum + Number(match[index + 1] ?? 0) * unitMs[unit], 0);
  return total > longestMs ? undefined : Math.round(total);
}
