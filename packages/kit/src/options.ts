/**
 * Options declared once: each definition gives the flag, the environment name, the place in the file, the help line,
 * the default and the TypeScript type. A value is taken from the first place that has one:
 *
 *     flag  >  file  >  environment  >  default
 *
 * Text becomes a narrow type here and is never checked again inside.
 */
import { readFileSync } from 'node:fs';
import type { OptionDef, OptionDefs, OptionValues } from './options/option-def.ts';
import { OptionsError, showFound } from './options/options-error.ts';
import { readFlags } from './options/read-flags.ts';
import { readTables, type OptionsFile } from './options/read-tables.ts';
import { parseBytes, parseDuration } from './options/units.ts';

export type OptionsInput = {
  /** Without program and script name. */
  argv?: readonly string[];
  env?: Readonly<Record<string, string | undefined>>;
  file?: OptionsFile | undefined;
  /** Most words that are no flags; more is an error. Default: any number. */
  positionalsMax?: number;
  /** Reads a `_FILE` secret; replaced in tests. */
  readText?: (path: string) => string;
};
export type ParsedOptions<D extends OptionDefs> = {
  values: OptionValues<D>;
  positionals: string[];
  /** Where each value came from: `--port`, `labmesh.toml:3`, `GATEWAY_PORT`, `default` or `unset`. */
  sources: Record<keyof D & string, string>;
};

export { OptionsError } from './options/options-error.ts';
export { renderHelp } from './options/render-help.ts';

type Found = { raw: unknown; source: string; key?: string; exitCode: 2 | 3 };

/** Checks nothing, keeps the literal types: `defineOptions({ port: { type: 'integer', … } })`. */
export function defineOptions<const D extends OptionDefs>(defs: D): D {
  return defs;
}

function expectation(def: OptionDef): string {
  if ((def.type === 'string' || def.type === 'string[]') && def.choices !== undefined)
    return `one of ${def.choices.join(', ')}`;
  if (def.type === 'string') return 'a text';
  if (def.type === 'string[]') return 'a list of texts';
  if (def.type === 'boolean') return 'true or false';
  if (def.type === 'duration') return 'a time such as 10s, 5m or 1h30m';
  if (def.type === 'bytes') return 'a size such as 256KiB or 1MiB';
  const noun = def.type === 'integer' ? 'an integer' : 'a number';
  if (def.min !== undefined && def.max !== undefined) return `${noun} ${def.min}–${def.max}`;
  if (def.min !== undefined) return `${noun} of at least ${def.min}`;
  return def.max === undefined ? noun : `${noun} of at most ${def.max}`;
}

function asNumber(raw: unknown, def: Extract<OptionDef, { type: 'integer' | 'number' }>): number | undefined {
  const value = typeof raw === 'string' && /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(raw) ? Number(raw) : raw;
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
  if (def.type === 'integer' && !Number.isSafeInteger(value)) return undefined;
  return value < (def.min ?? -Infinity) || value > (def.max ?? Infinity) ? undefined : value;
}

const words: Record<string, boolean> = {
  true: true,
  '1': true,
  yes: true,
  on: true,
  false: false,
  '0': false,
  no: false,
  off: false,
};

/** The raw value as the definition's type, or undefined when it does not fit. */
function convert(raw: unknown, def: OptionDef): unknown {
  if (def.type === 'boolean')
    return typeof raw === 'boolean' ? raw : typeof raw === 'string' ? words[raw.toLowerCase()] : undefined;
  if (def.type === 'duration') return typeof raw === 'string' ? parseDuration(raw) : undefined;
  if (def.type === 'bytes') return parseBytes(String(raw));
  if (def.type !== 'string' && def.type !== 'string[]') return asNumber(raw, def);
  const { choices } = def;
  const fits = (text: unknown) => typeof text === 'string' && (choices === undefined || choices.includes(text));
  if (def.type === 'string') return fits(raw) ? raw : undefined;
  // The environment has no lists: commas part them there.
  const list =
    typeof raw === 'string'
      ? raw
          .split(',')
          .map((part) => part.trim())
          .filter((part) => part !== '')
      : Array.isArray(raw) && def.numbers === true
        ? raw.map((item: unknown) => (typeof item === 'number' ? String(item) : item))
        : raw;
  return Array.isArray(list) && list.every(fits) ? [...(list as string[])] : undefined;
}

function fromEnv(
  def: OptionDef,
  env: Readonly<Record<string, string | undefined>>,
  readText: (path: string) => string,
): Found | undefined {
  if (def.env === undefined) return undefined;
  // An empty variable is an unset one: compose files write `NAME=${NAME:-}`.
  const text = env[def.env] || undefined;
  const name = `${def.env}_FILE`;
  const path = def.envFile ? env[name] || undefined : undefined;
  if (text !== undefined && path !== undefined) {
    throw new OptionsError(
      { source: name, exitCode: 3, hint: 'unset one of them' },
      `both ${def.env} and ${name} are set`,
    );
  }
  if (text !== undefined) return { raw: text, source: def.env, exitCode: 3 };
  if (path === undefined) return undefined;
  try {
    return { raw: readText(path).replace(/\r?\n$/, ''), source: name, exitCode: 3 };
  } catch (error) {
    const reason = (error as { code?: string }).code ?? 'unreadable';
    throw new OptionsError(
      { source: name, exitCode: 3, found: showFound(path) },
      `cannot read the file ${showFound(path)} (${reason})`,
    );
  }
}

function decide(key: string, def: OptionDef, found: Found | undefined): unknown {
  if (found === undefined) {
    if (def.default !== undefined && (def.type === 'duration' || def.type === 'bytes'))
      return convert(def.default, def);
    if (def.default !== undefined) return Array.isArray(def.default) ? [...def.default] : def.default;
    if (def.type === 'string[]') return [];
    if (!def.required) return undefined;
    const places = [def.flag && `--${def.flag}`, def.file && `${def.file} in the file`, def.env]
      .filter(Boolean)
      .join(' or ');
    throw new OptionsError(
      { source: def.flag ? `--${def.flag}` : (def.file ?? key), exitCode: def.flag ? 2 : 3, hint: `set ${places}` },
      'a value is required',
    );
  }
  const value = convert(found.raw, def);
  if (value !== undefined) return value;
  const fault = {
    source: found.source,
    found: showFound(found.raw, def.secret),
    expected: expectation(def),
    exitCode: found.exitCode,
  };
  throw new OptionsError(found.key === undefined ? fault : { ...fault, key: found.key });
}

/** True when the words ask for help, before anything is checked: help must work beside a broken file. */
export function wantsHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? argv.length : end).some((word) => word === '--help' || word === '-h');
}

/**
 * Takes the values from command line, file, environment and defaults, in this order.
 * @throws OptionsError naming the place, what was found and what is expected; exit code 2 for flags, 3 otherwise.
 */
export function parseOptions<D extends OptionDefs>(defs: D, input: OptionsInput = {}): ParsedOptions<D> {
  const readText = input.readText ?? ((path) => readFileSync(path, 'utf8'));
  const { flags, positionals } = readFlags(defs, input.argv ?? [], input.positionalsMax ?? Infinity);
  const tables = input.file === undefined ? undefined : readTables(defs, input.file);
  const values: Record<string, unknown> = {};
  const sources: Record<string, string> = {};
  for (const [key, def] of Object.entries(defs)) {
    const found = flags.get(key) ?? tables?.get(key) ?? fromEnv(def, input.env ?? {}, readText);
    values[key] = decide(key, def, found);
    sources[key] = found?.source ?? (values[key] === undefined ? 'unset' : 'default');
  }
  return { values: values as OptionValues<D>, positionals, sources };
}
