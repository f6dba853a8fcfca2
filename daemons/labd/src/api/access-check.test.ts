import { describe, expect, test } from 'bun:test';
import type { Verb } from '@labmesh/wire/fleet/access-words';
import type { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { FleetAccess, FleetOperation } from '@labmesh/wire/fleet/operation';
import { mayEach, may } from '@labmesh/wire/fleet/operation';
import type { Principal } from '@labmesh/wire/fleet/principal';
import { principalKinds } from '@labmesh/wire/fleet/principal';
import type { Policies, Target } from '../access/policies.ts';
import { AccessCheck } from './access-check.ts';

type Rule = (verb: Verb, target: Target) => boolean;

/** A check over policies that are one function; `mayAny` asks it without a name. */
function checkOf(access: FleetAccess, kind: Principal['kind'], rule: Rule = () => false): AccessCheck {
  const policies = {
    decide: (_subject: unknown, verb: Verb, target: Target) => ({ allowed: rule(verb, target) }),
    mayAny: (_subject: unknown, verb: Verb, target: Target['kind']) => rule(verb, { kind: target, name: '*' }),
  } as unknown as Policies;
  const operation = { name: 'test', access } as FleetOperation;
  return new AccessCheck(operation, { principal: { kind, id: 'x', name: 'x' } }, policies);
}
const outcome = (work: () => void): string => {
  try {
    work();
    return 'ok';
  } catch (error) {
    return (error as FleetError).code;
  }
};

describe('begin', () => {
  const begin = (access: FleetAccess, kind: Principal['kind'], rule?: Rule) =>
    outcome(() => checkOf(access, kind, rule).begin());

  test('public is open to all', () => {
    for (const kind of principalKinds) expect(begin({ rule: 'public' }, kind)).toBe('ok');
  });

  test('a stranger is asked who it is, everybody else is judged', () => {
    for (const access of [{ rule: 'any' }, may('get', 'system'), { rule: 'own', kinds: ['user'] }] as const)
      expect(begin(access, 'anonymous', () => true)).toBe('UNAUTHENTICATED');
  });

  test('LD-8 machines and labds have none of the people’s operations, whatever rules say', () => {
    for (const kind of ['agent', 'bastion', 'labd', 'system'] as const)
      for (const access of [{ rule: 'any' }, may('get', 'system'), mayEach('list', 'servers')] as const)
        expect(begin(access, kind, () => true)).toBe('PERMISSION_DENIED');
  });

  test('own: the kinds of the row, and no others', () => {
    for (const kind of principalKinds) {
      const expected = kind === 'agent' ? 'ok' : kind === 'anonymous' ? 'UNAUTHENTICATED' : 'PERMISSION_DENIED';
      expect(begin({ rule: 'own', kinds: ['agent'] }, kind)).toBe(expected);
    }
  });

  test('may: the rule decides; each: any thing at all will do', () => {
    const onlyNamed: Rule = (_verb, { name }) => name !== undefined;
    expect(begin(may('get', 'system'), 'user', onlyNamed)).toBe('PERMISSION_DENIED');
    expect(begin(mayEach('get', 'servers'), 'user', onlyNamed)).toBe('ok');
  });
});

describe('may, AP-5', () => {
  const target = { kind: 'servers', name: 'db-1' } as const;
  test('forbidden is told to who may list, and looks like absent to who may not', () => {
    const mayList: Rule = (verb) => verb === 'list';
    expect(outcome(() => checkOf(mayEach('get', 'servers'), 'user', mayList).may('get', target))).toBe(
      'PERMISSION_DENIED',
    );
    expect(outcome(() => checkOf(mayEach('get', 'servers'), 'user').may('get', target))).toBe('NOT_FOUND');
  });
});

describe('end', () => {
  test('a handler that forgot to ask is an error of ours', () => {
    const check = checkOf(mayEach('delete', 'servers'), 'user', () => true);
    expect(outcome(() => check.end())).toBe('INTERNAL');
    check.may('delete', { kind: 'servers', name: 'x' });
    expect(outcome(() => check.end())).toBe('ok');
  });

  test('lists filter in the query, the rest was judged at the beginning', () => {
    for (const access of [mayEach('list', 'servers'), may('delete', 'ca'), { rule: 'public' }] as const)
      expect(outcome(() => checkOf(access, 'user', () => true).end())).toBe('ok');
  });
});
