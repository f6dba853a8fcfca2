import { expect, test } from 'bun:test';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import fc from 'fast-check';
import { parseRule, printRule, type Rule } from './rule.ts';
import { fuzzRuns, arbitraryRule } from '../testing/arbitrary-rule.ts';

const failure = (text: string, field?: string): FleetError => {
  try {
    parseRule(text, field);
  } catch (error) {
    if (error instanceof FleetError) return error;
    throw error;
  }
  throw new Error(`${text} was taken`);
};

test('RB-1: every part of a rule', () => {
  expect(parseRule('deny exec on servers/db-* where environment=production')).toEqual({
    effect: 'deny',
    verbs: ['exec'],
    kinds: ['servers'],
    name: 'db-*',
    selector: [{ key: 'environment', op: 'in', values: ['production'] }],
    limits: [],
  });
  expect(parseRule('allow * on *')).toEqual({ effect: 'allow', verbs: '*', kinds: '*', selector: [], limits: [] });
  expect(parseRule('allow exec,copy-in on servers as deploy,www-data').limits).toEqual([
    { account: 'deploy' },
    { account: 'www-data' },
  ]);
  expect(parseRule('allow forward on servers where a as localhost:*,[::1]:22,db-*:5432').limits).toEqual([
    { host: 'localhost', port: '*' },
    { host: '::1', port: 22 },
    { host: 'db-*', port: 5432 },
  ]);
});

const canonical: [string, string][] = [
  ['  allow   get , list on  servers ', 'allow get,list on servers'],
  ['allow get,get,list on servers', 'allow get,list on servers'],
  ['allow get on apps/kube-system/*', 'allow get on apps/kube-system/*'],
  ['allow get on servers/a**b', 'allow get on servers/a*b'],
  ['deny * on * where a = b , !c', 'deny * on * where a=b,!c'],
  ['allow exec on servers where as as root', 'allow exec on servers where as as root'],
  ['allow exec on servers where in in(a,b) as *', 'allow exec on servers where in in (a,b) as *'],
  ['allow exec,forward on servers as root,LOCALHOST:22', 'allow exec,forward on servers as root,localhost:22'],
];
test.each(canonical)('RB-1: %s is written %s', (given, written) => {
  expect(printRule(parseRule(given))).toBe(written);
});

const refused: [string, string, RegExp][] = [
  ['', 'rule.effect', /begins with allow or deny/],
  ['alow get on servers', 'rule.effect', /did you mean allow/],
  ['allow exek on servers', 'rule.verbs', /"exek" is not known; did you mean exec\?/],
  ['allow *,get on servers', 'rule.verbs', /stands alone/],
  ['allow get servers', 'rule.verbs', /expected , or on, found "servers"/],
  ['allow get,,list on servers', 'rule.verbs', /expected a word/],
  ['allow get on server', 'rule.kinds', /did you mean servers\?/],
  ['allow get on', 'rule.kinds', /expected a word/],
  ['allow get on servers/', 'rule.name', /expected a name/],
  ['allow get on servers/[ab]', 'rule.name', /expected a name/],
  ['allow get on servers whre a=b', 'rule', /did you mean where\?/],
  ['allow get on servers where', 'rule.selector', /expected a label/],
  ['allow exec on servers as', 'rule.limits', /is neither an account nor/],
  ['allow exec on servers as a b', 'rule', /unexpected "b"/],
  ['allow exec on servers as root!', 'rule.limits', /"root!" is neither/],
  ['allow forward on servers as db:0', 'rule.limits', /nor HOST:PORT/],
  ['allow forward on servers as db:65536', 'rule.limits', /nor HOST:PORT/],
  ['allow forward on servers as db:22x', 'rule.limits', /nor HOST:PORT/],
  ['allow forward on servers as root', 'rule.limits', /not bound by these/],
  ['allow exec on servers as root,db:22', 'rule.limits', /HOST:PORT goes with forward/],
  ['allow exec,get on servers as root', 'rule.limits', /get is not bound by these/],
  ['allow * on servers as root', 'rule.limits', /\* is not bound by these/],
  ['allow get on servers\nas root', 'rule.kinds', /is not known/],
];
test.each(refused)('RB-2: %p is refused at %s', (text, field, message) => {
  const error = failure(text);
  expect(error.code).toBe('VALIDATION_FAILED');
  expect(error.field).toBe(field);
  expect(error.message).toMatch(message);
});

test('RB-4: facts.* in a rule is SELECTOR_UNTRUSTED', () => {
  for (const key of ['facts.gpu', 'facts', 'FACTS.gpu']) {
    expect(failure(`allow exec on servers where ${key}=1`).code).toBe('SELECTOR_UNTRUSTED');
  }
  expect(parseRule('allow exec on servers where factsheet=1').selector).toHaveLength(1);
});

test('errors name the rule of a role, and show hostile text escaped and short', () => {
  expect(failure('allow x on y', 'rules[3]').field).toBe('rules[3].verbs');
  const { message } = failure(`allow \u001b[31m${'x'.repeat(500)} on servers`);
  expect(message).not.toContain('\u001b');
  expect(message.length).toBeLessThan(120);
  expect(failure(`allow get on servers where ${'a,'.repeat(2_000)}a`).message).toMatch(/longer than 2048/);
  expect(failure(`allow get on servers where ${'a,'.repeat(16)}a`).message).toMatch(/more than 16 conditions/);
});

test('parse(print(rule)) is the rule', () => {
  fc.assert(
    fc.property(arbitraryRule(fc), (rule: Rule) => {
      const text = printRule(rule);
      expect(parseRule(text)).toEqual(rule);
      expect(printRule(parseRule(text))).toBe(text);
    }),
    { numRuns: fuzzRuns(3_000) },
  );
});

test('any text is a rule or a FleetError, in time that grows with its length', () => {
  const pieces = fc.constantFrom(
    'allow',
    'deny',
    ' ',
    'on',
    'servers',
    '/',
    'where',
    'as',
    ',',
    '(',
    ')',
    '=',
    '!',
    '*',
    ':',
    '"',
  );
  const soup = fc
    .array(fc.oneof(pieces, fc.string({ maxLength: 4 })), { maxLength: 40 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.oneof(soup, fc.string({ unit: 'binary' })), (text) => {
      try {
        expect(parseRule(printRule(parseRule(text)))).toEqual(parseRule(text));
      } catch (error) {
        if (!(error instanceof FleetError)) throw error;
      }
    }),
    { numRuns: fuzzRuns(5_000) },
  );
});
