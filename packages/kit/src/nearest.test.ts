import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { didYouMean, nearest } from './nearest.ts';

const names = ['host', 'port', 'allow-wildcard', 'drain_s', 'log-level'];

test('finds slips of one or two letters, swaps, and - for _', () => {
  expect(nearest('prot', names)).toBe('port');
  expect(nearest('hots', names)).toBe('host');
  expect(nearest('allow_wildcrad', names)).toBe('allow-wildcard');
  expect(nearest('drain-s', names)).toBe('drain_s');
  expect(nearest('log', names)).toBe('log-level');
});

test('says nothing when nothing is near', () => {
  expect(nearest('temperature', names)).toBeUndefined();
  expect(nearest('', names)).toBeUndefined();
  expect(didYouMean('zzzzz', names)).toBe('');
  expect(didYouMean('prot', names)).toBe('; did you mean port?');
});

test('a name that is in the list is its own nearest, any text is survived', () => {
  fc.assert(fc.property(fc.constantFrom(...names), (name) => nearest(name, names) === name));
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), fc.array(fc.string()), (name, list) => {
      const found = nearest(name, list);
      return found === undefined || list.includes(found);
    }),
  );
});
