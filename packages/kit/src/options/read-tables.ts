import { didYouMean } from '../nearest.ts';
import type { OptionDefs } from './option-def.ts';
import { OptionsError, showFound } from './options-error.ts';

export type OptionsFile = {
  path: string;
  /** The parsed TOML. */
  data: Readonly<Record<string, unknown>>;
  /** 1-based line of a dotted key, where it can be told. */
  lineOf?: (key: string) => number | undefined;
  /** Dotted paths that other parts read. When given, unknown top-level keys are errors too. */
  known?: readonly string[];
};
export type FoundKey = { raw: unknown; source: string; key: string; exitCode: 3 };

const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

/** `labmesh.toml:14`, or the path alone when the line is not known. */
export function placeInFile(file: OptionsFile, key: string): string {
  const line = file.lineOf?.(key);
  return line === undefined ? file.path : `${file.path}:${line}`;
}

function unknownKey(file: OptionsFile, key: string, siblings: string[]): never {
  throw new OptionsError(
    { source: placeInFile(file, key), key, exitCode: 3 },
    `unknown key${didYouMean(key, siblings)}`,
  );
}

/** Finds each option's value in the file, and refuses keys that nobody reads inside tables that hold options. */
export function readTables(defs: OptionDefs, file: OptionsFile): Map<string, FoundKey> {
  const byPath = new Map<string, string>();
  for (const [key, def] of Object.entries(defs)) if (def.file !== undefined) byPath.set(def.file, key);
  const readElsewhere = new Set(file.known ?? []);
  const paths = [...byPath.keys(), ...readElsewhere];
  const found = new Map<string, FoundKey>();
  const walk = (table: Readonly<Record<string, unknown>>, prefix: string) => {
    for (const [name, value] of Object.entries(table)) {
      const path = prefix === '' ? name : `${prefix}.${name}`;
      const key = byPath.get(path);
      if (key !== undefined) {
        found.set(key, { raw: value, source: placeInFile(file, path), key: path, exitCode: 3 });
      } else if (readElsewhere.has(path)) {
        continue;
      } else if (paths.some((other) => other.startsWith(`${path}.`))) {
        if (!isTable(value)) {
          throw new OptionsError({
            source: placeInFile(file, path),
            key: path,
            found: showFound(value),
            expected: 'a table',
            exitCode: 3,
          });
        }
        walk(value, path);
      } else if (prefix !== '' || file.known !== undefined) {
        const depth = path.split('.').length;
        unknownKey(file, path, [...new Set(paths.map((other) => other.split('.').slice(0, depth).join('.')))]);
      }
    }
  };
  walk(file.data, '');
  return found;
}
