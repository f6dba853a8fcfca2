/**
 * What a key may ask of the arena beside what everybody may (verification RP8, gateway G-13, G-20): a class of its own by the
 * scope `priority:<class>`, and variations. The arena holds every offer to it; it knows no keys and believes us.
 */
import {
  type Priority,
  priorities,
  priorityOfScopes,
  priorityScope,
  usualPriority,
} from '@labmesh/wire/verification/priority';

export type KeyRights = {
  /** The highest class that its runs may ask for. */
  priorityMost: Priority;
  /** Absent = as many as the arena gives everybody. */
  variationsMost?: number | undefined;
};

type Holder = { scopes: readonly string[]; variations?: number | undefined };

/** A class above the usual is given, never had by itself; a class below it holds a key down. */
export const withPriority = (scopes: readonly string[], priority: Priority | undefined): readonly string[] =>
  priority === undefined || scopes.includes(priorityScope(priority)) ? scopes : [...scopes, priorityScope(priority)];

/** The class in place of all that the scopes gave, the higher ones too. */
export function changePriority(scopes: readonly string[], priority: Priority | undefined): readonly string[] {
  if (priority === undefined) return scopes;
  const given: readonly string[] = priorities.map(priorityScope);
  return withPriority(
    scopes.filter((scope) => !given.includes(scope)),
    priority,
  );
}

/** Without keys whoever is on this machine is the operator. */
export const operatorRights: KeyRights = { priorityMost: 'critical' };

/** A key that is not there, or was revoked meanwhile, has what everybody has. */
export function rightsOf(key: Holder | undefined): KeyRights {
  const given = priorityOfScopes(key?.scopes ?? []);
  return { priorityMost: given ?? usualPriority, variationsMost: key?.variations };
}
