import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { rightsOf, withPriority } from './key-rights.ts';

const priorityOf = (...scopes: string[]) => rightsOf({ scopes }).priorityMost;

test('a class above normal is given by a scope, one below holds down; the highest of several counts', () => {
  expect(priorityOf('chat', 'verify')).toBe('normal');
  expect(priorityOf('chat', 'priority:low')).toBe('low');
  expect(priorityOf('priority:critical', 'priority:low', 'priority:high')).toBe('critical');
  expect(withPriority(['chat'], 'high')).toEqual(['chat', 'priority:high']);
  expect(withPriority(['priority:high'], 'high')).toEqual(['priority:high']);
  expect(withPriority(['chat'], undefined)).toEqual(['chat']);
});

test('a key that is not there has no more than everybody; variations are the key’s own', () => {
  expect(rightsOf(undefined)).toEqual({ priorityMost: 'normal', variationsMost: undefined });
  expect(rightsOf({ scopes: [], variations: 16 })).toEqual({
    priorityMost: 'normal',
    variationsMost: 16,
  });
});

test('no scope of another word is a right', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (scopes) => {
      fc.pre(!scopes.some((scope) => /^priority:(low|high|critical)$/.test(scope)));
      expect(priorityOf(...scopes, 'priority', 'priority:', 'priority:Critical', 'priority:critical ')).toBe('normal');
    }),
  );
});
