export type Sample = { name: string; labels: Record<string, string>; value: number };

/** Longest metrics page read, characters; the rest is ignored. */
export const metricsTextMax = 1024 * 1024;
/** Labels of one line that are kept. */
const labelsMax = 64;

const namePattern = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const labelPattern = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|\})/y;
const valuePattern = /^[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|inf(?:inity)?|nan)$/i;

const unescape = (text: string) =>
  text.includes('\\') ? text.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c)) : text;

function parseValue(text: string): number | undefined {
  if (!valuePattern.test(text)) return undefined;
  if (/nan/i.test(text)) return NaN;
  if (/inf/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  return Number(text);
}

/** Labels from just after `{`; gives them and where they end, or undefined when they are not well formed. */
function parseLabels(line: string, start: number): { labels: Record<string, string>; end: number } | undefined {
  const labels: Record<string, string> = {};
  const empty = /\s*\}/y;
  for (let at = start, count = 0; count <= labelsMax; count++) {
    empty.lastIndex = at;
    if (empty.test(line)) return { labels, end: empty.lastIndex };
    labelPattern.lastIndex = at;
    const match = labelPattern.exec(line);
    if (match === null) return undefined;
    // Defined, not assigned: `__proto__` must become a label like any other.
    Object.defineProperty(labels, match[1] as string, {
      value: unescape(match[2] as string),
      enumerable: true,
      configurable: true,
      writable: true,
    });
    at = labelPattern.lastIndex;
    if (match[3] === '}') return { labels, end: at };
  }
  return undefined;
}

function parseLine(line: string): Sample | undefined {
  namePattern.lastIndex = 0;
  const name = namePattern.exec(line)?.[0];
  if (name === undefined) return undefined;
  let at = name.length;
  while (line[at] === ' ' || line[at] === '\t') at++;
  let labels: Record<string, string> = {};
  if (line[at] === '{') {
    const parsed = parseLabels(line, at + 1);
    if (parsed === undefined) return undefined;
    ({ labels, end: at } = parsed);
  } else if (at === name.length) return undefined;
  // After the value may come a timestamp, and after ` # ` an exemplar: neither is wanted.
  const value = parseValue(line.slice(at).trimStart().split(/\s/, 1)[0] ?? '');
  return value === undefined ? undefined : { name, labels, value };
}

/**
 * Samples of a metrics page (Prometheus text 0.0.4 or OpenMetrics). Comments, exemplars and timestamps are skipped, and
 * so is every line that cannot be read: a page comes from a foreign engine. Reads at most `metricsTextMax` characters.
 */
export function* parsePrometheus(text: string): Generator<Sample> {
  const end = Math.min(text.length, metricsTextMax);
  for (let start = 0; start < end;) {
    let stop = text.indexOf('\n', start);
    // A line cut by the limit is dropped: half a number is a wrong number.
    if (stop > end || (stop < 0 && text.length > end)) return;
    if (stop < 0) stop = end;
    const line = text.slice(start, stop).trim();
    start = stop + 1;
    if (line === '' || line.startsWith('#')) continue;
    const sample = parseLine(line);
    if (sample !== undefined) yield sample;
  }
}
