/** A store in memory with the built-in roles, people, and short ways to bind rules to them. */
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import type { Store, Writer } from '@labmesh/store/store';
import { type Principal, system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { bumpAccessVersion } from '../access-version.ts';
import { seedBuiltinRoles } from '../builtin-roles.ts';
import type { Subject } from '../load-policies.ts';
import { parseRule } from '../rules/rule.ts';
import { ruleRow } from '../rules/rule-rows.ts';

/** The wall time of a fresh FakeClock. */
export const start = 1_700_000_000_000;
export const tester = system('test');

export const openAccessStore = async (): Promise<Store> => {
  const store = await openStore({ url: await (await import('../../fresh.ts')).fresh(), log: silentLogger });
  await store.write(tester, (tx) => seedBuiltinRoles(tx, start));
  return store;
};

export type Person = Subject & { principal: Principal };

/** Makes a user. */
export async function addUser(tx: Writer, name: string): Promise<Person> {
  const id = uuidv7();
  const row = { id, created_at: start, name, kind: 'human', email: null, disabled_at: null };
  await tx.insertInto('users').values(row).execute();
  return { principal: { kind: 'user', id, name } };
}

/** Makes a role of these rules, past all checks; gives its id. */
export async function addRole(tx: Writer, name: string, rules: readonly string[]): Promise<string> {
  const id = uuidv7();
  await tx.insertInto('roles').values({ id, created_at: start, name, description: null, built_in: 0 }).execute();
  for (const text of rules)
    await tx
      .insertInto('permissions')
      .values(ruleRow(id, parseRule(text), start))
      .execute();
  await bumpAccessVersion(tx, start);
  return id;
}

/** Binds a subject to a role, past all checks; gives the binding's id. */
export async function bind(
  tx: Writer,
  subject: { kind: string; subject: string },
  role: string,
  expiresAt: number | null = null,
): Promise<string> {
  const id = uuidv7();
  const found = await tx.selectFrom('roles').select('id').where('name', '=', role).executeTakeFirstOrThrow();
  const row = { id, created_at: start, subject_kind: subject.kind, subject: subject.subject };
  await tx
    .insertInto('user_roles')
    .values({ ...row, role_id: found.id, expires_at: expiresAt })
    .execute();
  await bumpAccessVersion(tx, start);
  return id;
}

/** A user who holds a role made of these rules. */
export async function userWith(tx: Writer, name: string, rules: readonly string[]): Promise<Person> {
  const person = await addUser(tx, name);
  await addRole(tx, `${name}-role`, rules);
  await bind(tx, { kind: 'user', subject: person.principal.id }, `${name}-role`);
  return person;
}
