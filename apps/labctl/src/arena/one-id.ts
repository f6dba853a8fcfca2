/** Ids stand in paths of requests: what is no id never gets there. */
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

/** The one word that is given, of letters that no path can be made of. @throws CommandError (exit 2) */
export function oneId(positionals: readonly string[], what: string, hint: string): string {
  const id = positionals[0] ?? '';
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(id)) return id;
  throw new CommandError(id === '' ? `${what} is missing` : `${JSON.stringify(id.slice(0, 60))} is not ${what}`, {
    hint,
    exitCode: exitCodes.usage,
  });
}
