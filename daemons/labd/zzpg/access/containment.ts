/**
 * Nobody grants more than they hold (RB-6). Rules are regions of (verb, kind, name, labels, limit); a grant passes when
 * it lies in the giver's allows and outside the giver's denies. The answers lean one way: what cannot be proved to be
 * held counts as not held. The verb escalate is the way past.
 */
import { type Kind, kinds, type Verb, verbs } from '@labmesh/wire/fleet/access-words';
import { limitsContain, limitsMayMeet } from './rules/limits.ts';
import { globContains, globsMayMeet } from './rules/name-glob.ts';
import type { Rule } from './rules/rule.ts';
import type { Requirement, Selector } from './rules/selector.ts';

const disjoint = (a: readonly string[], b: readonly string[]) => !a.some((value) => b.includes(value));
const within = (inner: readonly string[], outer: readonly string[]) => inner.every((value) => outer.includes(value));

/** Whatever meets `given` meets `wanted`, for conditions on one key. */
function implies(given: Requirement, wanted: Requirement): boolean {
  if (given.key !== wanted.key) return false;
  switch (given.op) {
    case 'in':
      if (wanted.op === 'in') return within(given.values, wanted.values);
      return wanted.op === 'notin' ? disjoint(given.values, wanted.values) : wanted.op === 'exists';
    case 'notin':
      return wanted.op === 'notin' && within(wanted.values, given.values);
    case 'exists':
      return wanted.op === 'exists';
    case 'absent':
      return wanted.op === 'absent' || wanted.op === 'notin';
  }
}

/** No labels meet both conditions. */
function excludes(a: Requirement, b: Requirement): boolean {
  if (a.key !== b.key) return false;
  if (a.op === 'absent') return b.op === 'in' || b.op === 'exists';
  if (b.op === 'absent') return a.op === 'in' || a.op === 'exists';
  if (a.op === 'in' && b.op === 'in') return disjoint(a.values, b.values);
  if (a.op === 'in' && b.op === 'notin') return within(a.values, b.values);
  return a.op === 'notin' && b.op === 'in' && within(b.values, a.values);
}

const selectorContains = (outer: Selector, inner: Selector) =>
  outer.every((wanted) => inner.some((given) => implies(given, wanted)));
const selectorsMayMeet = (a: Selector, b: Selector) => !a.some((one) => b.some((other) => excludes(one, other)));

const covers = (rule: Rule, verb: Verb, kind: Kind) =>
  (rule.verbs === '*' || rule.verbs.includes(verb)) && (rule.kinds === '*' || rule.kinds.includes(kind));

/** For one verb and kind, everything in `inner` is in `outer`. */
const contains = (verb: Verb, kind: Kind, outer: Rule, inner: Rule) =>
  covers(outer, verb, kind) &&
  globContains(outer.name, inner.name) &&
  selectorContains(outer.selector, inner.selector) &&
  limitsContain(verb, outer, inner);

const mayMeet = (verb: Verb, kind: Kind, a: Rule, b: Rule) =>
  covers(a, verb, kind) &&
  covers(b, verb, kind) &&
  globsMayMeet(a.name, b.name) &&
  selectorsMayMeet(a.selector, b.selector) &&
  limitsMayMeet(verb, a, b);

export type Rights = {
  rules: readonly Rule[];
  /** The holder has a deny that cannot be read: it holds nothing. */
  broken: boolean;
};

/**
 * The first piece of `grant` that `held` does not cover, as words (`exec on servers`), or undefined when all is held.
 * `alongside` are the denies that come with the grant: what they take away is not granted.
 */
export function notHeld(grant: Rule, alongside: readonly Rule[], held: Rights): string | undefined {
  const allows = held.rules.filter((one) => one.effect === 'allow');
  const denies = held.rules.filter((one) => one.effect === 'deny');
  for (const verb of grant.verbs === '*' ? verbs : grant.verbs) {
    for (const kind of grant.kinds === '*' ? kinds : grant.kinds) {
      const taken = (region: Rule) => alongside.some((deny) => contains(verb, kind, deny, region));
      if (taken(grant)) continue;
      const has = !held.broken && allows.some((allow) => contains(verb, kind, allow, grant));
      const lacks = denies.some((deny) => mayMeet(verb, kind, deny, grant) && !taken(deny));
      if (!has || lacks) return `${verb} on ${kind}`;
    }
  }
  return undefined;
}

/**
 * What a change of a role or binding gives: its allows, and what its lifted denies no longer take. Undefined when the
 * giver holds all of that.
 */
export function escalation(
  change: { grants: readonly Rule[]; lifted: readonly Rule[] },
  held: Rights,
): string | undefined {
  const denies = change.grants.filter((one) => one.effect === 'deny');
  for (const rule of change.grants) {
    const missing = rule.effect === 'allow' ? notHeld(rule, denies, held) : undefined;
    if (missing !== undefined) return missing;
  }
  for (const rule of change.lifted) {
    // Seen as a deny, whose default limits are wider than an allow's: all of that becomes possible again.
    const missing = notHeld(rule, denies, held);
    if (missing !== undefined) return missing;
  }
  return undefined;
}
