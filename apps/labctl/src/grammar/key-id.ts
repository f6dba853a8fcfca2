import { parseApiKey } from '@labmesh/wire/ids';
import { CommandError } from '../command-error.ts';

/**
 * The id of an API key that was given by its id or whole: whoever found a key in a log has no id of it. Only the id is
 * sent. @throws CommandError for anything else, without showing it
 */
export function keyIdOf(given: string | undefined): string {
  const id = given === undefined ? undefined : (parseApiKey(given)?.id ?? given);
  if (id !== undefined && /^[0-9A-Za-z]{1,64}$/.test(id)) return id;
  const problem = given === undefined ? 'the id of the key is missing' : 'this is not the id of a key';
  throw new CommandError(problem, { hint: 'labctl keys list shows the ids', exitCode: 2 });
}
