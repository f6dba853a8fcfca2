/** Log lines as they are shown (LG-1). */
import type { LogLine } from '@labmesh/wire/frame/open';
import type { Paint } from '../../terminal/paint.ts';
import { safeText } from '../../terminal/safe-text.ts';

const bad = new Set(['emerg', 'alert', 'crit', 'err']);
const longest = 8.64e15;

const timeText = (at: number | null): string =>
  at === null || Math.abs(at) > longest ? '-' : new Date(at).toISOString();

/** `2026-01-01T12:00:00.000Z nginx.service: text`. What the line holds cannot move the cursor. */
export function logText({ at, unit, level, text }: LogLine, paints: Paint): string {
  const body = `${unit === undefined ? '' : `${safeText(unit)}: `}${safeText(text)}`;
  const shown =
    level === undefined ? body : bad.has(level) ? paints.red(body) : level === 'warning' ? paints.yellow(body) : body;
  return `${paints.dim(timeText(at))} ${shown}\n`;
}
