import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Ask, compileRule } from './compiled-rule.ts';
import { parseRule, printRule, type Rule } from './rule.ts';
import { RuleSet } from './rule-set.ts';
import { arbitraryAsk, fuzzRuns, arbitraryRule } from '../testing/arbitrary-rule.ts';

const setOf = (rules: readonly (Rule | string)[], role = 'ops') =>
  new RuleSet({
    roles: [role],
    rules: rules.map((one) => {
      const rule = typeof one === 'string' ? parseRule(one) : one;
      return compileRule(rule, printRule(rule), role);
    }),
  });

/** The model of RB-10: the meaning of rules, as short as it can be said. Hosts are few, so loopback is a list. */
function model(rules: readonly Rule[], ask: Ask): boolean {
  const word = <W>(list: readonly W[] | '*', one: W) => list === '*' || list.includes(one);
  const glob = (pattern: string, text: string) =>
    new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`, 's').test(text);
  const loop = (host: string) => (['localhost', '127.0.0.1', '::1'].includes(host) ? 'localhost' : host);
  const limit = (rule: Rule) => {
    if (ask.verb === 'forward') {
      const text = (ask.limit as { forward?: string } | undefined)?.forward;
      const [host, port] = text === undefined ? ['localhost', 'any'] : [loop(text.split(':')[0]!), text.split(':')[1]!];
      if (rule.limits.every((one) => !('host' in one))) return rule.effect === 'deny' || host === 'localhost';
      return rule.limits.some(
        (one) => 'host' in one && glob(loop(one.host), host) && (one.port === '*' || String(one.port) === port),
      );
    }
    if (!['exec', 'exec-unrecorded', 'attach', 'copy-in', 'copy-out'].includes(ask.verb)) return true;
    const account = (ask.limit as { account?: string } | undefined)?.account ?? 'root';
    return (
      rule.limits.length === 0 || rule.limits.some((one) => 'account' in one && ['*', account].includes(one.account))
    );
  };
  const meets = (rule: Rule) =>
    word(rule.verbs, ask.verb) &&
    word(rule.kinds, ask.kind) &&
    (rule.name === undefined || rule.name === '*' || (ask.name !== undefined && glob(rule.name, ask.name))) &&
    rule.selector.every((one) => {
      const value = ask.labels?.[one.key];
      if (!('values' in one)) return (one.op === 'exists') === (value !== undefined);
      return (one.op === 'in') === (value !== undefined && one.values.includes(value));
    }) &&
    limit(rule);
  return (
    rules.some((rule) => rule.effect === 'allow' && meets(rule)) &&
    !rules.some((rule) => rule.effect === 'deny' && meets(rule))
  );
}

describe('RB-10', () => {
  const rulesArbitrary = fc.array(arbitraryRule(fc), { maxLength: 6 });

  test('random policies agree with the model', () => {
    let allowed = 0;
    fc.assert(
      fc.property(rulesArbitrary, arbitraryAsk(fc), (rules, ask) => {
        const expected = model(rules, ask);
        expect(setOf(rules).decide(ask).allowed).toBe(expected);
        if (expected) allowed++;
      }),
      { numRuns: fuzzRuns(5_000) },
    );
    // The words are chosen so that both answers are common.
    expect(allowed).toBeGreaterThan(100);
  });

  test('adding an allow never lifts a deny, and never takes anything away', () => {
    fc.assert(
      fc.property(rulesArbitrary, arbitraryRule(fc), arbitraryAsk(fc), (rules, more, ask) => {
        const before = setOf(rules).decide(ask);
        const after = setOf([...rules, { ...more, effect: 'allow' }]).decide(ask);
        if (before.reason === 'DENY_RULE') expect(after.reason).toBe('DENY_RULE');
        if (before.allowed) expect(after.allowed).toBe(true);
      }),
      { numRuns: fuzzRuns(3_000) },
    );
  });

  test('RB-5: the order of rules never matters', () => {
    fc.assert(
      fc.property(rulesArbitrary, arbitraryAsk(fc), (rules, ask) => {
        const { allowed, reason } = setOf(rules).decide(ask);
        expect(setOf(rules.toReversed()).decide(ask)).toMatchObject({ allowed, reason });
      }),
      { numRuns: fuzzRuns(2_000) },
    );
  });
});

test('RB-5: deny beats allow, default is no', () => {
  const rules = setOf(['allow exec on servers', 'deny exec on servers/db-* where environment=production']);
  const production = { environment: 'production' };
  expect(rules.decide({ verb: 'exec', kind: 'servers', name: 'web-1', labels: production }).allowed).toBe(true);
  expect(rules.decide({ verb: 'exec', kind: 'servers', name: 'db-1', labels: production })).toEqual({
    allowed: false,
    reason: 'DENY_RULE',
    rule: 'deny exec on servers/db-* where environment=production',
    role: 'ops',
  });
  expect(rules.decide({ verb: 'exec', kind: 'servers', name: 'db-1', labels: {} }).allowed).toBe(true);
  expect(rules.decide({ verb: 'ban', kind: 'servers', name: 'web-1' })).toEqual({ allowed: false, reason: 'NO_MATCH' });
});

test('RB-5: without a name only rules for every name match', () => {
  expect(setOf(['allow create on tokens/x-*']).decide({ verb: 'create', kind: 'tokens' }).allowed).toBe(false);
  expect(setOf(['allow create on tokens/*']).decide({ verb: 'create', kind: 'tokens' }).allowed).toBe(true);
  const rules = setOf(['allow create on tokens', 'deny create on tokens/x-*']);
  expect(rules.decide({ verb: 'create', kind: 'tokens' }).allowed).toBe(true);
});

test('RB-5: a deny that cannot be read denies everything and is named', () => {
  const rules = new RuleSet({
    rules: setOf(['allow * on *']).rules,
    roles: ['a'],
    brokenDeny: { text: 'deny ?', role: 'a' },
  });
  expect(rules.decide({ verb: 'get', kind: 'servers' })).toMatchObject({
    allowed: false,
    reason: 'DENY_RULE',
    rule: 'deny ?',
  });
  expect(rules.explain({ verb: 'get', kind: 'servers' }).matched).toEqual(['deny ?', 'allow * on *']);
});

describe('RB-9: explain', () => {
  const rules = setOf([
    'allow get,list on servers',
    'allow exec on servers/web-* where environment in (dev,staging)',
    'allow exec on servers/app-1 as deploy',
    'deny ban on servers',
  ]);
  const near: [Parameters<RuleSet['explain']>[0], string | undefined, RegExp][] = [
    [
      { verb: 'exec', kind: 'servers', name: 'db-1' },
      'allow exec on servers/web-* where environment in (dev,staging)',
      /name "db-1" does not match, the rule is for web-\*/,
    ],
    [
      { verb: 'exec', kind: 'servers', name: 'web-1' },
      'allow exec on servers/web-* where environment in (dev,staging)',
      /environment is missing, the rule wants environment in \(dev,staging\)/,
    ],
    [
      { verb: 'exec', kind: 'servers', name: 'web-1', labels: { environment: 'production' } },
      'allow exec on servers/web-* where environment in (dev,staging)',
      /environment is "production"/,
    ],
    [
      { verb: 'exec', kind: 'servers', name: 'app-1', limit: { account: 'root' } },
      'allow exec on servers/app-1 as deploy',
      /"root" is outside deploy/,
    ],
    [
      { verb: 'exec', kind: 'users', name: 'x' },
      'allow exec on servers/web-* where environment in (dev,staging)',
      /kind users is not among servers/,
    ],
    [{ verb: 'kill', kind: 'servers', name: 'x' }, 'allow get,list on servers', /verb kill is not among get,list/],
    [
      { verb: 'exec', kind: 'servers' },
      'allow exec on servers/web-* where environment in (dev,staging)',
      /no name was asked for/,
    ],
  ];
  test.each(near)('the nearest rule of %p', (ask, nearest, failed) => {
    const told = rules.explain(ask);
    expect(told).toMatchObject({ allowed: false, reason: 'NO_MATCH', matched: [], roles: ['ops'] });
    expect(told.nearest).toBe(nearest);
    expect(told.failed).toMatch(failed);
  });

  test('names the rules that match', () => {
    const told = setOf(['allow * on *', 'allow exec on servers', 'deny exec on servers/db-*']).explain({
      verb: 'exec',
      kind: 'servers',
      name: 'db-1',
    });
    expect(told).toEqual({
      allowed: false,
      reason: 'DENY_RULE',
      rule: 'deny exec on servers/db-*',
      role: 'ops',
      matched: ['deny exec on servers/db-*', 'allow * on *', 'allow exec on servers'],
      roles: ['ops'],
    });
  });

  test('a subject without rules has no nearest one', () => {
    const told = new RuleSet({ rules: [], roles: [] }).explain({ verb: 'get', kind: 'servers' });
    expect(told).toEqual({ allowed: false, reason: 'NO_MATCH', matched: [], roles: [] });
  });
});
