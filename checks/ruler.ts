/**
 * The ruler of the style guide: how long, deep and talkative the tree may be. A wall never gives. An aim is a ratchet:
 * `ruler.json` holds the worst value still allowed while the tree is past the aim, and may only come nearer to it
 * (`bun tools/tighten.ts` moves it). Source means code of packages, daemons and apps without its tests.
 */
import { Visitor } from 'oxc-parser';
import { edges } from './imports.ts';
import { type Source, sources } from './sources.ts';

/** `aim` and `wall` are the largest value allowed, or the smallest where `atLeast`. */
export type Mark = { aim: number; wall: number; atLeast?: true };

export const marks = {
  fileLinesMedian: { aim: 80, wall: 200 },
  fileLinesP90: { aim: 250, wall: 350 },
  fileLinesLongest: { aim: 400, wall: 500 },
  functionLinesP90: { aim: 30, wall: 50 },
  functionLinesLongest: { aim: 70, wall: 70 },
  foldersBelowSrc: { aim: 2, wall: 3 },
  filesPerFolder: { aim: 15, wall: 20 },
  importsPerFileP90: { aim: 10, wall: 12 },
  importsPerFileLongest: { aim: 15, wall: 15 },
  commentPercentMost: { aim: 20, wall: 35 },
  commentPercentLeast: { aim: 10, wall: 6, atLeast: true },
  testLinesPerSourceLine: { aim: 0.8, wall: 0.5, atLeast: true },
  entryFileLines: { aim: 40, wall: 60 },
  daemonDependencies: { aim: 10, wall: 15 },
} as const satisfies Record<string, Mark>;

export type MeasureName = keyof typeof marks;

/** One measured thing and where it stands. */
export type Measure = { name: MeasureName; value: number; where: string };

const isSource = (source: Source) => /^(?:packages|daemons|apps)\/[^/]+\/src\//.test(source.path) && !source.test;

/** The value below which `share` of the sorted list lies; 0 for an empty list. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

export type FunctionSpan = { path: string; line: number; name: string; lines: number };

/** Every function, method and arrow with the lines of its body. A callback of `describe` is a heading, not a function. */
export function functionsOf(source: Source): FunctionSpan[] {
  const found: FunctionSpan[] = [];
  const headings = new Set<number>();
  const add = (node: { start: number; body: { start: number; end: number } | null; id?: { name: string } | null }) => {
    if (node.body === null || headings.has(node.start)) return;
    const lines = source.lineAt(node.body.end - 1) - source.lineAt(node.body.start) + 1;
    found.push({ path: source.path, line: source.lineAt(node.start), name: node.id?.name ?? '(anonymous)', lines });
  };
  new Visitor({
    CallExpression: (node) => {
      if (!source.test || !/^describe\b/.test(source.text.slice(node.callee.start, node.callee.end))) return;
      for (const argument of node.arguments) headings.add(argument.start);
    },
    FunctionDeclaration: add,
    FunctionExpression: add,
    ArrowFunctionExpression: add,
  }).visit(source.program);
  return found;
}

/** Lines that hold a comment, and lines that hold anything. */
export function commentLines(source: Source): { comment: number; filled: number } {
  const lines = new Set<number>();
  for (const comment of source.comments) {
    const last = source.lineAt(comment.end - 1);
    for (let line = source.lineAt(comment.start); line <= last; line++) lines.add(line);
  }
  return { comment: lines.size, filled: source.text.split('\n').filter((line) => line.trim() !== '').length };
}

function lineMeasures(all: readonly Source[]): Measure[] {
  const own = all.filter(isSource);
  const counts = own.map((source) => source.lineCount);
  const tests = all.filter((source) => source.test && !source.path.startsWith('checks/'));
  const sum = (list: readonly Source[]) => list.reduce((total, source) => total + source.lineCount, 0);
  return [
    { name: 'fileLinesMedian', value: quantile(counts, 0.5), where: `${own.length} source files` },
    { name: 'fileLinesP90', value: quantile(counts, 0.9), where: `${own.length} source files` },
    ...all.map((one) => ({ name: 'fileLinesLongest', value: one.lineCount, where: `${one.path}:1` }) as const),
    ...all
      .filter((one) => /^(?:daemons|apps)\/[^/]+\/src\/main\.ts$/.test(one.path))
      .map((one) => ({ name: 'entryFileLines', value: one.lineCount, where: `${one.path}:1` }) as const),
    {
      name: 'testLinesPerSourceLine',
      value: Math.round((sum(tests) / Math.max(1, sum(own))) * 100) / 100,
      where: `${sum(tests)} lines of tests for ${sum(own)} lines of source`,
    },
  ];
}

function functionMeasures(all: readonly Source[]): Measure[] {
  const spans = all.flatMap(functionsOf);
  const lines = all.filter(isSource).flatMap((source) => functionsOf(source).map((span) => span.lines));
  return [
    { name: 'functionLinesP90', value: quantile(lines, 0.9), where: `${lines.length} functions` },
    ...spans.map(
      (span) =>
        ({ name: 'functionLinesLongest', value: span.lines, where: `${span.path}:${span.line} ${span.name}` }) as const,
    ),
  ];
}

function folderMeasures(all: readonly Source[]): Measure[] {
  const placed = all.map((source) => {
    const folder = source.path.split('/').slice(0, -1);
    const below = folder.length - (folder.indexOf('src') === -1 ? 1 : folder.indexOf('src') + 1);
    return { folder: folder.join('/'), below, test: source.test };
  });
  // A test stands beside its source, so it does not fill the folder.
  const byFolder = Map.groupBy(
    placed.filter((one) => !one.test),
    (one) => one.folder,
  );
  const depth = new Map(placed.map((one) => [one.folder, one.below]));
  return [
    ...[...depth].map(([where, value]) => ({ name: 'foldersBelowSrc', value, where }) as const),
    ...[...byFolder].map(([where, list]) => ({ name: 'filesPerFolder', value: list.length, where }) as const),
  ];
}

function importMeasures(all: readonly Source[]): Measure[] {
  const known = new Set(all.map((source) => source.path));
  const counted = Map.groupBy(
    edges().filter((edge) => known.has(edge.from)),
    (edge) => edge.from,
  );
  const own = all.filter(isSource).map((source) => counted.get(source.path)?.length ?? 0);
  return [
    { name: 'importsPerFileP90', value: quantile(own, 0.9), where: `${own.length} source files` },
    ...[...counted].map(
      ([path, list]) => ({ name: 'importsPerFileLongest', value: list.length, where: `${path}:1` }) as const,
    ),
  ];
}

function commentMeasures(all: readonly Source[]): Measure[] {
  const byWorkspace = Map.groupBy(all.filter(isSource), (source) => source.workspace);
  return [...byWorkspace].flatMap(([workspace, list]) => {
    const counts = list.map(commentLines);
    const [comment, filled] = [counts.reduce((n, c) => n + c.comment, 0), counts.reduce((n, c) => n + c.filled, 0)];
    const value = Math.round((comment / Math.max(1, filled)) * 100);
    const where = `${workspace}: ${comment} of ${filled} lines`;
    return [
      { name: 'commentPercentMost', value, where } as const,
      { name: 'commentPercentLeast', value, where } as const,
    ];
  });
}

/** Every measure of the tree but the daemons' dependencies, which dependencies.test.ts takes. */
export function measures(all: readonly Source[] = sources()): Measure[] {
  const taken = [lineMeasures, functionMeasures, folderMeasures, importMeasures, commentMeasures];
  return taken.flatMap((measure) => measure(all));
}

/** True where `value` is on the wrong side of `limit`. */
export function past(mark: Mark, value: number, limit: number): boolean {
  return mark.atLeast ? value < limit : value > limit;
}

/** The limit in force: the aim, or what ruler.json still allows, never past the wall. */
export function limitOf(name: MeasureName, allowed: Partial<Record<MeasureName, number>>): number {
  const mark: Mark = marks[name];
  const limit = allowed[name] ?? mark.aim;
  return past(mark, limit, mark.wall) ? mark.wall : limit;
}

/** The measures past their limit, each as a line that names place, measure, value and limit. */
export function rulerFindings(taken: readonly Measure[], allowed: Partial<Record<MeasureName, number>>): string[] {
  return taken
    .filter(({ name, value }) => past(marks[name], value, limitOf(name, allowed)))
    .map(({ name, value, where }) => {
      const mark: Mark = marks[name];
      return `${where}: ${name} ${value}, limit ${limitOf(name, allowed)} (aim ${mark.aim}, wall ${mark.wall})`;
    });
}

/** The worst value of each measure. */
export function worst(taken: readonly Measure[]): Partial<Record<MeasureName, number>> {
  const found: Partial<Record<MeasureName, number>> = {};
  for (const { name, value } of taken) {
    const before = found[name];
    if (before === undefined || past(marks[name], value, before)) found[name] = value;
  }
  return found;
}
