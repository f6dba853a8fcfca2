import { parsePrometheus } from '@labmesh/kit/prometheus-text';
import { ask, type Asked } from '../probe/ask.ts';
import type { Answer, GaugeReading, Kind, PathTemplate } from '../probe/kind.ts';
import type { ProbeFetch } from '../probe/probe-fetch.ts';

export const gaugeLimits = { timeoutMs: 2_000, bytesMax: 1024 * 1024 };

type Metrics = NonNullable<Kind['metrics']>;

/**
 * Picks the gauges out of a metrics page. Several series of one name (data-parallel engines) count together: running
 * and waiting as a sum, KV as the average. Of two spellings the first one present counts, so that none counts twice.
 */
export function gaugesOfMetrics(text: string, names: Omit<Metrics, 'path'>): GaugeReading {
  const wanted = new Set([...names.running, ...names.waiting, ...names.kv]);
  const series = new Map<string, number[]>();
  for (const { name, value } of parsePrometheus(text)) {
    if (!wanted.has(name) || !Number.isFinite(value) || value < 0) continue;
    const values = series.get(name);
    if (values === undefined) series.set(name, [value]);
    else values.push(value);
  }
  const first = (spellings: readonly string[]) =>
    spellings.map((name) => series.get(name)).find((v) => v !== undefined);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const running = first(names.running);
  const waiting = first(names.waiting);
  const kv = first(names.kv);
  return {
    ...(running === undefined ? {} : { running: sum(running) }),
    ...(waiting === undefined ? {} : { waiting: sum(waiting) }),
    ...(kv === undefined ? {} : { kv: Math.min(1, sum(kv) / kv.length) }),
  };
}

/** Whether there is anything to poll. `absent` holds the paths that the engine was found not to have. */
export function hasGauges(kind: Kind, absent: ReadonlySet<PathTemplate>): boolean {
  const paths = [kind.metrics?.path, ...(kind.jsonGauges ?? []).map((source) => source.path)];
  return paths.some((path) => path !== undefined && !absent.has(path));
}

const complete = (reading: GaugeReading): boolean =>
  reading.running !== undefined && reading.waiting !== undefined && reading.kv !== undefined;

/**
 * Reads an engine's load once. Paths that are missing there (404, 405, 501) are added to `absent` and not asked again.
 * Undefined when nothing could be read: load is then unknown, never zero. Never rejects.
 */
export async function readGauges(
  fetch: ProbeFetch,
  asked: Asked,
  kind: Kind,
  absent: Set<PathTemplate>,
): Promise<GaugeReading | undefined> {
  let reading: GaugeReading = {};
  const read = async (path: PathTemplate, take: (answer: Answer) => GaugeReading | undefined) => {
    if (absent.has(path) || complete(reading)) return;
    const answer = await ask(fetch, asked, path, gaugeLimits).catch(() => undefined);
    if (answer === undefined) return;
    if (answer.status === 404 || answer.status === 405 || answer.status === 501) absent.add(path);
    if (answer.status === 200) reading = { ...take(answer), ...reading };
  };
  const { metrics } = kind;
  if (metrics !== undefined) await read(metrics.path, (answer) => gaugesOfMetrics(answer.text, metrics));
  for (const source of kind.jsonGauges ?? []) await read(source.path, (answer) => source.read(answer.json));
  return Object.keys(reading).length === 0 ? undefined : reading;
}
