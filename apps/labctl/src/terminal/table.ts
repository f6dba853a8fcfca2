import { safeText } from './safe-text.ts';

export type Cell = string | number | undefined;

/** Columns on a terminal, not characters. */
const width = (text: string) => Bun.stringWidth(text);
const pad = (text: string, columns: number) => text + ' '.repeat(Math.max(0, columns - width(text)));

let graphemes: Intl.Segmenter | undefined;

/** Cuts to `columns`, with an ellipsis; never inside what is shown as one character. */
export function cutText(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  let short = '';
  // Made when something is cut: it loads Unicode's tables, for which no command should wait that shows no table.
  graphemes ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  for (const { segment } of graphemes.segment(text)) {
    if (width(short + segment) > columns - 1) break;
    short += segment;
  }
  return `${short}…`;
}

export type TableOptions = {
  /** Width of the terminal; undefined = a pipe, where nothing is cut. */
  columns?: number | undefined;
  /** Applied to a finished cell by its column name and plain text; must not change its width. */
  style?: (column: string, text: string, padded: string) => string;
};

const gap = 2;

/**
 * Widths that fit into `room`: the widest columns give way first, those of one width together. Columns of names and
 * states that are short anyway stay whole.
 */
export function fitWidths(natural: readonly number[], room: number): number[] {
  const sum = (list: readonly number[]) => list.reduce((total, one) => total + one, 0);
  const capped = (cap: number) => natural.map((one) => Math.min(one, cap));
  if (sum(natural) <= room) return [...natural];
  let cap = Math.max(...natural);
  while (cap > 1 && sum(capped(cap)) > room) cap--;
  const widths = capped(cap);
  // What one step of the cap took too much goes back, to the left first.
  let spare = room - sum(widths);
  for (let at = 0; at < widths.length && spare > 0; at++) {
    if ((widths[at] ?? 0) >= (natural[at] ?? 0)) continue;
    widths[at] = (widths[at] ?? 0) + 1;
    spare--;
  }
  return widths;
}

/**
 * Columns under headings, parted by two spaces; no trailing blanks. Cells are made harmless for a terminal. Where rows
 * are wider than the terminal, the widest columns are cut until they fit. Ends with a newline; '' without rows.
 */
export function renderTable(
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
  options: TableOptions = {},
): string {
  if (rows.length === 0) return '';
  const texts = rows.map((row) => headings.map((_, index) => safeText(String(row[index] ?? '-'))));
  const natural = headings.map((heading, index) =>
    texts.reduce((most, row) => Math.max(most, width(row[index] ?? '')), width(heading)),
  );
  const room = options.columns === undefined ? Infinity : options.columns - gap * (headings.length - 1);
  const widths = fitWidths(natural, room);
  const line = (cells: readonly string[], style?: TableOptions['style']) =>
    cells
      .map((text, index) => {
        const columns = widths[index] ?? 0;
        const short = cutText(text, columns);
        const fitted = index === headings.length - 1 ? short : pad(short, columns);
        return style === undefined ? fitted : style(headings[index] ?? '', text, fitted);
      })
      .join(' '.repeat(gap))
      .trimEnd();
  return `${[line(headings), ...texts.map((row) => line(row, options.style))].join('\n')}\n`;
}
