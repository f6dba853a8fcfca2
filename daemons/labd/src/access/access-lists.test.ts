import { expect, test } from 'bun:test';
import { sql } from 'kysely';
import { listBindings, listPermissions, listRoles } from './access-lists.ts';
import { addRole, addUser, bind, openAccessStore, start, tester } from './testing/access-fixture.ts';

test('AP-3: roles, rules and bindings come in pages, filtered inside the query', async () => {
  await using store = await openAccessStore();
  await store.write(tester, async (tx) => {
    for (const name of ['a_1', 'ab1', 'b']) await addRole(tx, name, ['allow get on servers', 'allow list on servers']);
    const ann = await addUser(tx, 'ann');
    await bind(tx, { kind: 'user', subject: ann.principal.id }, 'b');
    await bind(tx, { kind: 'group', subject: 'ops' }, 'b');
    await bind(tx, { kind: 'group', subject: 'gone' }, 'b', start - 1);
  });
  const first = await store.read(tester, (db) => listRoles(db, { limit: 4 }));
  expect(first.items.map(({ name }) => name)).toEqual(['a_1', 'ab1', 'admin', 'b']);
  expect(first.items[0]).toMatchObject({ rules: ['allow get on servers', 'allow list on servers'], builtIn: false });
  const second = await store.read(tester, (db) => listRoles(db, { limit: 4, cursor: first.nextCursor! }));
  expect([second.items.map(({ name }) => name), second.nextCursor]).toEqual([['operator', 'viewer'], null]);
  const searched = await store.read(tester, (db) => listRoles(db, { limit: 4, q: 'a_' }));
  expect(searched.items.map(({ name }) => name)).toEqual(['a_1']);
  const visible = sql<boolean>`roles.name like 'v%'`;
  const seen = await store.read(tester, (db) => listRoles(db, { limit: 4, visible }));
  expect(seen.items.map(({ name }) => name)).toEqual(['viewer']);
  expect((await store.read(tester, (db) => listRoles(db, { limit: 4, q: 'none' }))).items).toEqual([]);

  const rules = await store.read(tester, (db) => listPermissions(db, { limit: 500 }));
  expect(rules.items).toHaveLength(12);
  expect(rules.items.filter(({ role }) => role === 'viewer')).toHaveLength(3);
  const part = await store.read(tester, (db) => listPermissions(db, { limit: 5 }));
  const rest = await store.read(tester, (db) => listPermissions(db, { limit: 500, cursor: part.nextCursor! }));
  expect([...part.items, ...rest.items]).toEqual(rules.items);

  const bindings = await store.read(tester, (db) => listBindings(db, { limit: 500, now: start }));
  expect(bindings.items.map(({ subjectName, role }) => [subjectName, role])).toEqual([
    ['ann', 'b'],
    ['ops', 'b'],
  ]);
});
