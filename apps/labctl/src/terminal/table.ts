import { safeText } from './safe-text.ts';

export type Cell = string | number | undefined;

/** Columns on a terminal, not characters. */
const width = (text: string) => Bun.stringWidth(text);
const pad = (text: string, columns: number) => text + ' '.repeat(Math.max(0, columns - width(text)));

/** Cuts to `columns`, with an ellipsis. */
function cut(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  let short = '';
  for (const character of text) {
    if (width(short + character) > columns - 1) break;
    short += character;
  }
  return `${short}…`;
}

export type TableOptions = {
  /** Width of the terminal; undefined = a pipe, where nothing is cut. */
  columns?: number | undefined;
  /** Applied to a finished cell by its column name and plain text; must not change its width. */
  style?: (column: string, text: string, padded: string) => string;
};

/**
 * Columns under headings, parted by two spaces; no trailing blanks. Cells are made harmless for a terminal. A row
 * wider than the terminal loses the end of its last column only. Ends with a newline; '' without rows.
 */
export function renderTable(
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
  options: TableOptions = {},
): string {
  if (rows.length === 0) return '';
  const texts = rows.map((row) => headings.map((_, index) => safeText(String(row[index] ?? '-'))));
  const widths = headings.map((heading, index) =>
    Math.max(width(heading), ...texts.map((row) => width(row[index] ?? ''))),
  );
  const last = headings.length - 1;
  const before = widths.slice(0, last).reduce((sum, columns) => sum + columns + 2, 0);
  if (options.columns !== undefined) widths[last] = Math.max(8, Math.min(widths[last] ?? 0, options.columns - before));
  const line = (cells: readonly string[], style?: TableOptions['style']) =>
    cells
      .map((text, index) => {
        const fitted = index === last ? cut(text, widths[index] ?? 0) : pad(text, widths[index] ?? 0);
        return style === undefined ? fitted : style(headings[index] ?? '', text, fitted);
      })
      .join('  ')
      .trimEnd();
  return `${[line(headings), ...texts.map((row) => line(row, options.style))].join('\n')}\n`;
}
