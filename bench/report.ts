import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { dirname, join } from 'node:path';

/** What every bench writes to `bench/results/<bench>.json`. Metric names are flat, snake_case, with the unit in them. */
export type Report = {
  bench: string;
  /** ISO 8601. */
  date: string;
  machine: { cpu: string; cores: number; memGb: number; os: string; pinned: boolean };
  /** '' = not obtainable here. */
  versions: Record<string, string>;
  /** A metric that could not be measured is absent, never 0 or null. */
  metrics: Record<string, number>;
  notes: string[];
};

/** A bound that a metric has to keep; one of `max` and `min`. */
export type Goal = { metric: string; max?: number; min?: number };

export const repositoryRoot = join(import.meta.dir, '..');

export function machineFacts(pinned: boolean): Report['machine'] {
  const cores = cpus();
  const memGb = Math.round(totalmem() / 2 ** 30);
  return {
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memGb,
    os: `${type()} ${release().split('-')[0]}`,
    pinned,
  };
}

export function labmeshVersion(): string {
  const text = readFileSync(join(repositoryRoot, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Rounds to four significant digits: more would claim a precision that no run has. */
export function round(value: number): number {
  return Number(value.toPrecision(4));
}

/** Metrics rounded and in name order; values that are not finite (nothing was measured) are left out. */
export function tidyMetrics(metrics: Record<string, number>): Record<string, number> {
  const entries = Object.entries(metrics).filter(([, value]) => Number.isFinite(value));
  return Object.fromEntries(
    entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => [name, round(value)]),
  );
}

/** Writes the report (to `bench/results/<bench>.json` unless `path` is given) and gives the path. */
export function writeReport(
  report: Report,
  path = join(repositoryRoot, 'bench/results', `${report.bench}.json`),
): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify({ ...report, metrics: tidyMetrics(report.metrics) }, null, 2)}\n`);
  return path;
}

/** One line per goal that is missed or was not measured; empty = all kept. */
export function missedGoals(metrics: Record<string, number>, goals: readonly Goal[]): string[] {
  return goals.flatMap(({ metric, max, min }) => {
    const value = metrics[metric];
    if (value === undefined || !Number.isFinite(value)) return [`${metric}: not measured`];
    if (max !== undefined && value > max) return [`${metric}: ${round(value)} is over ${max}`];
    if (min !== undefined && value < min) return [`${metric}: ${round(value)} is under ${min}`];
    return [];
  });
}

/** A Markdown table: first column left, the rest right-aligned, padded so that it reads in a terminal too. */
export function markdownTable(header: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const widths = header.map((title, column) =>
    Math.max(3, title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => pad(cells[column] ?? '', width, column)).join(' | ')} |`;
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(header), line(rule), ...rows.map(line)].join('\n');
}

function pad(text: string, width: number, column: number): string {
  return column === 0 ? text.padEnd(width) : text.padStart(width);
}

/** A metric as a table cell; `–` when it is absent. */
export function cell(value: number | undefined, digits = 1): string {
  return value === undefined || !Number.isFinite(value) ? '–' : value.toFixed(digits);
}
