/** What `auth can-i` asks about: a kind of the access rules, and one thing of it. */
import { didYouMean } from '@labmesh/kit/nearest';
import { type Kind, kinds, type Verb, verbs } from '@labmesh/wire/fleet/access-words';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { findType, kindOf } from './resource-type.ts';

const usage = (problem: string, hint: string) => new CommandError(problem, { hint, exitCode: exitCodes.usage });

/** @throws CommandError (exit 2) with the nearest one */
export function parseVerb(word: string): Verb {
  const verb = verbs.find((each) => each === word.toLowerCase());
  if (verb !== undefined) return verb;
  throw usage(`unknown verb ${JSON.stringify(word)}${didYouMean(word, verbs)}`, `verbs: ${verbs.join(', ')}`);
}

/** `server/web-1`, `servers`, `ca`, `server web-1`: every word of a type, and kinds that are no type. @throws CommandError (exit 2) */
export function parseTarget(word: string, nameWord: string | undefined): { kind: Kind; name?: string } {
  const slash = word.indexOf('/');
  const kindWord = slash < 0 ? word : word.slice(0, slash);
  const name = slash < 0 ? nameWord : word.slice(slash + 1);
  const type = findType(kindWord);
  const kind = type === undefined ? kinds.find((each) => each === kindWord.toLowerCase()) : kindOf(type);
  if (kind === undefined) {
    throw usage(`unknown kind ${JSON.stringify(kindWord)}${didYouMean(kindWord, kinds)}`, `kinds: ${kinds.join(', ')}`);
  }
  if (slash >= 0 && nameWord !== undefined) throw usage(`one name at a time: ${word} or ${nameWord}`, 'KIND/NAME');
  if (name === '') throw usage(`the name in ${JSON.stringify(word)} is empty`, 'KIND/NAME, or KIND for any of them');
  if (name !== undefined && name.length > 253) throw usage('the name is too long', 'KIND/NAME');
  return name === undefined ? { kind } : { kind, name };
}
