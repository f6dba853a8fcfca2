import { expect, test } from 'bun:test';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import fc from 'fast-check';
import { parseSelector, printSelector, selectorHolds } from './selector.ts';
import { fuzzRuns, arbitrarySelector } from '../testing/arbitrary-rule.ts';

const failure = (text: string): FleetError => {
  try {
    parseSelector(text);
  } catch (error) {
    return error as FleetError;
  }
  throw new Error(`${text} was taken`);
};

test('RB-4: each form of a condition', () => {
  expect(parseSelector('a=1,b != 2, c in (x, y) ,d notin (z),e,!f,g=""')).toEqual([
    { key: 'a', op: 'in', values: ['1'] },
    { key: 'b', op: 'notin', values: ['2'] },
    { key: 'c', op: 'in', values: ['x', 'y'] },
    { key: 'd', op: 'notin', values: ['z'] },
    { key: 'e', op: 'exists' },
    { key: 'f', op: 'absent' },
    { key: 'g', op: 'in', values: [''] },
  ]);
});

const truth: [string, Record<string, string>, boolean][] = [
  ['env=prod', { env: 'prod' }, true],
  ['env=prod', { env: 'Prod' }, false],
  ['env=prod', {}, false],
  ['env!=prod', { env: 'prod' }, false],
  ['env!=prod', { env: 'dev' }, true],
  ['env!=prod', {}, true],
  ['env in (a,b)', { env: 'b' }, true],
  ['env in (a,b)', {}, false],
  ['env notin (a,b)', { env: 'b' }, false],
  ['env notin (a,b)', {}, true],
  ['env', { env: '' }, true],
  ['env', {}, false],
  ['!env', { env: '' }, false],
  ['!env', {}, true],
  ['env=""', { env: '' }, true],
  ['env=""', {}, false],
  ['constructor', {}, false],
  ['!toString', {}, true],
];
test.each(truth)('RB-5: %s of %p is %p', (text, labels, holds) => {
  expect(selectorHolds(parseSelector(text), labels)).toBe(holds);
});

test('RB-5: without labels only !=, notin and !k hold', () => {
  for (const text of ['a!=1', 'a notin (1,2)', '!a']) expect(selectorHolds(parseSelector(text), undefined)).toBe(true);
  for (const text of ['a=1', 'a in (1,2)', 'a', 'a=""'])
    expect(selectorHolds(parseSelector(text), undefined)).toBe(false);
});

test('bad selectors name the field and what was found', () => {
  for (const text of [
    '',
    'a=',
    'a==b',
    'a in',
    'a in ()',
    'a in (b',
    'a,',
    ',a',
    'a b',
    '=b',
    'a=b c=d',
    'a=(b)',
    '!',
  ]) {
    const error = failure(text);
    expect([text, error.code, error.field]).toEqual([text, 'VALIDATION_FAILED', 'label.selector']);
  }
  expect(failure(`a in (${Array.from({ length: 65 }, (_, index) => index).join(',')})`).message).toMatch(
    /more than 64/,
  );
});

test('RB-4: facts.* is refused for access and taken for filters', () => {
  expect(failure('facts.gpu').code).toBe('SELECTOR_UNTRUSTED');
  expect(failure('!facts.gpu').code).toBe('SELECTOR_UNTRUSTED');
  expect(parseSelector('facts.gpu=a100', { facts: true })).toEqual([{ key: 'facts.gpu', op: 'in', values: ['a100'] }]);
});

test('parse(print(selector)) is the selector', () => {
  fc.assert(
    fc.property(arbitrarySelector(fc), (selector) => {
      fc.pre(selector.length > 0);
      expect(parseSelector(printSelector(selector))).toEqual(selector);
    }),
    { numRuns: fuzzRuns(2_000) },
  );
});

test('any text is a selector or a FleetError', () => {
  const soup = fc
    .array(
      fc.oneof(fc.constantFrom('a', 'in', 'notin', '(', ')', ',', '=', '!', ' ', '""'), fc.string({ maxLength: 3 })),
    )
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(soup, (text) => {
      try {
        expect(parseSelector(printSelector(parseSelector(text)))).toEqual(parseSelector(text));
      } catch (error) {
        if (!(error instanceof FleetError)) throw error;
      }
    }),
    { numRuns: fuzzRuns(3_000) },
  );
});
