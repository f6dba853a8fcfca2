/**
 * Metrics of one process in Prometheus text 0.0.4. The hot path touches one number: take a handle once with
 * `counter.labels('a', 'b')` and keep it, then `handle.inc()`. A metric holds at most `seriesMax` label sets; all above
 * share one series whose labels read `_other`, so that a stranger cannot fill our memory with made-up names.
 */
export type MetricKind = 'counter' | 'gauge' | 'histogram';

/** Label sets a metric keeps before the rest becomes `_other`. */
export const seriesMaxDefault = 200;
/** Label values are cut here, characters. */
export const labelCharsMax = 128;

export type MetricOptions = { labels?: readonly string[]; seriesMax?: number };
export type Reading = { labels?: readonly string[]; value: number };

export class Counter {
  value = 0;
  /** Adds `n` ≥ 0. */
  inc(n = 1): void {
    this.value += n;
  }
}

export class Gauge {
  value = 0;
  set(value: number): void {
    this.value = value;
  }
  add(n: number): void {
    this.value += n;
  }
}

export class Histogram {
  readonly bounds: readonly number[];
  /** Observations per bucket, not cumulated; the last one is +Inf. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds } = this;
    let i = 0;
    // A walk beats a binary search on the dozen buckets that a histogram has.
    while (i < bounds.length && value > (bounds[i] as number)) i++;
    this.counts[i] = (this.counts[i] as number) + 1;
    this.sum += value;
  }
}

const escapeLabel = (text: string) => text.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`));
const escapeHelp = (text: string) => text.replace(/[\\\n]/g, (c) => (c === '\n' ? '\\n' : '\\\\'));
const number = (value: number) => (value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value));

/** All series of one metric name. `labels(...)` gives the handle to keep. */
export class Family<S> {
  readonly name: string;
  readonly kind: MetricKind;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly seriesMax: number;
  readonly series = new Map<string, { values: readonly string[]; handle: S }>();
  readonly #make: () => S;

  constructor(name: string, kind: MetricKind, help: string, make: () => S, options: MetricOptions) {
    this.name = name;
    this.kind = kind;
    this.help = help;
    this.#make = make;
    this.labelNames = options.labels ?? [];
    this.seriesMax = options.seriesMax ?? seriesMaxDefault;
    const bad = [name, ...this.labelNames].find((text) => !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(text));
    if (bad !== undefined) throw new TypeError(`not a metric or label name: ${bad}`);
  }

  /** The series with these label values, in the order of the declared names. An empty value reads `_unknown`. */
  labels(...given: readonly string[]): S {
    const found = this.series.get(given.join('\u0000'));
    if (found !== undefined) return found.handle;
    const values = this.labelNames.map((_, i) => (given[i] ?? '').slice(0, labelCharsMax) || '_unknown');
    const key = values.join('\u0000');
    const known = this.series.get(key);
    if (known !== undefined) return known.handle;
    if (this.series.size >= this.seriesMax) return this.#other();
    const handle = this.#make();
    this.series.set(key, { values, handle });
    return handle;
  }

  #other(): S {
    const values = this.labelNames.map(() => '_other');
    const key = values.join('\u0000');
    const entry = this.series.get(key) ?? { values, handle: this.#make() };
    this.series.set(key, entry);
    return entry.handle;
  }
}

function labelText(names: readonly string[], values: readonly string[], le?: string): string {
  const pairs = names.map((name, i) => `${name}="${escapeLabel(values[i] ?? '')}"`);
  if (le !== undefined) pairs.push(`le="${le}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function histogramLines(
  name: string,
  names: readonly string[],
  values: readonly string[],
  histogram: Histogram,
): string[] {
  let total = 0;
  const lines = Array.from(histogram.counts, (count, i) => {
    total += count;
    return `${name}_bucket${labelText(names, values, number(histogram.bounds[i] ?? Infinity))} ${total}`;
  });
  const labels = labelText(names, values);
  return [...lines, `${name}_sum${labels} ${number(histogram.sum)}`, `${name}_count${labels} ${total}`];
}

type AnyFamily = Family<Counter> | Family<Gauge> | Family<Histogram>;

/** One registry a process or daemon. Names are unique: a second declaration of a name throws. */
export class Metrics {
  readonly #families = new Map<string, { family: AnyFamily; read: (() => Iterable<Reading> | number) | undefined }>();
  readonly #prefix: string;

  /** `prefix` stands before each name, such as `labmesh_gateway_`. */
  constructor(prefix = '') {
    this.#prefix = prefix;
  }

  /** With `read`, as a gauge: for what is counted elsewhere. */
  counter(
    name: string,
    help: string,
    options: MetricOptions & { read?: () => Iterable<Reading> | number } = {},
  ): Family<Counter> {
    return this.#add(new Family(this.#prefix + name, 'counter', help, () => new Counter(), options), options.read);
  }

  /** With `read`, the values are asked for at each scrape instead of being kept; its readings carry label values. */
  gauge(
    name: string,
    help: string,
    options: MetricOptions & { read?: () => Iterable<Reading> | number } = {},
  ): Family<Gauge> {
    return this.#add(new Family(this.#prefix + name, 'gauge', help, () => new Gauge(), options), options.read);
  }

  /** `buckets` are upper bounds, rising, without +Inf. */
  histogram(name: string, help: string, buckets: readonly number[], options: MetricOptions = {}): Family<Histogram> {
    if (buckets.some((bound, i) => i > 0 && bound <= (buckets[i - 1] as number)))
      throw new TypeError(`${name}: buckets must rise`);
    return this.#add(new Family(this.#prefix + name, 'histogram', help, () => new Histogram(buckets), options));
  }

  #add<F extends AnyFamily>(family: F, read?: () => Iterable<Reading> | number): F {
    if (this.#families.has(family.name)) throw new TypeError(`the metric ${family.name} is declared twice`);
    this.#families.set(family.name, { family, read });
    return family;
  }

  /** The whole page, `text/plain; version=0.0.4`. A gauge that throws while it is read is left out. */
  render(): string {
    const lines: string[] = [];
    for (const { family, read } of this.#families.values()) {
      lines.push(`# HELP ${family.name} ${escapeHelp(family.help)}`, `# TYPE ${family.name} ${family.kind}`);
      if (read !== undefined) readInto(family as Family<Gauge | Counter>, read);
      for (const { values, handle } of family.series.values()) {
        if (handle instanceof Histogram) lines.push(...histogramLines(family.name, family.labelNames, values, handle));
        else lines.push(`${family.name}${labelText(family.labelNames, values)} ${number(handle.value)}`);
      }
    }
    return `${lines.join('\n')}\n`;
  }
}

function readInto(family: Family<Gauge | Counter>, read: () => Iterable<Reading> | number): void {
  family.series.clear();
  try {
    const readings = read();
    // Added up rather than set: readings past the series limit share one `_other`.
    for (const { labels = [], value } of typeof readings === 'number' ? [{ value: readings }] : readings)
      family.labels(...labels).value += value;
  } catch {
    family.series.clear();
  }
}

export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8';
