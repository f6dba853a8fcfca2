import { expect, test } from 'bun:test';
import { priorities } from '@labmesh/wire/verification/priority';
import fc from 'fast-check';
import { changePriority, rightsOf, withPriority } from './key-rights.ts';

const priorityOf = (...scopes: string[]) => rightsOf({ scopes }).priorityMost;

test('a class above normal is given by a scope, one below holds down; the highest of several counts', () => {
  expect(priorityOf('chat', 'verify')).toBe('normal');
  expect(priorityOf('chat', 'priority:low')).toBe('low');
  expect(priorityOf('priority:critical', 'priority:low', 'priority:high')).toBe('critical');
  expect(withPriority(['chat'], 'high')).toEqual(['chat', 'priority:high']);
  expect(withPriority(['priority:high'], 'high')).toEqual(['priority:high']);
  expect(withPriority(['chat'], undefined)).toEqual(['chat']);
});

test('a class that is changed is in place of all that were given; other scopes stay', () => {
  expect(changePriority(['chat', 'priority:critical', 'priority:low', 'verify'], 'high')).toEqual([
    'chat',
    'verify',
    'priority:high',
  ]);
  expect(changePriority(['chat', 'priority:high'], undefined)).toEqual(['chat', 'priority:high']);
  const scopes = fc.array(fc.oneof(fc.string(), fc.constantFrom('priority:low', 'priority:high', 'priority:critical')));
  fc.assert(
    fc.property(scopes, fc.constantFrom(...priorities), (before, priority) => {
      const after = changePriority(before, priority);
      expect(rightsOf({ scopes: after }).priorityMost).toBe(priority);
      const others = (list: readonly string[]) =>
        list.filter((scope) => !/^priority:(low|normal|high|critical)$/.test(scope));
      expect(others(after)).toEqual(others(before));
    }),
  );
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
