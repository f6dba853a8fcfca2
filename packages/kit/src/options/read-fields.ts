import type { z } from 'zod';
import { didYouMean } from '../nearest.ts';
import { OptionsError, showFound } from './options-error.ts';
import type { OptionsFile } from './read-tables.ts';

/** One key of a table in a config file. */
export type Field = {
  schema: z.ZodType;
  /** Noun phrase for the error: `an integer 1–1024`. */
  expected: string;
  /** What to write instead: `max_concurrent = 4`. */
  example: string;
  /** The value is never shown. */
  secret?: true;
};
export type Fields = Readonly<Record<string, Field>>;
/** The values of a table after checking; a key that the file does not have is absent. */
export type FieldValues<F extends Fields> = { -readonly [K in keyof F]?: z.output<F[K]['schema']> };

type Fault = { found?: string; expected?: string; problem?: string; fix?: string; exitCode?: 3 | 8 };

const partsMax = 16;

/** The line of `key`, else of the table around it: parsers keep no lines, and inline tables have none of their own. */
function lineNear(file: OptionsFile, key: string): { line: number | undefined; exact: boolean } {
  // Real keys have a handful of parts; a made-up name full of dots is not walked to its end.
  let at = key;
  for (let steps = 0; at !== '' && steps < partsMax; steps++) {
    const line = file.lineOf?.(at);
    if (line !== undefined) return { line, exact: at === key };
    at = at.slice(0, Math.max(0, at.lastIndexOf('.'), at.lastIndexOf('[')));
  }
  return { line: undefined, exact: false };
}

/** A place for a message: `labman.toml:14: endpoints.base_url`. With the line known, `[0]` tells nothing more. */
export function placeOf(file: OptionsFile, key: string): { source: string; key: string } {
  const { line, exact } = lineNear(file, key);
  return {
    source: line === undefined ? file.path : `${file.path}:${line}`,
    key: exact ? key.replace(/\[\d+\](?=\.)/g, '') : key,
  };
}

/** The one form of an error in a config file: file, line, key, what was found, what is expected, the way out. */
export function configFault(file: OptionsFile, key: string, fault: Fault): OptionsError {
  const { found, expected, problem, fix, exitCode = 3 } = fault;
  return new OptionsError(
    {
      ...placeOf(file, key),
      exitCode,
      ...(found === undefined ? {} : { found }),
      ...(expected === undefined ? {} : { expected }),
      ...(fix === undefined ? {} : { hint: fix }),
    },
    problem,
  );
}

/** A warning in the same form as an error. */
export function configWarning(file: OptionsFile, key: string, text: string): string {
  const place = placeOf(file, key);
  return `${place.source}: ${place.key}: ${text}`;
}

export const isTomlTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((inner, part) => (inner as Record<PropertyKey, unknown> | undefined)?.[part], value);

const dotted = (path: readonly PropertyKey[]) =>
  path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');

/** One value against its field. @throws OptionsError, exit 3 */
function readField(file: OptionsFile, key: string, raw: unknown, field: Field): unknown {
  const result = field.schema.safeParse(raw);
  if (result.success) return result.data;
  const path = result.error.issues[0]?.path ?? [];
  throw configFault(file, key + dotted(path), {
    found: showFound(valueAt(raw, path), field.secret),
    expected: field.expected,
    fix: `write ${field.example}`,
  });
}

/**
 * Reads the table at `key` ('' = the file itself) by its fields. Keys outside of them go to `unknown`, which throws or
 * warns; `elsewhere` names keys that somebody else reads.
 * @throws OptionsError (exit 3) for the first value that does not fit, or when `raw` is no table.
 */
export function readFields<const F extends Fields>(
  file: OptionsFile,
  at: { key: string; raw: unknown; elsewhere?: readonly string[] },
  fields: F,
  unknown: (key: string, problem: string) => void,
): FieldValues<F> {
  const { key: prefix, raw, elsewhere = [] } = at;
  if (raw === undefined) return {};
  if (!isTomlTable(raw)) {
    const fix = `write [${prefix.replace(/\[\d+\]/g, '')}] and its keys below it`;
    throw configFault(file, prefix, { found: showFound(raw), expected: 'a table', fix });
  }
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(raw)) {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field !== undefined) values[name] = readField(file, key, value, field);
    else if (!elsewhere.includes(name)) {
      unknown(key, `unknown key${didYouMean(name, [...Object.keys(fields), ...elsewhere])}`);
    }
  }
  return values as FieldValues<F>;
}
