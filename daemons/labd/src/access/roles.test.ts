import { errorOf } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type { Store } from '@labmesh/store/store';
import { refuseLastAdmin } from './access-change.ts';
import { readAccessVersion } from './access-version.ts';
import { createBinding, deleteBinding, deleteBindingsOf, findBinding } from './bindings.ts';
import type { Subject } from './load-policies.ts';
import { createRole, deleteRole, findRole, updateRole } from './roles.ts';
import {
  addRole,
  addUser,
  bind,
  openAccessStore,
  type Person,
  start,
  tester,
  userWith,
} from './testing/access-fixture.ts';

const local: Subject = { principal: { kind: 'local', id: 'root', name: 'root' } };
const now = start;
let store: Store;
/** `boss` may work on roles and bindings, and holds exec on web servers, but not escalate. */
let boss: Person;

beforeEach(async () => {
  store = await openAccessStore();
  boss = await store.write(tester, (tx) =>
    userWith(tx, 'boss', ['allow get,list,create,update,delete on roles,bindings', 'allow exec on servers/web-*']),
  );
});
afterEach(() => store[Symbol.asyncDispose]());

const make = (who: Subject, name: string, ...rules: string[]) =>
  store.write(who.principal, (tx) => createRole(who, { tx, now }, { name, rules }));
const change = (who: Subject, name: string, rules: string[], revision?: number) =>
  store.write(who.principal, (tx) => updateRole(who, { tx, now }, name, { rules, revision }));
const remove = (who: Subject, name: string) => store.write(who.principal, (tx) => deleteRole(who, { tx, now }, name));
const give = (who: Subject, subject: string, role: string, expiresAt?: number) =>
  store.write(who.principal, (tx) =>
    createBinding(who, { tx, now }, { subjectKind: 'user', subject, role, expiresAt }),
  );
const take = (who: Subject, id: string) =>
  store.write(who.principal, (tx) => deleteBinding(who, { tx, now }, id, () => {}));
const version = () => store.read(tester, readAccessVersion);

describe('roles', () => {
  test('are made with canonical rules, found by id and name, changed and ended', async () => {
    const before = await version();
    const role = await make(
      local,
      'deployers',
      'allow  exec on servers as deploy',
      'allow get , list on servers',
      'allow get,list on servers',
    );
    expect(role).toMatchObject({ name: 'deployers', builtIn: false, revision: 1, createdAt: now });
    expect(role.rules).toEqual(['allow exec on servers as deploy', 'allow get,list on servers']);
    expect(await version()).toBe(before + 1);
    const changed = await change(local, role.id, ['allow get on servers'], 1);
    expect(changed).toMatchObject({ id: role.id, revision: 2, rules: ['allow get on servers'] });
    expect(await errorOf(change(local, 'deployers', [], 1))).toMatchObject({ code: 'STALE_REVISION' });
    await store.write(tester, (tx) => bind(tx, { kind: 'user', subject: boss.principal.id }, 'deployers'));
    await remove(local, 'deployers');
    expect(await errorOf(remove(local, 'deployers'))).toMatchObject({ code: 'NOT_FOUND' });
    const left = await store.read(tester, (db) =>
      db.selectFrom('user_roles').selectAll().where('role_id', '=', role.id).execute(),
    );
    expect(left).toEqual([]);
  });

  test('a name is taken once; a rule that is wrong is named', async () => {
    expect(await errorOf(make(local, 'admin', 'allow get on servers'))).toMatchObject({
      code: 'CONFLICT',
      field: 'name',
    });
    expect(await errorOf(make(local, 'x', 'allow get on servers', 'allow gett on servers'))).toMatchObject({
      code: 'VALIDATION_FAILED',
      field: 'rules[1].verbs',
    });
    expect(await errorOf(make(local, 'x', 'allow get on servers where facts.a=1'))).toMatchObject({
      code: 'SELECTOR_UNTRUSTED',
    });
    expect(await errorOf(make(local, 'x', ...Array.from({ length: 257 }, () => 'allow get on servers')))).toMatchObject(
      {
        field: 'rules',
      },
    );
  });

  test('RB-7: built-in roles stay', async () => {
    expect(await errorOf(change(local, 'viewer', []))).toMatchObject({ code: 'CONFLICT' });
    expect(await errorOf(remove(local, 'admin'))).toMatchObject({ code: 'CONFLICT' });
  });

  test('a role named like another’s id does not stand in for it', async () => {
    const role = await make(local, 'first', 'allow get on servers');
    await make(local, role.id, 'allow get on apps');
    const found = await store.write(tester, (tx) => findRole({ tx }, role.id));
    expect(found.name).toBe('first');
  });
});

describe('RB-6: ESCALATION', () => {
  const escalates = { code: 'ESCALATION' };

  test('nobody makes a role that does more than they may', async () => {
    expect(await errorOf(make(boss, 'more', 'allow exec on servers'))).toMatchObject(escalates);
    expect(await errorOf(make(boss, 'more', 'allow escalate on roles'))).toMatchObject(escalates);
    expect(await make(boss, 'same', 'allow exec on servers/web-1', 'deny exec on servers/web-2')).toMatchObject({
      name: 'same',
    });
  });

  test('nor binds, nor changes one', async () => {
    await store.write(tester, (tx) => addRole(tx, 'strong', ['allow exec on servers']));
    expect(await errorOf(give(boss, 'boss', 'strong'))).toMatchObject(escalates);
    expect(await errorOf(give(boss, 'boss', 'admin'))).toMatchObject(escalates);
    expect(await errorOf(change(boss, 'boss-role', ['allow * on *']))).toMatchObject(escalates);
    expect(await change(boss, 'strong', ['allow exec on servers/web-9'])).toMatchObject({ revision: 2 });
  });

  test('nor lifts a deny that binds them: by change, role or binding', async () => {
    const id = await store.write(tester, async (tx) => {
      await addRole(tx, 'no-web-1', ['deny exec on servers/web-1']);
      return bind(tx, { kind: 'user', subject: boss.principal.id }, 'no-web-1');
    });
    expect(await errorOf(change(boss, 'no-web-1', []))).toMatchObject(escalates);
    expect(await errorOf(change(boss, 'no-web-1', ['deny exec on servers/web-11']))).toMatchObject(escalates);
    expect(await errorOf(remove(boss, 'no-web-1'))).toMatchObject(escalates);
    expect(await errorOf(take(boss, id))).toMatchObject(escalates);
    expect(await change(boss, 'no-web-1', ['deny exec on servers/web-1', 'deny exec on servers/db-1'])).toMatchObject({
      revision: 2,
    });
    expect(await take(local, id)).toMatchObject({ id });
  });

  test('a deny that cannot be read is lifted by escalate alone', async () => {
    await store.write(tester, async (tx) => {
      await addRole(tx, 'odd', ['deny exec on servers/web-1']);
      await tx
        .updateTable('permissions')
        .set({ text: 'deny ??' })
        .where('text', '=', 'deny exec on servers/web-1')
        .execute();
    });
    expect(await errorOf(remove(boss, 'odd'))).toMatchObject(escalates);
    expect(await remove(local, 'odd')).toMatchObject({ name: 'odd' });
  });

  test('the verb escalate on the role is the way past', async () => {
    await store.write(tester, async (tx) => {
      await addRole(tx, 'raise', ['allow escalate on roles/team-*']);
      await bind(tx, { kind: 'user', subject: boss.principal.id }, 'raise');
    });
    expect(await make(boss, 'team-a', 'allow exec on servers')).toMatchObject({ name: 'team-a' });
    expect(await give(boss, 'boss', 'team-a')).toMatchObject({ role: 'team-a' });
    expect(await errorOf(make(boss, 'other', 'allow exec on apps'))).toMatchObject(escalates);
  });

  test('what is held counts as the transaction sees it', async () => {
    await store.write(tester, (tx) => tx.deleteFrom('user_roles').where('subject', '=', boss.principal.id).execute());
    expect(await errorOf(make(boss, 'same', 'allow exec on servers/web-1'))).toMatchObject(escalates);
  });
});

describe('RB-6: bindings', () => {
  test('by name or id, with an expiry; once', async () => {
    const binding = await give(local, 'boss', 'viewer', now + 1_000);
    expect(binding).toMatchObject({
      subject: boss.principal.id,
      subjectName: 'boss',
      role: 'viewer',
      expiresAt: now + 1_000,
    });
    expect(await store.write(tester, (tx) => findBinding({ tx, now }, binding.id))).toEqual(binding);
    expect(await errorOf(give(local, boss.principal.id, 'viewer'))).toMatchObject({ code: 'CONFLICT' });
    const later = { subjectKind: 'user', subject: 'boss', role: 'viewer' } as const;
    const again = await store.write(tester, (tx) => createBinding(local, { tx, now: now + 2_000 }, later));
    expect(again.expiresAt).toBeNull();
    expect(
      await store.write(tester, (tx) =>
        createBinding(local, { tx, now }, { subjectKind: 'group', subject: 'ops', role: 'viewer' }),
      ),
    ).toMatchObject({
      subject: 'ops',
      subjectName: 'ops',
    });
  });

  test('unknown users, roles, bindings and past expiries are refused', async () => {
    expect(await errorOf(give(local, 'nobody', 'viewer'))).toMatchObject({
      code: 'VALIDATION_FAILED',
      field: 'subject',
    });
    expect(await errorOf(give(local, 'boss', 'nothing'))).toMatchObject({ code: 'NOT_FOUND' });
    expect(await errorOf(give(local, 'boss', 'viewer', now))).toMatchObject({ field: 'expiresAt' });
    expect(await errorOf(take(local, 'x'))).toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('RB-6: LAST_ADMIN', () => {
  const last = { code: 'LAST_ADMIN' };

  test('the last admin binding cannot go, whoever asks', async () => {
    const first = await give(local, 'boss', 'admin');
    expect(await errorOf(take(local, first.id))).toMatchObject(last);
    await store.write(tester, (tx) => addUser(tx, 'ann'));
    const second = await give(local, 'ann', 'admin');
    expect(await take(local, first.id)).toMatchObject({ role: 'admin' });
    expect(await errorOf(take(local, second.id))).toMatchObject(last);
  });

  test('a lapsing admin is no reason to let the lasting one go; a disabled one counts for nothing', async () => {
    const first = await give(local, 'boss', 'admin');
    const ann = await store.write(tester, (tx) => addUser(tx, 'ann'));
    const second = await give(local, 'ann', 'admin', now + 60_000);
    expect(await errorOf(take(local, first.id))).toMatchObject(last);
    expect(await take(local, second.id)).toMatchObject({ subjectName: 'ann' });
    await give(local, 'ann', 'admin');
    await store.write(tester, (tx) =>
      tx.updateTable('users').set({ disabled_at: now }).where('id', '=', ann.principal.id).execute(),
    );
    expect(await errorOf(take(local, first.id))).toMatchObject(last);
  });

  test('deleting or disabling the last admin is refused alike', async () => {
    await give(local, 'boss', 'admin');
    const { id } = boss.principal;
    expect(await errorOf(store.write(tester, (tx) => deleteBindingsOf({ tx, now }, 'user', id)))).toMatchObject(last);
    expect(
      await errorOf(store.write(tester, (tx) => refuseLastAdmin({ tx, now }, { subjectKind: 'user', subject: id }))),
    ).toMatchObject(last);
    const ann = await store.write(tester, (tx) => addUser(tx, 'ann'));
    await store.write(tester, (tx) => refuseLastAdmin({ tx, now }, { subjectKind: 'user', subject: ann.principal.id }));
    await store.write(tester, (tx) => deleteBindingsOf({ tx, now }, 'user', ann.principal.id));
    await store.write(tester, (tx) =>
      createBinding(local, { tx, now }, { subjectKind: 'group', subject: 'ops', role: 'admin' }),
    );
    await store.write(tester, (tx) => deleteBindingsOf({ tx, now }, 'user', id));
    const left = await store.read(tester, (db) => db.selectFrom('user_roles').select('subject').execute());
    expect(left).toEqual([{ subject: 'ops' }]);
  });
});
