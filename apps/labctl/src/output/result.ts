/**
 * Results on stdout in the form that was asked for (CT-6). JSON, YAML and ndjson are the API's objects and nothing
 * else; tables are for people.
 */
import type { World } from '../command.ts';
import type { OutputFormat } from '../config/config-keys.ts';
import { paint, type Paint } from '../terminal/paint.ts';
import { safeText } from '../terminal/safe-text.ts';
import { renderTable } from '../terminal/table.ts';
import { tones, type Column, type Tone, type View } from './column.ts';

export type ResultOptions = {
  format: OutputFormat;
  colour: boolean;
  /** Width of the terminal; undefined in a pipe. */
  columns: number | undefined;
  /** Unix milliseconds, for "3m ago". */
  now: number;
};

/** An answer with a list in it, as the API gives it; `nextCursor` is null when nothing follows. */
export type Listed<T> = { items: readonly T[]; nextCursor: string | null };

const colourOf = (paints: Paint): Record<Tone, (text: string) => string> => ({
  good: paints.green,
  busy: paints.yellow,
  bad: paints.red,
  past: paints.dim,
});

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

async function yaml(value: unknown): Promise<string> {
  // Loaded for those who ask for it.
  const { stringify } = await import('yaml');
  // Through JSON: what is undefined is absent, as it is in the API's answer.
  return stringify(JSON.parse(JSON.stringify(value)), { lineWidth: 0 });
}

function table<T>(items: readonly T[], columns: readonly Column<T>[], options: ResultOptions): string {
  const { format, colour, columns: width, now } = options;
  const shown = columns.filter((column) => format === 'wide' || column.wide !== true);
  const states = new Set(shown.filter((column) => column.state).map(({ header }) => header));
  const colours = colourOf(paint(colour));
  const style = (header: string, text: string, padded: string) => {
    const tone = states.has(header) ? tones[text.split(' ')[0] ?? ''] : undefined;
    return tone === undefined ? padded : colours[tone](padded);
  };
  return renderTable(
    shown.map(({ header }) => header),
    items.map((item) => shown.map((column) => column.value(item, now))),
    { columns: format === 'wide' ? undefined : width, style },
  );
}

/** The text of a list. */
export async function renderList<T>(list: Listed<T>, view: View<T>, options: ResultOptions): Promise<string> {
  const { items } = list;
  if (options.format === 'json') return json(list);
  if (options.format === 'yaml') return yaml(list);
  if (options.format === 'ndjson') return items.map((item) => `${JSON.stringify(item)}\n`).join('');
  if (options.format === 'name') return items.map((item) => `${safeText(view.name(item))}\n`).join('');
  return table(items, view.columns, options);
}

/** The text of one thing; a table has one row. */
export async function renderOne<T>(item: T, view: View<T>, options: ResultOptions): Promise<string> {
  if (options.format === 'json') return json(item);
  if (options.format === 'yaml') return yaml(item);
  return renderList({ items: [item], nextCursor: null }, view, options);
}

/** `describe`: every field, a line each; lists and objects indented below their name. */
export function renderFields(fields: readonly (readonly [name: string, value: unknown])[]): string {
  const columns = Math.max(0, ...fields.map(([name]) => name.length)) + 2;
  const lines = fields.flatMap(([name, value]) => fieldLines(name, value, columns));
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

function fieldLines(name: string, value: unknown, columns: number): string[] {
  if (value === null || value === undefined || value === '') return [`${name.padEnd(columns)}-`];
  if (Array.isArray(value)) {
    if (value.length === 0) return [`${name.padEnd(columns)}-`];
    return value.map((one, index) => `${(index === 0 ? name : '').padEnd(columns)}${plain(one)}`);
  }
  if (typeof value === 'object') {
    const entries = Object.entries(value);
    if (entries.length === 0) return [`${name.padEnd(columns)}-`];
    return entries.map(
      ([key, one], index) => `${(index === 0 ? name : '').padEnd(columns)}${safeText(key)}=${plain(one)}`,
    );
  }
  return [`${name.padEnd(columns)}${plain(value)}`];
}

const plain = (value: unknown) => safeText(typeof value === 'string' ? value : (JSON.stringify(value) ?? '-'));

/** Writes results to stdout; the one place that does for fleet commands. */
export class ResultWriter {
  readonly #world: World;
  readonly options: ResultOptions;

  constructor(world: World, options: ResultOptions) {
    this.#world = world;
    this.options = options;
  }

  async list<T>(list: Listed<T>, view: View<T>): Promise<void> {
    this.#world.stdout(await renderList(list, view, this.options));
  }

  async one<T>(item: T, view: View<T>): Promise<void> {
    this.#world.stdout(await renderOne(item, view, this.options));
  }

  /** A thing without columns: its text for people, the object in every other form. */
  async object(value: unknown, text: string): Promise<void> {
    const { format } = this.options;
    if (format === 'json') this.#world.stdout(json(value));
    else if (format === 'yaml') this.#world.stdout(await yaml(value));
    else if (format === 'ndjson') this.#world.stdout(`${JSON.stringify(value)}\n`);
    else this.#world.stdout(text);
  }
}
