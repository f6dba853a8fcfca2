/** One rule made ready to judge: each part a test, so that a decision is a walk over short lists. */
import type { Kind, Verb } from '@labmesh/wire/fleet/access-words';
import { compileLimits, type Limit, type LimitEntry } from './limits.ts';
import { compileGlob, matchesAll } from './name-glob.ts';
import { printLimits, type Rule } from './rule.ts';
import { type Labels, requirementHolds, selectorHolds, whyFails } from './selector.ts';
import { quoted } from './text-reader.ts';

/** What is asked. No `name` means no particular thing; only rules for every name match that. */
export type Ask = { verb: Verb; kind: Kind; name?: string; labels?: Labels; limit?: Limit };

export type CompiledRule = {
  rule: Rule;
  text: string;
  /** Name of the role that holds it. */
  role: string;
  covers(verb: Verb, kind: Kind): boolean;
  /** The rest, for a rule that covers verb and kind. */
  matches(ask: Ask): boolean;
  limitHolds(verb: Verb, limit: Limit | undefined): boolean;
};

/** Makes a rule ready. `text` is what decisions show. */
export function compileRule(rule: Rule, text: string, role: string): CompiledRule {
  const verbs = rule.verbs === '*' ? undefined : new Set(rule.verbs);
  const kinds = rule.kinds === '*' ? undefined : new Set(rule.kinds);
  const nameHolds = nameTest(rule.name);
  const limitOf = compileLimits(rule.effect, rule.limits);
  return {
    rule,
    text,
    role,
    covers: (verb, kind) => (verbs === undefined || verbs.has(verb)) && (kinds === undefined || kinds.has(kind)),
    matches: (ask) => nameHolds(ask.name) && selectorHolds(rule.selector, ask.labels) && limitOf(ask.verb)(ask.limit),
    limitHolds: (verb, limit) => limitOf(verb)(limit),
  };
}

function nameTest(pattern: string | undefined): (name: string | undefined) => boolean {
  if (pattern === undefined || matchesAll(pattern)) return () => true;
  const matches = compileGlob(pattern);
  return (name) => name !== undefined && matches(name);
}

/** How far an ask got through a rule's parts, in their order, and what stopped it. */
export type Mismatch = { held: number; failed: string };

function limitText(limit: Limit | undefined): string {
  if (limit === undefined) return 'the default account or address';
  return quoted(('account' in limit ? limit.account : 'forward' in limit ? limit.forward : undefined) ?? '');
}

const limitsText = (limits: readonly LimitEntry[]) => (limits.length === 0 ? 'the loopback' : printLimits(limits));

/** Why a rule does not match (RB-9); undefined when it does. The more parts hold, the nearer the rule. */
export function mismatch(compiled: CompiledRule, ask: Ask): Mismatch | undefined {
  const { rule } = compiled;
  const list = (words: readonly string[] | '*') => (words === '*' ? '*' : words.join(','));
  if (rule.verbs !== '*' && !rule.verbs.includes(ask.verb))
    return {
      held: rule.kinds === '*' || rule.kinds.includes(ask.kind) ? 1 : 0,
      failed: `verb ${ask.verb} is not among ${list(rule.verbs)}`,
    };
  if (rule.kinds !== '*' && !rule.kinds.includes(ask.kind))
    return { held: 1, failed: `kind ${ask.kind} is not among ${list(rule.kinds)}` };
  if (!nameTest(rule.name)(ask.name)) {
    const given = ask.name === undefined ? 'no name was asked for' : `name ${quoted(ask.name)} does not match`;
    return { held: 2, failed: `${given}, the rule is for ${rule.name}` };
  }
  const unmet = rule.selector.find((one) => !requirementHolds(one, ask.labels));
  if (unmet !== undefined) return { held: 3, failed: whyFails(unmet, ask.labels) };
  if (!compiled.limitHolds(ask.verb, ask.limit))
    return { held: 4, failed: `${limitText(ask.limit)} is outside ${limitsText(rule.limits)}` };
  return undefined;
}
