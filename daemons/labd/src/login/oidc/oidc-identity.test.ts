import { describe, expect, test } from 'bun:test';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import fc from 'fast-check';
import { plainName, readIdentity } from './oidc-identity.ts';

const claims = { iss: 'https://id.test', sub: 's1' };

describe('identities (ID-4)', () => {
  test('names as others write them', () => {
    const names: [string, string | undefined][] = [
      ['Alice', 'alice'],
      ['alice@example.com', 'alice'],
      ['Zoë Müller', 'zoe-muller'],
      ['DOM\\bob', 'dom-bob'],
      ['..-', undefined],
      ['', undefined],
      ['@x', undefined],
    ];
    for (const [text, name] of names) expect(plainName(text)).toBe(name);
  });

  test('any text gives a name of the grammar or none (CT-1)', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 90, unit: 'binary' }), (text) => {
        const name = plainName(text);
        if (name !== undefined) expect(name).toMatch(/^[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?$/);
      }),
    );
  });

  test('groups: a list, one text, none; never cut', () => {
    const groups = (value: unknown) => readIdentity({ ...claims, groups: value }, 'groups').groups;
    expect(groups(['a', 'b', 'a'])).toEqual(['a', 'b']);
    expect(groups('solo')).toEqual(['solo']);
    expect(groups(undefined)).toEqual([]);
    expect(groups(null)).toEqual([]);
    for (const bad of [Array.from({ length: 257 }, (_, n) => `g${n}`), [1], { a: 1 }, ['x'.repeat(254)], ['']])
      expect(() => groups(bad)).toThrow(FleetError);
    expect(readIdentity({ ...claims, 'lab/roles': ['x'] }, 'lab/roles').groups).toEqual(['x']);
  });

  test('issuer and subject have to be there; odd names and addresses are left out', () => {
    for (const bad of [{}, { iss: 'x' }, { sub: 's' }, { iss: 1, sub: 's' }, { iss: 'x', sub: 's'.repeat(256) }])
      expect(() => readIdentity(bad, 'groups')).toThrow(FleetError);
    const odd = readIdentity({ ...claims, preferred_username: 7, email: 'no address' }, 'groups');
    expect(odd).toEqual({ issuer: 'https://id.test', subject: 's1', name: undefined, email: undefined, groups: [] });
    expect(readIdentity({ ...claims, email: 'bob@lab.test' }, 'groups').name).toBe('bob');
  });
});
