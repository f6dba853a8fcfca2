import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Ask, compileRule } from './rules/compiled-rule.ts';
import { escalation, notHeld } from './containment.ts';
import { globContains, globsMayMeet, compileGlob } from './rules/name-glob.ts';
import { parseRule, printRule, type Rule } from './rules/rule.ts';
import { RuleSet } from './rules/rule-set.ts';
import { arbitraryAsk, fuzzRuns, arbitraryRule } from './testing/arbitrary-rule.ts';

const allowed = (rules: readonly Rule[], ask: Ask) =>
  new RuleSet({ roles: [], rules: rules.map((rule) => compileRule(rule, printRule(rule), 'r')) }).decide(ask).allowed;
const held = (...texts: string[]) => ({ rules: texts.map((text) => parseRule(text)), broken: false });
const missing = (grant: string, ...holds: string[]) => notHeld(parseRule(grant), [], held(...holds));

const cases: [string, string[], boolean][] = [
  ['allow exec on servers', ['allow * on *'], true],
  ['allow * on *', ['allow * on *'], true],
  ['allow exec on servers', ['allow exec on servers/web-*'], false],
  ['allow exec on servers/web-1', ['allow exec on servers/web-*'], true],
  ['allow exec on servers/web-*-a', ['allow exec on servers/web-*'], true],
  ['allow exec on servers/*', ['allow exec on servers'], true],
  ['allow exec on servers where env=dev', ['allow exec on servers where env in (dev,staging)'], true],
  ['allow exec on servers where env=dev', ['allow exec on servers where env!=production'], true],
  ['allow exec on servers where env=dev', ['allow exec on servers where env'], true],
  ['allow exec on servers where !env', ['allow exec on servers where env!=production'], true],
  ['allow exec on servers where env!=production', ['allow exec on servers where env'], false],
  ['allow exec on servers', ['allow exec on servers where env=dev', 'allow exec on servers where env!=dev'], false],
  ['allow exec,logs on servers', ['allow exec on servers', 'allow logs on servers'], true],
  ['allow exec on servers as deploy', ['allow exec on servers'], true],
  ['allow exec on servers', ['allow exec on servers as deploy'], false],
  ['allow exec on servers', ['allow exec on servers as *'], true],
  ['allow forward on servers', ['allow * on *'], true],
  ['allow forward on servers as db:5432', ['allow * on *'], false],
  ['allow forward on servers as db:5432', ['allow forward on servers as d*:*'], true],
  ['allow exec on servers', ['allow * on *', 'deny exec on servers/db-*'], false],
  ['allow exec on servers/web-*', ['allow * on *', 'deny exec on servers/db-*'], true],
  ['allow exec on servers where env=dev', ['allow * on *', 'deny exec on servers where env=production'], true],
  ['allow exec on servers as deploy', ['allow * on *', 'deny exec on servers as root'], true],
  ['allow get on users', ['allow get on servers'], false],
];
describe('RB-6', () => {
  test.each(cases)('%s out of %p is held: %p', (grant, holds, ok) => {
    expect(missing(grant, ...holds) === undefined).toBe(ok);
  });

  test('what is missing is named', () => {
    expect(missing('allow get,exec on servers', 'allow get on servers')).toBe('exec on servers');
  });

  test('a deny that cannot be read leaves nothing to give', () => {
    expect(notHeld(parseRule('allow get on servers'), [], { rules: held('allow * on *').rules, broken: true })).toBe(
      'get on servers',
    );
  });

  test('denies that come with the grant are not granted', () => {
    const rights = held('allow * on *', 'deny exec on servers/db-*');
    const [all, deny] = [parseRule('allow * on *'), parseRule('deny exec on servers/db-*')];
    expect(escalation({ grants: [all, deny], lifted: [] }, rights)).toBeUndefined();
    expect(escalation({ grants: [all], lifted: [] }, rights)).toBe('exec on servers');
    expect(escalation({ grants: [], lifted: [deny] }, rights)).toBe('exec on servers');
    expect(escalation({ grants: [], lifted: [deny] }, held('allow * on *'))).toBeUndefined();
  });

  test('nothing that a change gives goes past what its maker holds', () => {
    const few = fc.array(arbitraryRule(fc), { maxLength: 4 });
    // Wide rights beside random ones, so that grants pass often enough to mean something.
    const rights = fc.oneof(
      few,
      few.map((rules) => [parseRule('allow * on *'), ...rules]),
    );
    let passed = 0;
    fc.assert(
      fc.property(rights, few, few, few, arbitraryAsk(fc), (giver, before, after, others, ask) => {
        const kept = new Set(after.map(printRule));
        const lifted = before.filter((rule) => rule.effect === 'deny' && !kept.has(printRule(rule)));
        const refused = escalation({ grants: after, lifted }, { rules: giver, broken: false });
        if (refused !== undefined) return;
        const gained = allowed([...others, ...after], ask) && !allowed([...others, ...before], ask);
        if (!gained) return;
        passed++;
        expect(allowed(giver, ask)).toBe(true);
      }),
      { numRuns: fuzzRuns(10_000) },
    );
    expect(passed).toBeGreaterThan(20);
  }, 120_000);
});

test('globs: containment is never a wrong yes, meeting never a wrong no', () => {
  const glob = fc
    .array(fc.constantFrom('a', 'b', '*', 'ab'), { minLength: 1, maxLength: 5 })
    .map((parts) => parts.join(''));
  const name = fc.array(fc.constantFrom('a', 'b'), { maxLength: 6 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(glob, glob, name, (one, other, text) => {
      const [inOne, inOther] = [compileGlob(one)(text), compileGlob(other)(text)];
      if (globContains(one, other) && inOther) expect(inOne).toBe(true);
      if (inOne && inOther) expect(globsMayMeet(one, other)).toBe(true);
      const plain = new RegExp(`^${one.replaceAll('*', '.*')}$`).test(text);
      expect(inOne).toBe(plain);
    }),
    { numRuns: fuzzRuns(5_000) },
  );
  expect(globContains(undefined, undefined)).toBe(true);
  expect(globContains('a*', undefined)).toBe(false);
  expect(globsMayMeet('a*', 'b*')).toBe(false);
  expect(globsMayMeet('*a', '*b')).toBe(false);
});
