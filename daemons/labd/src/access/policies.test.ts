import { errorOf } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { createLogger, silentLogger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import { type Principal, system } from '@labmesh/wire/fleet/principal';
import { bumpAccessVersion } from './access-version.ts';
import { builtinRoles, seedBuiltinRoles } from './builtin-roles.ts';
import { Policies } from './policies.ts';
import { addRole, addUser, bind, openAccessStore, start, tester, userWith } from './testing/access-fixture.ts';

let store: Store;
let clock: FakeClock;
let policies: Policies;
const turn = () => new Promise((resolve) => setTimeout(resolve, 5));
/** Turns the clock and lets the poll read the store. */
const advance = async (ms: number) => {
  await clock.advance(ms);
  await turn();
};
const server = { kind: 'servers', name: 'web-1' } as const;

beforeEach(async () => {
  store = await openAccessStore();
  clock = new FakeClock();
  policies = await Policies.open({ store, clock, log: silentLogger });
});
afterEach(async () => {
  await policies[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
});

describe('RB-7, RB-8: built-in roles', () => {
  test('3 roles and 6 rules; seeding again changes nothing', async () => {
    const rows = await store.read(tester, (db) => db.selectFrom('permissions').select('text').execute());
    expect(rows.map(({ text }) => text).toSorted()).toEqual(builtinRoles.flatMap(({ rules }) => rules).toSorted());
    expect([builtinRoles.length, rows.length]).toEqual([3, 6]);
    expect(await store.write(tester, (tx) => seedBuiltinRoles(tx, start))).toBe(false);
  });

  test('a changed built-in role is repaired', async () => {
    await store.write(tester, (tx) =>
      tx.updateTable('permissions').set({ text: 'allow get on servers' }).where('text', '=', 'allow * on *').execute(),
    );
    expect(await store.write(tester, (tx) => seedBuiltinRoles(tx, start))).toBe(true);
    const rows = await store.read(tester, (db) => db.selectFrom('permissions').select('text').execute());
    expect(rows.map(({ text }) => text)).toContain('allow * on *');
    expect(rows).toHaveLength(6);
  });

  test('what each may do', async () => {
    const [admin, operator, viewer] = await store.write(tester, async (tx) => {
      const people = [await addUser(tx, 'ann'), await addUser(tx, 'oli'), await addUser(tx, 'vic')];
      for (const [index, role] of ['admin', 'operator', 'viewer'].entries())
        await bind(tx, { kind: 'user', subject: people[index]!.principal.id }, role);
      return people;
    });
    await policies.reload();
    const may = (
      who: typeof admin,
      verb: 'get' | 'exec' | 'create' | 'play' | 'logs' | 'escalate',
      kind: 'servers' | 'users' | 'secrets' | 'recordings',
    ) => policies.decide(who!, verb, { kind }).allowed;
    expect([may(admin, 'create', 'users'), may(admin, 'escalate', 'secrets'), may(admin, 'exec', 'servers')]).toEqual([
      true,
      true,
      true,
    ]);
    expect([
      may(operator, 'exec', 'servers'),
      may(operator, 'get', 'users'),
      may(operator, 'create', 'servers'),
    ]).toEqual([true, false, false]);
    expect([may(viewer, 'logs', 'servers'), may(viewer, 'exec', 'servers'), may(viewer, 'get', 'recordings')]).toEqual([
      true,
      false,
      false,
    ]);
  });
});

test('LD-8: kinds of principals that hold nothing, all, and what is bound', async () => {
  const of = (kind: Principal['kind'], id = 'x') => ({ principal: { kind, id, name: id }, groups: ['ops'] });
  await store.write(tester, async (tx) => {
    await bind(tx, { kind: 'service', subject: 'gateway' }, 'viewer');
    await bind(tx, { kind: 'user', subject: 'x' }, 'admin');
    await bind(tx, { kind: 'group', subject: 'ops' }, 'admin');
  });
  await policies.reload();
  for (const kind of ['agent', 'bastion', 'labd', 'anonymous', 'service'] as const)
    expect(policies.decide(of(kind), 'get', server)).toEqual({ allowed: false, reason: 'NO_MATCH' });
  expect(policies.decide({ principal: system('job') }, 'forward', server, { forward: 'db:5432' }).allowed).toBe(true);
  expect(policies.decide(of('local', 'root'), 'delete', server)).toMatchObject({ allowed: true, role: 'admin' });
  expect(policies.decide(of('service', 'gateway'), 'list', server).allowed).toBe(true);
  expect(policies.decide(of('service', 'gateway'), 'update', server).allowed).toBe(false);
});

test('RB-6: groups hold roles, for as long as the login tells them', async () => {
  const person = await store.write(tester, async (tx) => {
    await bind(tx, { kind: 'group', subject: 'ops' }, 'operator');
    return addUser(tx, 'ann');
  });
  await policies.reload();
  expect(policies.decide({ ...person, groups: ['dev', 'ops'] }, 'exec', server).allowed).toBe(true);
  expect(policies.decide({ ...person, groups: ['dev'] }, 'exec', server).allowed).toBe(false);
  expect(policies.rolesOf({ ...person, groups: ['ops'] })).toEqual(['operator']);
});

describe('RB-11', () => {
  test('a change by another replica holds within 2 s and is told', async () => {
    const person = await store.write(tester, (tx) => userWith(tx, 'ann', ['allow exec on servers']));
    const told: number[] = [];
    const stop = policies.onChange((version) => told.push(version));
    await advance(1_000);
    expect(policies.decide(person, 'exec', server).allowed).toBe(true);
    await store.write(tester, async (tx) => {
      await tx.deleteFrom('user_roles').where('subject', '=', person.principal.id).execute();
      await bumpAccessVersion(tx, start);
    });
    expect(policies.decide(person, 'exec', server).allowed).toBe(true);
    await advance(2_000);
    expect(policies.decide(person, 'exec', server).allowed).toBe(false);
    expect(told).toHaveLength(2);
    expect(told.at(-1)).toBe(policies.version);
    stop();
    await store.write(tester, (tx) => bumpAccessVersion(tx, start));
    await policies.reload();
    expect(told).toHaveLength(2);
  });

  test('a disabled user holds nothing', async () => {
    const person = await store.write(tester, (tx) => userWith(tx, 'ann', ['allow exec on servers']));
    await policies.reload();
    expect(policies.decide(person, 'exec', server).allowed).toBe(true);
    await store.write(tester, async (tx) => {
      await tx.updateTable('users').set({ disabled_at: start }).where('id', '=', person.principal.id).execute();
      await bumpAccessVersion(tx, start);
    });
    await advance(1_000);
    expect(policies.decide(person, 'exec', server)).toEqual({ allowed: false, reason: 'NO_MATCH' });
  });

  test('a binding lapses on time, and the hub is told', async () => {
    const person = await store.write(tester, async (tx) => {
      const ann = await addUser(tx, 'ann');
      await bind(tx, { kind: 'user', subject: ann.principal.id }, 'operator', start + 5_500);
      return ann;
    });
    await policies.reload();
    let told = 0;
    policies.onChange(() => told++);
    for (let second = 0; second < 5; second++) await advance(1_000);
    expect([policies.decide(person, 'exec', server).allowed, told]).toEqual([true, 0]);
    await advance(500);
    expect(policies.decide(person, 'exec', server).allowed).toBe(false);
    await advance(1_000);
    expect(told).toBe(1);
  });

  test('the last policies go on while the database is away', async () => {
    const person = await store.write(tester, (tx) => userWith(tx, 'ann', ['allow exec on servers']));
    await policies.reload();
    await store[Symbol.asyncDispose]();
    for (let second = 0; second < 5; second++) await advance(1_000);
    expect(policies.decide(person, 'exec', server).allowed).toBe(true);
    expect(policies.ageMs()).toBeGreaterThanOrEqual(4_000);
    expect(await errorOf(policies.reload())).toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  test('a listener that throws stops nobody else', async () => {
    let told = 0;
    policies.onChange(() => {
      throw new Error('mine');
    });
    policies.onChange(() => told++);
    await store.write(tester, (tx) => bumpAccessVersion(tx, start));
    await policies.reload();
    expect(told).toBe(1);
  });
});

describe('RB-5: stored rules that cannot be read', () => {
  const edits: [string, Record<string, string>, boolean][] = [
    ['a deny with unknown words', { text: 'deny shell on servers/db-*' }, true],
    ['a deny that is noise', { text: '????' }, true],
    ['an effect that is none', { effect: 'maybe' }, true],
    ['a deny turned into an allow in one place', { text: 'allow exec on servers/db-*' }, true],
    ['parts that differ from the text', { name_glob: 'x-*' }, true],
  ];
  test.each(edits)('%s denies everything to its holders and is reported', async (_, edit, denied) => {
    const lines: string[] = [];
    const log = createLogger({ level: 'error', format: 'json', write: (line) => lines.push(line) });
    const [person, other] = await store.write(tester, async (tx) => [
      await userWith(tx, 'ann', ['allow * on *', 'deny exec on servers/db-*']),
      await userWith(tx, 'bob', ['allow exec on servers']),
    ]);
    await store.write(tester, (tx) =>
      tx.updateTable('permissions').set(edit).where('text', '=', 'deny exec on servers/db-*').execute(),
    );
    await using mine = await Policies.open({ store, clock, log });
    expect(mine.decide(person, 'get', { kind: 'tokens' }).allowed).toBe(!denied);
    expect(mine.decide(person, 'get', { kind: 'tokens' }).reason).toBe('DENY_RULE');
    expect(mine.condition(person, 'list', 'servers').none).toBe(true);
    expect(mine.mayAny(person, 'list', 'servers')).toBe(false);
    expect(mine.decide(other, 'exec', server).allowed).toBe(true);
    expect(mine.problems()).toHaveLength(1);
    expect(lines.join('')).toContain('ann-role');
  });

  test('a broken allow gives nothing and takes nothing', async () => {
    const person = await store.write(tester, (tx) =>
      userWith(tx, 'ann', ['allow get on servers', 'allow exec on servers']),
    );
    await store.write(tester, (tx) =>
      tx
        .updateTable('permissions')
        .set({ text: 'allow shell on servers' })
        .where('text', '=', 'allow exec on servers')
        .execute(),
    );
    await policies.reload();
    expect(policies.decide(person, 'get', server).allowed).toBe(true);
    expect(policies.decide(person, 'exec', server).allowed).toBe(false);
  });
});

test('RB-9: explain names role and rule', async () => {
  const person = await store.write(tester, async (tx) => {
    await addRole(tx, 'no-db', ['deny exec on servers/db-*']);
    const ann = await userWith(tx, 'ann', ['allow exec on servers']);
    await bind(tx, { kind: 'user', subject: ann.principal.id }, 'no-db');
    return ann;
  });
  await policies.reload();
  expect(policies.explain(person, 'exec', { kind: 'servers', name: 'db-1' })).toEqual({
    allowed: false,
    reason: 'DENY_RULE',
    rule: 'deny exec on servers/db-*',
    role: 'no-db',
    matched: ['deny exec on servers/db-*', 'allow exec on servers'],
    roles: ['ann-role', 'no-db'],
  });
});

test('mayAny is about some thing, decide about this one', async () => {
  const person = await store.write(tester, (tx) =>
    userWith(tx, 'ann', [
      'allow list on servers/web-*',
      'allow exec on servers as deploy',
      'deny list on agents',
      'allow list on agents',
    ]),
  );
  await policies.reload();
  expect(policies.decide(person, 'list', { kind: 'servers' }).allowed).toBe(false);
  expect(policies.mayAny(person, 'list', 'servers')).toBe(true);
  expect(policies.mayAny(person, 'exec', 'servers')).toBe(true);
  expect(policies.mayAny(person, 'list', 'agents')).toBe(false);
  expect(policies.mayAny(person, 'list', 'users')).toBe(false);
});
