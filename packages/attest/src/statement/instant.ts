/** Instants in documents: RFC 3339 in UTC with Z, to the second or millisecond, and only such that exist. */
import { z } from 'zod';

const pattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z$/;

/** Unix milliseconds; NaN when the text is no instant. The 30th of February is none. */
export function instantOf(text: string): number {
  if (!pattern.test(text)) return Number.NaN;
  const at = Date.parse(text);
  if (Number.isNaN(at)) return Number.NaN;
  // Rolled over into another day, it would not come back as it was.
  return new Date(at).toISOString().slice(0, 19) === text.slice(0, 19) ? at : Number.NaN;
}

export const instantText = (at: number): string => new Date(at).toISOString();

export const instant = z.string().refine((text) => !Number.isNaN(instantOf(text)), 'no instant in UTC');
