/**
 * All rules that one subject holds, and the judgement over them (RB-5): any matching deny → no; else any matching allow
 * → yes; else no. The order of rules never matters. A deny that cannot be read denies everything.
 */
import type { Kind, Verb } from '@labmesh/wire/fleet/access-words';
import { type Ask, type CompiledRule, mismatch } from './compiled-rule.ts';

export type Reason = 'DENY_RULE' | 'ALLOW_RULE' | 'NO_MATCH';
/** `rule` is the text of the rule that decided, `role` the role that holds it. */
export type Decision = { allowed: boolean; reason: Reason; rule?: string; role?: string };
/** RB-9. `nearest` (rule text) and `failed` only on NO_MATCH; `matched` are all rules that match, denies first. */
export type Explanation = Decision & { matched: string[]; roles: string[]; nearest?: string; failed?: string };

export type RuleSetParts = {
  rules: readonly CompiledRule[];
  /** Names of the roles held. */
  roles: readonly string[];
  /** A stored deny that cannot be parsed. */
  brokenDeny?: { text: string; role: string };
};

type Side = { denies: readonly CompiledRule[]; allows: readonly CompiledRule[] };

const noMatch: Decision = { allowed: false, reason: 'NO_MATCH' };

export class RuleSet {
  readonly rules: readonly CompiledRule[];
  readonly roles: readonly string[];
  readonly brokenDeny: { text: string; role: string } | undefined;
  /** By verb and kind; filled as asked, at most verbs × kinds entries. */
  #sides = new Map<string, Side>();

  constructor(parts: RuleSetParts) {
    this.rules = parts.rules;
    this.roles = parts.roles;
    this.brokenDeny = parts.brokenDeny;
  }

  /** The rules that cover a verb on a kind. */
  side(verb: Verb, kind: Kind): Side {
    const key = `${verb} ${kind}`;
    const known = this.#sides.get(key);
    if (known !== undefined) return known;
    const covering = this.rules.filter((one) => one.covers(verb, kind));
    const side = {
      denies: covering.filter((one) => one.rule.effect === 'deny'),
      allows: covering.filter((one) => one.rule.effect === 'allow'),
    };
    this.#sides.set(key, side);
    return side;
  }

  decide(ask: Ask): Decision {
    if (this.brokenDeny !== undefined) {
      return { allowed: false, reason: 'DENY_RULE', rule: this.brokenDeny.text, role: this.brokenDeny.role };
    }
    const { denies, allows } = this.side(ask.verb, ask.kind);
    const deny = denies.find((one) => one.matches(ask));
    if (deny !== undefined) return { allowed: false, reason: 'DENY_RULE', rule: deny.text, role: deny.role };
    const allow = allows.find((one) => one.matches(ask));
    return allow === undefined ? noMatch : { allowed: true, reason: 'ALLOW_RULE', rule: allow.text, role: allow.role };
  }

  explain(ask: Ask): Explanation {
    const decision = this.decide(ask);
    const { denies, allows } = this.side(ask.verb, ask.kind);
    const matched = [...denies, ...allows].filter((one) => one.matches(ask)).map((one) => one.text);
    const broken = this.brokenDeny === undefined ? [] : [this.brokenDeny.text];
    const told = { ...decision, matched: [...broken, ...matched], roles: [...this.roles] };
    return decision.reason === 'NO_MATCH' ? { ...told, ...this.#nearest(ask) } : told;
  }

  /** The allow that came nearest to matching; the first of equals. */
  #nearest(ask: Ask): { nearest?: string; failed?: string } {
    let best: { held: number; nearest: string; failed: string } | undefined;
    for (const one of this.rules) {
      if (one.rule.effect !== 'allow') continue;
      const found = mismatch(one, ask);
      if (found !== undefined && (best === undefined || found.held > best.held))
        best = { held: found.held, failed: found.failed, nearest: one.text };
    }
    return best === undefined ? {} : { nearest: best.nearest, failed: best.failed };
  }
}
