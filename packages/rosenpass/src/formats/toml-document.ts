import { configBytesMax, parseConfig } from '@labmesh/kit/config-file';
import { didYouMean } from '@labmesh/kit/nearest';
import { OptionsError, showFound } from '@labmesh/kit/options/options-error';
import { type OptionsFile, placeInFile } from '@labmesh/kit/options/read-tables';
import type { z } from 'zod';

/** What a file of another program says, and one line for each thing in it that has no effect here. */
export type Imported<T> = { config: T; warnings: readonly string[] };

/** Unknown keys that are named one by one. */
const warningsMax = 100;

const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const dotted = (path: readonly PropertyKey[]) =>
  path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}${text && '.'}${String(part)}`),
    '',
  );

/** @throws OptionsError: larger than 1 MiB, or not TOML. */
export function parseDocument(path: string, text: string): OptionsFile {
  if (text.length > configBytesMax) {
    throw new OptionsError({ source: path, exitCode: 3 }, `is larger than ${configBytesMax} bytes`);
  }
  return parseConfig(path, text);
}

/** The whole document by a schema. @throws OptionsError for the first fault, with its line and key. */
export function readDocument<S extends z.ZodType>(file: OptionsFile, schema: S): z.output<S> {
  const result = schema.safeParse(file.data);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const key = dotted(issue?.path ?? []);
  const found = (issue?.path ?? []).reduce<unknown>(
    (value, part) => (value as Record<PropertyKey, unknown> | undefined)?.[part],
    file.data,
  );
  const shown = isTable(found) ? '' : `found ${showFound(found, /key|secret/.test(key))}: `;
  throw new OptionsError(
    { source: placeInFile(file, key), key, exitCode: 3 },
    `${shown}${issue?.message ?? 'not valid'}`,
  );
}

/** The warning for one key of the file. */
export function warningAt(file: OptionsFile, key: string, text: string): string {
  return `${placeInFile(file, key)}: ${key}: ${text}`;
}

/** A key of the file as a message may show it: no control characters, not for ever. */
const shownKey = (key: string) =>
  /^[\w-]{1,40}$/.test(key) ? key : `"${key.replaceAll(/[^ -~]/g, '?').slice(0, 40)}"`;

/**
 * A warning for each key of a table, and of each table of its list `peers`, that is not among the known ones; 100 at
 * most.
 */
export function unknownKeys(file: OptionsFile, top: readonly string[], perPeer: readonly string[]): string[] {
  const unknown = (table: unknown, prefix: string, known: readonly string[]) =>
    Object.keys(isTable(table) ? table : {})
      .filter((key) => !known.includes(key))
      .map((key) => {
        const place = placeInFile(file, `${prefix}${key}`);
        return `${place}: ${prefix}${shownKey(key)}: unknown key, ignored${didYouMean(key, known)}`;
      });
  const peers: readonly unknown[] = Array.isArray(file.data.peers) ? file.data.peers : [];
  const warnings = [
    ...unknown(file.data, '', top),
    ...peers.flatMap((peer, index) => unknown(peer, `peers[${index}].`, perPeer)),
  ];
  const more = warnings.length - warningsMax;
  return more <= 0 ? warnings : [...warnings.slice(0, warningsMax), `${file.path}: and ${more} more unknown keys`];
}
