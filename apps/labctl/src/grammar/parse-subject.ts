/** Who holds a role, as typed: `alice`, `user:alice`, `group:ops`, `service:gateway`. */
import { subjectKinds } from '@labmesh/wire/fleet/resources/people';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

export type SubjectKind = (typeof subjectKinds)[number];

/** One letter and `user/alice` are taken too. */
const prefixes = new Map<string, SubjectKind>(
  subjectKinds.flatMap((kind) => [
    [kind, kind],
    [kind[0] ?? '', kind],
  ]),
);

/** @throws CommandError (exit 2) */
export function parseSubject(word: string): { subjectKind: SubjectKind; subject: string } {
  const [, prefix, rest] = /^([A-Za-z]+)[:/](.*)$/s.exec(word) ?? [];
  const subjectKind = prefix === undefined ? 'user' : prefixes.get(prefix.toLowerCase());
  const subject = rest ?? word;
  if (subjectKind !== undefined && subject !== '' && subject.length <= 253) return { subjectKind, subject };
  throw new CommandError(`${JSON.stringify(word.slice(0, 80))} names nobody`, {
    hint: 'alice or user:alice, group:ops, service:gateway',
    exitCode: exitCodes.usage,
  });
}
