/** One server, by `server/<name>` or a bare name. */
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatRef, parseRef, type ResourceRef } from '../grammar/resource-ref.ts';

/** `what`: "ports are forwarded", for whoever names another thing. @throws CommandError (exit 2) */
export function serverRef(words: readonly string[], what: string): ResourceRef {
  const ref = parseRef(words, { bare: 'server' });
  if (ref.type === 'server') return ref;
  throw new CommandError(`${what} from and to servers, and ${formatRef(ref)} is none`, {
    hint: 'write server/<name>',
    exitCode: exitCodes.usage,
  });
}
