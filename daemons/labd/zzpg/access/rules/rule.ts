/**
 * Access rules (RB-1):
 *
 *     allow|deny VERBS on KINDS[/NAME-GLOB] [where SELECTOR] [as LIMITS]
 *     deny exec on servers/db-* where environment=production as root
 *
 * Text is how rules are stored and shown; a `Rule` is the parsed form. `parseRule(printRule(rule))` equals `rule`.
 */
import { type Kind, kinds, type Verb, verbs } from '@labmesh/wire/fleet/access-words';
import { type LimitEntry, limitedVerbs, printLimit, readLimits, takesAccount, takesForward } from './limits.ts';
import { printSelector, readSelector, type Requirement } from './selector.ts';
import { quoted, TextReader } from './text-reader.ts';

export type Effect = 'allow' | 'deny';
export type Rule = {
  effect: Effect;
  /** Distinct, in written order. */
  verbs: readonly Verb[] | '*';
  kinds: readonly Kind[] | '*';
  /** Absent: every name, and things without one. */
  name?: string;
  /** Empty: everything. */
  selector: readonly Requirement[];
  /** Empty: see limits.ts. */
  limits: readonly LimitEntry[];
};

const charsMax = 2_048;
const wordPattern = /[^ \t,/]+/y;
const globPattern = /[A-Za-z0-9._:@/+*-]{1,253}/y;

/** `a,b` or `*` alone, each out of `known`. */
function readWords<W extends string>(reader: TextReader, part: string, known: readonly W[]): W[] | '*' {
  const found = new Set<string>();
  do {
    reader.skipSpaces();
    const word = reader.match(wordPattern);
    if (word === '') throw reader.fail(part, `expected a word, found ${quoted(reader.rest())}`);
    if (word !== '*' && !(known as readonly string[]).includes(word))
      throw reader.fail(part, `${quoted(word)} is not known`, word, known);
    found.add(word);
    // Spaces before a comma are taken; `get list` then fails at the missing `on`.
    reader.match(/[ \t]*(?=,)/y);
  } while (reader.take(','));
  if (!found.has('*')) return [...found] as W[];
  if (found.size > 1) throw reader.fail(part, '* stands alone');
  return '*';
}

function readName(reader: TextReader): string | undefined {
  if (!reader.take('/')) return undefined;
  const name = reader.match(globPattern);
  if (name === '') throw reader.fail('name', `expected a name after /, found ${quoted(reader.rest())}`);
  return name.replace(/\*+/g, '*');
}

/** Limits of accounts belong to verbs that run as an account, HOST:PORT to forward; anything else would mislead. */
function checkLimits(reader: TextReader, rule: Rule): void {
  if (rule.limits.length === 0) return;
  const has = { account: false, forward: false };
  for (const entry of rule.limits) has['account' in entry ? 'account' : 'forward'] = true;
  const fits = (verb: Verb) => (takesAccount(verb) && has.account) || (takesForward(verb) && has.forward);
  const stray = rule.verbs === '*' ? '*' : rule.verbs.find((verb) => !fits(verb));
  if (stray !== undefined) {
    throw reader.fail(
      'limits',
      `${stray} is not bound by these; write a rule of its own for ${limitedVerbs.join(', ')}`,
    );
  }
  const used = { account: false, forward: false };
  for (const verb of rule.verbs) used[takesForward(verb as Verb) ? 'forward' : 'account'] = true;
  if (has.account && !used.account) throw reader.fail('limits', 'forward takes HOST:PORT, not accounts');
  if (has.forward && !used.forward) throw reader.fail('limits', 'HOST:PORT goes with forward alone');
}

/**
 * Parses a rule. `field` names it in errors.
 * @throws FleetError VALIDATION_FAILED with the field (`rule.verbs`) and the nearest known word; SELECTOR_UNTRUSTED.
 */
export function parseRule(text: string, field = 'rule'): Rule {
  const reader = new TextReader(text, field, charsMax);
  reader.skipSpaces();
  const effect = reader.match(wordPattern);
  if (effect !== 'allow' && effect !== 'deny')
    throw reader.fail('effect', `a rule begins with allow or deny, not ${quoted(effect)}`, effect, ['allow', 'deny']);
  const ruleVerbs = readWords(reader, 'verbs', verbs);
  if (!reader.keyword('on')) throw reader.fail('verbs', `expected , or on, found ${quoted(nextWord(reader))}`);
  const ruleKinds = readWords(reader, 'kinds', kinds);
  const name = readName(reader);
  const selector = reader.keyword('where') ? readSelector(reader) : [];
  const limits = reader.keyword('as') ? readLimits(reader) : [];
  if (!reader.atEnd()) {
    const word = reader.rest();
    throw reader.fail('', `unexpected ${quoted(word)}`, word, ['where', 'as']);
  }
  const rule = {
    effect,
    verbs: ruleVerbs,
    kinds: ruleKinds,
    ...(name !== undefined && { name }),
    selector,
    limits,
  } as const;
  checkLimits(reader, rule);
  return rule;
}

function nextWord(reader: TextReader): string {
  reader.skipSpaces();
  return reader.rest();
}

const words = (list: readonly string[] | '*') => (list === '*' ? '*' : list.join(','));

/** The parts as they are stored beside the text. */
export const printLimits = (limits: readonly LimitEntry[]): string => limits.map(printLimit).join(',');

/** The rule as text, in its one canonical spelling. */
export function printRule(rule: Rule): string {
  const where = rule.selector.length === 0 ? '' : ` where ${printSelector(rule.selector)}`;
  const as = rule.limits.length === 0 ? '' : ` as ${printLimits(rule.limits)}`;
  const name = rule.name === undefined ? '' : `/${rule.name}`;
  return `${rule.effect} ${words(rule.verbs)} on ${words(rule.kinds)}${name}${where}${as}`;
}
