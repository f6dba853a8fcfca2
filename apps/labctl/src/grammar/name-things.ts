/** Which things a command that changes something is about: typed references of the types it takes, and no others. */
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatRef, parseRefs, type ResourceRef } from './resource-ref.ts';
import type { ResourceType } from './resource-type.ts';

export type Taken = {
  /** As typed: `labctl ban`. */
  command: string;
  types: readonly ResourceType[];
  /** A bare name means this type. */
  bare?: ResourceType;
};

/** Every thing named, in order. @throws CommandError (exit 2) */
export function thingsOf(words: readonly string[], { command, types, bare }: Taken): ResourceRef[] {
  const [first] = types;
  if (words.length === 0) {
    throw new CommandError('the name is missing', {
      hint: `${command} ${bare === undefined ? `${first ?? ''}/NAME` : 'NAME'}`,
      exitCode: exitCodes.usage,
    });
  }
  const refs = parseRefs(words, bare === undefined ? {} : { bare });
  const other = refs.find(({ type }) => !types.includes(type));
  if (other === undefined) return refs;
  throw new CommandError(`${command} takes no ${other.type}: ${formatRef(other)}`, {
    hint: `types: ${types.join(', ')}`,
    exitCode: exitCodes.usage,
  });
}

/** Exactly one. @throws CommandError (exit 2) */
export function thingOf(words: readonly string[], taken: Taken): ResourceRef {
  const [ref, second] = thingsOf(words, taken);
  if (ref !== undefined && second === undefined) return ref;
  const named = [ref, second].flatMap((each) => (each === undefined ? [] : formatRef(each)));
  throw new CommandError(`one thing at a time: ${named.join(' or ')}`, { exitCode: exitCodes.usage });
}

/** The name of a new thing. @throws CommandError (exit 2) */
export function newName(words: readonly string[], command: string): string {
  const [name] = words;
  if (name !== undefined && name !== '') return name;
  throw new CommandError('the name is missing', { hint: `${command} NAME`, exitCode: exitCodes.usage });
}
