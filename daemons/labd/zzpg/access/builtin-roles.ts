/** The three roles that are always there (RB-7, RB-8), and the upsert that keeps them as they are here. */
import { uuidv7 } from '@labmesh/wire/ids';
import type { Writer } from '@labmesh/store/store';
import { bumpAccessVersion } from './access-version.ts';
import { parseRule } from './rules/rule.ts';
import { ruleRow } from './rules/rule-rows.ts';

export const adminRole = 'admin';

export const builtinRoles: readonly { name: string; description: string; rules: readonly string[] }[] = [
  { name: adminRole, description: 'Everything', rules: ['allow * on *'] },
  {
    name: 'operator',
    description: 'Runs the fleet; people, rights, keys and the audit log are out of reach',
    rules: [
      'allow get,list,exec,attach,logs,copy-in,copy-out,forward,kill,apply on *',
      'deny * on users,roles,permissions,bindings,ca,secrets,backups,audit',
    ],
  },
  {
    name: 'viewer',
    description: 'Looks, changes nothing',
    rules: [
      'allow get,list,logs on *',
      'deny * on secrets,recordings,tokens,backups',
      'deny exec,exec-unrecorded,attach,copy-in,copy-out,forward,proxy on *',
    ],
  },
];

/** Makes or repairs the built-in roles. Safe to repeat; the access version rises only when something changed. */
export async function seedBuiltinRoles(tx: Writer, now: number): Promise<boolean> {
  let changed = false;
  for (const { name, description, rules } of builtinRoles) {
    const row = { id: uuidv7(), created_at: now, name, description, built_in: 1 as const };
    await tx
      .insertInto('roles')
      .values(row)
      .onConflict((on) => on.column('name').doNothing())
      .execute();
    const role = await tx.selectFrom('roles').selectAll().where('name', '=', name).executeTakeFirstOrThrow();
    const stored = await tx.selectFrom('permissions').select('text').where('role_id', '=', role.id).execute();
    const same =
      stored
        .map((one) => one.text)
        .toSorted()
        .join('\n') === rules.toSorted().join('\n');
    if (same && role.built_in === 1 && role.id !== row.id) continue;
    changed = true;
    await tx.updateTable('roles').set({ built_in: 1, description }).where('id', '=', role.id).execute();
    await tx.deleteFrom('permissions').where('role_id', '=', role.id).execute();
    const rows = rules.map((text) => ruleRow(role.id, parseRule(text), now));
    await tx.insertInto('permissions').values(rows).execute();
  }
  if (changed) await bumpAccessVersion(tx, now);
  return changed;
}
