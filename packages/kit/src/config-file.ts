import { readFile } from 'node:fs/promises';
import { parse, TomlError } from 'smol-toml';
import type { z } from 'zod';
import { didYouMean } from './nearest.ts';
import { OptionsError, showFound } from './options/options-error.ts';
import { placeInFile, type OptionsFile } from './options/read-tables.ts';

/** Largest config file read, bytes. */
export const configBytesMax = 1024 * 1024;

/**
 * Tells the line of each key, as `gateway.port` or `endpoints[1].base_url`. TOML parsers keep no lines, so this reads
 * headers and `key =` beginnings; a line it misses only makes an error message a little less exact.
 */
function findLines(text: string): Map<string, number> {
  const lines = new Map<string, number>();
  const counts = new Map<string, number>();
  let prefix = '';
  let insideText = false;
  text.split('\n').forEach((line, index) => {
    const quotes = line.match(/"""|'''/g)?.length ?? 0;
    const startsInside = insideText;
    if (quotes % 2 === 1) insideText = !insideText;
    if (startsInside) return;
    const header = /^\s*(\[\[?)\s*([^\]]+?)\s*\]/.exec(line);
    const name = header?.[2]?.replace(/["'\s]/g, '');
    if (header && name) {
      const count = counts.get(name) ?? 0;
      prefix = header[1] === '[[' ? `${name}[${count}]` : name;
      counts.set(name, count + 1);
      lines.set(prefix, index + 1);
      if (!lines.has(name)) lines.set(name, index + 1);
      return;
    }
    const key = /^\s*([\w"'.\- ]+?)\s*=/.exec(line)?.[1]?.replace(/["'\s]/g, '');
    if (key) lines.set(prefix === '' ? key : `${prefix}.${key}`, index + 1);
  });
  return lines;
}

/** Parses TOML text. @throws OptionsError (exit 3) with file, line and column. */
export function parseConfig(path: string, text: string): OptionsFile {
  try {
    const data = parse(text) as Record<string, unknown>;
    let lines: Map<string, number> | undefined;
    return { path, data, lineOf: (key) => (lines ??= findLines(text)).get(key) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split('\n')[0]?.replace('Invalid TOML document: ', '') ?? 'not valid TOML';
    throw new OptionsError(
      { source: `${path}:${error.line}:${error.column}`, exitCode: 3 },
      `not valid TOML: ${reason}`,
    );
  }
}

/** Reads a TOML file. @throws OptionsError: exit 4 when it is absent, 3 when it cannot be read or parsed. */
export async function readConfigFile(path: string): Promise<OptionsFile> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const code = (error as { code?: string }).code ?? 'unreadable';
    if (code === 'ENOENT') throw new OptionsError({ source: path, exitCode: 4 }, 'there is no such file');
    throw new OptionsError({ source: path, exitCode: 3 }, `cannot be read (${code})`);
  }
  if (bytes.length > configBytesMax)
    throw new OptionsError({ source: path, exitCode: 3 }, `is larger than ${configBytesMax} bytes`);
  return parseConfig(path, bytes.toString('utf8'));
}

const dotted = (path: readonly PropertyKey[]) =>
  path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`,
    '',
  );

const valueAt = (data: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((value, part) => (value as Record<PropertyKey, unknown> | undefined)?.[part], data);

/**
 * The part of a file below `key` (`endpoints`), by a zod schema; undefined when the file has no such key.
 * @throws OptionsError (exit 3) with file, line, key, what was found and what is expected, for the first fault.
 */
export function parseTable<S extends z.ZodType>(
  file: OptionsFile,
  key: string,
  schema: S,
  knownNames: readonly string[] = [],
): z.output<S> | undefined {
  const raw = valueAt(file.data, key.split('.'));
  if (raw === undefined) return undefined;
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = dotted([...key.split('.'), ...(issue?.path ?? [])]);
  if (issue?.code === 'unrecognized_keys') {
    const name = issue.keys[0] ?? '';
    const full = `${path}.${name}`;
    throw new OptionsError(
      { source: placeInFile(file, full), key: full, exitCode: 3 },
      `unknown key${didYouMean(name, knownNames)}`,
    );
  }
  const problem = `found ${showFound(valueAt(raw, issue?.path ?? []), /key|secret|token|password/i.test(path))}: ${issue?.message ?? 'not valid'}`;
  throw new OptionsError({ source: placeInFile(file, path), key: path, exitCode: 3 }, problem);
}
