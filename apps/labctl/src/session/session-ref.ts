/** `session/<id>`, or the id alone: what attach, kill and play take. */
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatRef, parseRefs, type ResourceRef } from '../grammar/resource-ref.ts';

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** @throws CommandError (exit 2) */
export function sessionRefs(words: readonly string[]): ResourceRef[] {
  const refs = parseRefs(words, { bare: 'session' });
  for (const ref of refs) {
    if (ref.type === 'session' && uuid.test(ref.name)) continue;
    throw new CommandError(`${formatRef(ref)} is no session`, {
      hint: 'write session/<id>; labctl get sessions lists them',
      exitCode: exitCodes.usage,
    });
  }
  return refs;
}

/** Exactly one. @throws CommandError (exit 2) */
export function sessionRef(words: readonly string[]): ResourceRef {
  const [ref, second] = sessionRefs(words);
  if (ref === undefined || second !== undefined) {
    throw new CommandError('one session at a time', { exitCode: exitCodes.usage });
  }
  return ref;
}
