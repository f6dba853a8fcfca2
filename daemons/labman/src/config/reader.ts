/** One settings file while it is read: where its tables lie, what an unknown key means, which addresses are safe. */
import {
  configFault,
  configWarning,
  type Fields,
  type FieldValues,
  readFields,
} from '@labmesh/kit/options/read-fields';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import { showFound } from '@labmesh/kit/options/options-error';
import { isWildcard, type ListenAddress, parseListenAddress } from '@labmesh/kit/http/listen-address';

export type ConfigRules = {
  /** Takes each warning as one line. */
  warn: (line: string) => void;
  /** A classic file is held to the rules of a canonical one. */
  strict?: boolean;
};

/** One file while it is read; `root` is the table that holds a node's settings, `under` its name. */
export type Reader = {
  file: OptionsFile;
  under: string;
  root: Record<string, unknown>;
  classic: boolean;
  rules: ConfigRules;
};

export const keyIn = (reader: Reader, key: string) => (reader.under === '' ? key : `${reader.under}.${key}`);
export const warnAt = (reader: Reader, key: string, text: string) =>
  reader.rules.warn(configWarning(reader.file, keyIn(reader, key), text));

/** C2: what a classic file may have beside the known keys, a canonical one may not. */
function unknownKey(reader: Reader, key: string, problem: string): void {
  if (reader.classic && !reader.rules.strict) return reader.rules.warn(configWarning(reader.file, key, problem));
  throw configFault(reader.file, key, {
    problem,
    fix: problem.includes('did you mean') ? 'mend or remove it' : 'remove it',
  });
}

export function readTable<F extends Fields>(
  reader: Reader,
  name: string,
  raw: unknown,
  fields: F,
  elsewhere: string[] = [],
): FieldValues<F> {
  const key = name === '' ? reader.under : keyIn(reader, name);
  return readFields(reader.file, { key, raw, elsewhere }, fields, (at, problem) => unknownKey(reader, at, problem));
}

/** A listen address that is `allowed`, or an error with exit code 8. */
export function safeAddress(
  reader: Reader,
  at: { key: string; text: string; port: number; example: string },
  allowed: (address: ListenAddress) => string | undefined,
): ListenAddress {
  const key = keyIn(reader, at.key);
  const fix = `write ${at.example}`;
  const address = parseListenAddress(at.text, at.port);
  const found = showFound(at.text);
  if (address === undefined) throw configFault(reader.file, key, { found, expected: 'IP or IP:port', fix });
  const refused = isWildcard(address.host) ? 'is a wildcard address, which is never listened on' : allowed(address);
  if (refused !== undefined)
    throw configFault(reader.file, key, { found, problem: `${found} ${refused}`, fix, exitCode: 8 });
  return address;
}
