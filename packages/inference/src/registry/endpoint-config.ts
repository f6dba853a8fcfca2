/**
 * Endpoints as an operator writes them: `[[endpoints]]` (or classic `[[endpoint]]`) tables of a TOML file, read into
 * EndpointSpecs. Two spellings of one thing are both read; where both stand in one entry they have to agree.
 * Sources: network plane 2.3, gateway I-1.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { configFault, configWarning, isTomlTable, readFields } from '@labmesh/kit/options/read-fields';
import type { Field, FieldValues } from '@labmesh/kit/options/read-fields';
import { showFound } from '@labmesh/kit/options/options-error';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import { z } from 'zod';
import { defaultTimeouts, endpointSpec, type EndpointSpec, kindNames, type Target, type Timeouts } from './endpoint.ts';
import { BaseUrlError, parseBaseUrl } from './parse-base-url.ts';

export const endpointConfigLimits = {
  /** ENDPOINTS_MAX */
  endpointsMax: 256,
  /** GLOBS */
  globsMax: 64,
  globCharsMax: 256,
  headersMax: 64,
};

export type EndpointRules = {
  /** labman: a base_url without `/v1` is an error that says the corrected one. */
  requireV1: boolean;
  /** Table that holds the lists, such as `labman`; '' = the top of the file. */
  under?: string;
  /** What stands where an entry says nothing. */
  timeouts?: Timeouts;
  probeIntervalMs?: number;
  /** Why an address may not be used, as `is …`; undefined = it may. */
  refuse?: (target: Target) => string | undefined;
  /** Takes what a classic file may have and a canonical one may not; absent = that is an error. */
  warn?: (line: string) => void;
  /** Reads an `api_key_file`; replaced in tests. */
  readText?: (path: string) => string;
};

// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const control = /[\u0000-\u001f\u007f-\u009f]/;
const text = (max: number, min = 1) =>
  z
    .string()
    .min(min)
    .max(max)
    .refine((value) => !control.test(value));
const integer = (min: number, max: number, name: string, example: number) => ({
  schema: z.number().int().min(min).max(max),
  expected: `an integer ${min}–${max}`,
  example: `${name} = ${example}`,
});
const seconds = (name: string, example: number) => ({
  schema: z.number().min(0).max(86_400),
  expected: 'a number of seconds 0–86400',
  example: `${name} = ${example}`,
});
const globs = (name: string) => ({
  schema: z.array(text(endpointConfigLimits.globCharsMax)).max(endpointConfigLimits.globsMax),
  expected: `a list of at most ${endpointConfigLimits.globsMax} patterns of 1–${endpointConfigLimits.globCharsMax} characters`,
  example: `${name} = ["llama*"]`,
});

const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
const ownHeaders = new Set(['host', 'connection', 'transfer-encoding', 'content-length']);
const headers = z
  .record(
    z.string().refine((name) => headerName.test(name) && !ownHeaders.has(name.toLowerCase())),
    text(4_096, 0),
  )
  .refine((all) => Object.keys(all).length <= endpointConfigLimits.headersMax);

const filterFields = { include: globs('include'), exclude: globs('exclude') };
const timeoutFields = {
  connect_ms: integer(0, 86_400_000, 'connect_ms', 3_000),
  queue_s: seconds('queue_s', 60),
  load_s: seconds('load_s', 300),
  ttft_s: seconds('ttft_s', 120),
  inter_token_s: seconds('inter_token_s', 60),
  total_s: seconds('total_s', 1_800),
};
const table = (name: string, inside: string) => ({
  schema: z.custom<Record<string, unknown>>(isTomlTable),
  expected: 'a table',
  example: `${name} = { ${inside} }`,
});

const fields = {
  name: { schema: text(64), expected: 'a text of 1–64 characters', example: 'name = "ollama"' },
  base_url: {
    schema: z.string().max(2_048),
    expected: 'an address',
    example: 'base_url = "http://127.0.0.1:11434/v1"',
  },
  kind: {
    schema: z.enum(['auto', ...kindNames]),
    expected: `one of auto, ${kindNames.join(', ')}`,
    example: 'kind = "auto"',
  },
  api_key: { schema: text(4_096), expected: 'a text', example: 'api_key_file = "/path/of/a/file"', secret: true },
  // Not shown either: a key written into the wrong line must not end up in a log.
  api_key_file: { schema: text(4_096), expected: 'a path', example: 'api_key_file = "/path/of/a/file"', secret: true },
  headers: {
    schema: headers,
    expected: 'texts by header name, without Host, Connection, Transfer-Encoding and Content-Length',
    example: 'headers = { "X-Api-Key" = "…" }',
    secret: true,
  },
  max_concurrent: integer(0, 1_024, 'max_concurrent', 4),
  models_include: globs('models_include'),
  models_exclude: globs('models_exclude'),
  models: table('models', 'include = ["llama*"]'),
  'models.include': globs('models.include'),
  'models.exclude': globs('models.exclude'),
  tenant: { schema: text(64, 0), expected: 'a text of at most 64 characters', example: 'tenant = "acme"' },
  weight: integer(1, 1_000, 'weight', 1),
  enabled: { schema: z.boolean(), expected: 'true or false', example: 'enabled = true' },
  connect_timeout_s: seconds('connect_timeout_s', 5),
  ttft_timeout_s: seconds('ttft_timeout_s', 600),
  idle_timeout_s: seconds('idle_timeout_s', 120),
  total_timeout_s: seconds('total_timeout_s', 3_600),
  timeouts: table('timeouts', 'ttft_s = 120'),
  probe_interval_s: {
    schema: z.number().min(1).max(3_600),
    expected: 'a number of seconds 1–3600',
    example: 'probe_interval_s = 30',
  },
} as const satisfies Record<string, Field>;

/** Documented, but nothing here acts on them yet: never taken silently. */
const later =
  'queue_max queue_wait_s tls_ca_file tls_pin expand cost_in cost_out waiting_max visible_to roles tier labels'.split(
    ' ',
  );

type Values = FieldValues<typeof fields>;
type Entry = { file: OptionsFile; key: string; rules: EndpointRules };
type Spelling<T> = readonly [key: string, value: T | undefined];

function unknownKey({ file, rules }: Entry, key: string, problem: string): void {
  const isLater = later.includes(key.slice(key.lastIndexOf('.') + 1));
  const said = isLater ? 'has no effect in this version' : problem;
  if (rules.warn !== undefined) return rules.warn(configWarning(file, key, said));
  throw configFault(file, key, {
    problem: said,
    fix: said.includes('did you mean') ? 'mend or remove it' : 'remove it',
  });
}

/** The one value of several spellings; two that differ are an error. */
function agree<T>({ file, key }: Entry, spellings: readonly Spelling<T>[]): T | undefined {
  const [first, ...others] = spellings.filter(([, value]) => value !== undefined);
  const other = others.find(([, value]) => JSON.stringify(value) !== JSON.stringify(first?.[1]));
  if (first === undefined || other === undefined) return first?.[1];
  const problem = `differs from ${first[0]} in the same entry`;
  throw configFault(file, `${key}.${other[0]}`, { problem, fix: `keep only ${first[0]}` });
}

function readFilters(entry: Entry, values: Values): Pick<EndpointSpec, 'modelsInclude' | 'modelsExclude'> {
  const at = { key: `${entry.key}.models`, raw: values.models };
  const inside = readFields(entry.file, at, filterFields, (key, problem) => unknownKey(entry, key, problem));
  const of = (name: 'include' | 'exclude') => {
    const quoted = values[`models.${name}`];
    const dotted = inside[name];
    const plain = values[`models_${name}`];
    return (
      agree(entry, [
        [`models_${name}`, plain],
        [`models.${name}`, dotted],
        [`models.${name}`, quoted],
      ]) ?? []
    );
  };
  return { modelsInclude: of('include'), modelsExclude: of('exclude') };
}

function readTimeouts(entry: Entry, values: Values): Timeouts {
  const at = { key: `${entry.key}.timeouts`, raw: values.timeouts };
  const inside = readFields(entry.file, at, timeoutFields, (key, problem) => unknownKey(entry, key, problem));
  const base = entry.rules.timeouts ?? defaultTimeouts;
  const ms = (value: unknown) => (typeof value === 'number' ? Math.round(value * 1_000) : undefined);
  const both = (flat: keyof Values, name: keyof typeof timeoutFields) =>
    agree(entry, [
      [flat, ms(values[flat])],
      [`timeouts.${name}`, ms(inside[name])],
    ]);
  const connectMs = inside.connect_ms;
  return {
    connectMs:
      agree(entry, [
        ['connect_timeout_s', ms(values.connect_timeout_s)],
        ['timeouts.connect_ms', connectMs],
      ]) ?? base.connectMs,
    queueMs: ms(inside.queue_s) ?? base.queueMs,
    loadMs: ms(inside.load_s) ?? base.loadMs,
    ttftMs: both('ttft_timeout_s', 'ttft_s') ?? base.ttftMs,
    interTokenMs: both('idle_timeout_s', 'inter_token_s') ?? base.interTokenMs,
    totalMs: both('total_timeout_s', 'total_s') ?? base.totalMs,
  };
}

/** An address as it may be shown: without user and password. */
const shownUrl = (url: string) => showFound(url.replace(/^([a-z]*:?\/*)[^/]*@/i, '$1[hidden]@'));

function readBaseUrl({ file, key: entryKey, rules }: Entry, baseUrl: string | undefined): string {
  const key = `${entryKey}.base_url`;
  const { example } = fields.base_url;
  if (baseUrl === undefined) throw configFault(file, key, { problem: 'is missing', fix: `write ${example}` });
  let target: Target;
  try {
    target = parseBaseUrl(baseUrl);
  } catch (error) {
    if (!(error instanceof BaseUrlError)) throw error;
    const problem = `${shownUrl(baseUrl)}: ${error.message}`;
    throw configFault(file, key, {
      found: shownUrl(baseUrl),
      expected: fields.base_url.expected,
      problem,
      fix: `write ${example}`,
    });
  }
  const trimmed = baseUrl.trim();
  if (rules.requireV1 && !/\/v1$|\/v1\//.test(trimmed)) {
    const corrected = showFound(`${trimmed.replace(/\/+$/, '')}/v1`);
    const said = { found: shownUrl(trimmed), expected: 'an address that ends in /v1' };
    throw configFault(file, key, { ...said, problem: `${said.found} must end in /v1`, fix: `write ${corrected}` });
  }
  const refused = rules.refuse?.(target);
  if (refused !== undefined) {
    const fix = 'write the address of an LLM server';
    throw configFault(file, key, { found: shownUrl(trimmed), problem: `${shownUrl(trimmed)} ${refused}`, fix });
  }
  return baseUrl;
}

function readKeyFile({ file, key: entryKey, rules }: Entry, path: string): string {
  const key = `${entryKey}.api_key_file`;
  const fault = (problem: string) => configFault(file, key, { problem, fix: 'name a file that holds only the key' });
  let found: string;
  try {
    found = (rules.readText ?? ((at) => readFileSync(at, 'utf8')))(resolve(dirname(file.path), path)).trim();
  } catch (error) {
    throw fault(`the file cannot be read (${(error as { code?: string }).code ?? 'unreadable'})`);
  }
  if (text(4_096).safeParse(found).success) return found;
  throw fault('the file is empty, too long or has several lines');
}

function readEntry(entry: Entry, raw: unknown): { spec: EndpointSpec; enabled: boolean } {
  const { file, key, rules } = entry;
  const values = readFields(file, { key, raw }, fields, (at, problem) => unknownKey(entry, at, problem));
  const { name } = values;
  if (name === undefined)
    throw configFault(file, `${key}.name`, { problem: 'is missing', fix: `write ${fields.name.example}` });
  const baseUrl = readBaseUrl(entry, values.base_url);
  if (values.api_key !== undefined && values.api_key_file !== undefined) {
    throw configFault(file, `${key}.api_key`, { problem: 'stands beside api_key_file', fix: 'keep only api_key_file' });
  }
  const enabled = values.enabled ?? true;
  // A disabled entry may name a file that is not there yet.
  const keyFile = enabled ? values.api_key_file : undefined;
  const apiKey = values.api_key ?? (keyFile === undefined ? undefined : readKeyFile(entry, keyFile));
  const interval = values.probe_interval_s;
  const spec = endpointSpec({
    name,
    baseUrl,
    kind: values.kind ?? 'auto',
    ...(apiKey === undefined ? {} : { apiKey }),
    headers: values.headers ?? {},
    maxConcurrent: values.max_concurrent ?? 0,
    ...readFilters(entry, values),
    tenant: values.tenant ?? '',
    weight: values.weight ?? 1,
    timeouts: readTimeouts(entry, values),
    probeIntervalMs: interval === undefined ? (rules.probeIntervalMs ?? 10_000) : interval * 1_000,
  });
  return { spec, enabled };
}

/** The entries of one list, each with its dotted key. */
function entriesOf(
  file: OptionsFile,
  under: string,
  list: 'endpoints' | 'endpoint',
): Array<{ key: string; raw: unknown }> {
  const outer = under === '' ? file.data : file.data[under];
  const raw = isTomlTable(outer) ? outer[list] : undefined;
  if (raw === undefined) return [];
  const key = under === '' ? list : `${under}.${list}`;
  // `[endpoint]` with single brackets is a common slip.
  const fault = { found: isTomlTable(raw) ? 'one table' : showFound(raw), expected: 'a list of tables' };
  if (!Array.isArray(raw)) throw configFault(file, key, { ...fault, fix: `write [[${key}]] before each entry` });
  return raw.map((one: unknown, index) => ({ key: `${key}[${index}]`, raw: one }));
}

/**
 * All enabled endpoints of a file, `endpoints` first. Names are unique over both lists.
 * @throws OptionsError (exit 3) with file, line, key and the way out, for the first fault.
 */
export function readEndpoints(file: OptionsFile, rules: EndpointRules): EndpointSpec[] {
  const under = rules.under ?? '';
  const entries = [...entriesOf(file, under, 'endpoints'), ...entriesOf(file, under, 'endpoint')];
  const { endpointsMax } = endpointConfigLimits;
  if (entries.length > endpointsMax) {
    const problem = `limit_exceeded: ${entries.length} entries, and ENDPOINTS_MAX is ${endpointsMax}`;
    throw configFault(file, entries[endpointsMax]?.key ?? 'endpoints', {
      problem,
      fix: 'remove entries or run a second node',
    });
  }
  const seen = new Map<string, string>();
  const specs: EndpointSpec[] = [];
  for (const { key, raw } of entries) {
    const { spec, enabled } = readEntry({ file, key, rules }, raw);
    const before = seen.get(spec.name);
    if (before !== undefined) {
      const line = file.lineOf?.(before);
      const problem = `${showFound(spec.name)} is the name of ${before}${line === undefined ? '' : ` (line ${line})`} and of ${key}`;
      throw configFault(file, `${key}.name`, {
        found: showFound(spec.name),
        problem,
        fix: 'give one of them another name',
      });
    }
    seen.set(spec.name, key);
    if (enabled) specs.push(spec);
  }
  return specs;
}
