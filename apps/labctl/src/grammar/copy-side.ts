/** The two sides of `labctl cp` (CP-1): a path on this machine, or `server/<name>:/path`, short `<name>:/path`. */
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatRef, parseRef, type ResourceRef } from './resource-ref.ts';

export type CopySide = { at: 'here'; path: string } | { at: 'server'; ref: ResourceRef; path: string };

/** A path that begins like this is on this machine, whatever colons it holds. */
const plainPath = /^(?:\/|\.\.?(?:\/|$)|~)/;

/** @throws CommandError (exit 2) naming what is wrong */
export function parseCopySide(word: string): CopySide {
  const colon = word.indexOf(':');
  if (word === '') throw new CommandError('the path is empty', { exitCode: exitCodes.usage });
  if (colon < 0 || plainPath.test(word)) return { at: 'here', path: word };
  const path = word.slice(colon + 1);
  const ref = parseRef([word.slice(0, colon)], { bare: 'server' });
  if (ref.type !== 'server') {
    throw new CommandError(`files are copied to and from servers, and ${formatRef(ref)} is none`, {
      hint: 'write server/<name>:/path; a file here whose name holds a colon is written ./name',
      exitCode: exitCodes.usage,
    });
  }
  if (path === '') {
    throw new CommandError(`the path after ${JSON.stringify(`${word.slice(0, colon)}:`)} is missing`, {
      hint: 'write server/<name>:/path',
      exitCode: exitCodes.usage,
    });
  }
  return { at: 'server', ref, path };
}
