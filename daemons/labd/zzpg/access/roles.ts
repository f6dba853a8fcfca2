/** Making, changing and ending roles (RB-1, RB-6). Who may call is decided before; what may be given is decided here. */
import type { Reader } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { uuidv7 } from '@labmesh/wire/ids';
import { type Change, readableRules, refuseEscalation, roleRules } from './access-change.ts';
import { bumpAccessVersion } from './access-version.ts';
import type { Subject } from './load-policies.ts';
import { parseRule, printRule, type Rule } from './rules/rule.ts';
import { readRuleRow, ruleRow } from './rules/rule-rows.ts';

/** Times are Unix ms; `rules` are texts in canonical spelling, in written order. */
export type RoleRecord = {
  id: string;
  name: string;
  description: string | null;
  builtIn: boolean;
  rules: string[];
  createdAt: number;
  revision: number;
};
export type RoleInput = { name: string; description?: string | undefined; rules: readonly string[] };
export type RoleUpdate = {
  /** Absent: whatever revision is there. */
  revision?: number | undefined;
  description?: string | null | undefined;
  rules: readonly string[];
};

const rulesMax = 256;

function parseRules(texts: readonly string[]): Rule[] {
  if (texts.length > rulesMax)
    throw new FleetError('VALIDATION_FAILED', { field: 'rules', message: `rules: more than ${rulesMax} in a role` });
  const rules = new Map<string, Rule>();
  for (const [index, text] of texts.entries()) {
    const rule = parseRule(text, `rules[${index}]`);
    rules.set(printRule(rule), rule);
  }
  return [...rules.values()];
}

/** A role by id or name. @throws FleetError NOT_FOUND. */
export async function findRole(change: { tx: Reader }, idOrName: string): Promise<RoleRecord> {
  // The id first: a role may be named like another's id.
  const all = change.tx.selectFrom('roles').selectAll();
  const row =
    (await all.where('id', '=', idOrName).executeTakeFirst()) ??
    (await all.where('name', '=', idOrName).executeTakeFirst());
  if (row === undefined) throw new FleetError('NOT_FOUND');
  const rules = (await roleRules(change, row.id)).map(({ text }) => text);
  const { id, name, description, revision } = row;
  return { id, name, description, builtIn: row.built_in === 1, rules, createdAt: row.created_at, revision };
}

async function writeRules({ tx, now }: Change, roleId: string, rules: readonly Rule[]): Promise<void> {
  if (rules.length > 0) {
    const rows = rules.map((rule) => ruleRow(roleId, rule, now));
    await tx.insertInto('permissions').values(rows).execute();
  }
  await bumpAccessVersion(tx, now);
}

/** @throws FleetError VALIDATION_FAILED, SELECTOR_UNTRUSTED, CONFLICT (name taken), ESCALATION. */
export async function createRole(subject: Subject, change: Change, input: RoleInput): Promise<RoleRecord> {
  const { tx, now } = change;
  const rules = parseRules(input.rules);
  const taken = await tx.selectFrom('roles').select('id').where('name', '=', input.name).executeTakeFirst();
  if (taken !== undefined)
    throw new FleetError('CONFLICT', { field: 'name', message: `a role named ${input.name} is there already` });
  await refuseEscalation(subject, change, { role: input.name, grants: rules });
  const id = uuidv7();
  const row = { id, created_at: now, name: input.name, description: input.description ?? null, built_in: 0 as const };
  await tx.insertInto('roles').values(row).execute();
  await writeRules(change, id, rules);
  return findRole(change, id);
}

function refuseBuiltIn(role: RoleRecord): void {
  if (!role.builtIn) return;
  throw new FleetError('CONFLICT', {
    message: `the built-in role ${role.name} stays as it is`,
    hint: 'make a role of your own with the rules you want',
  });
}

/** Replaces a role's rules. @throws FleetError NOT_FOUND, CONFLICT (built in), STALE_REVISION, as createRole. */
export async function updateRole(
  subject: Subject,
  change: Change,
  idOrName: string,
  input: RoleUpdate,
): Promise<RoleRecord> {
  const { tx } = change;
  const role = await findRole(change, idOrName);
  refuseBuiltIn(role);
  if (input.revision !== undefined && input.revision !== role.revision) throw new FleetError('STALE_REVISION');
  const rules = parseRules(input.rules);
  const kept = new Set(rules.map(printRule));
  await refuseEscalation(subject, change, {
    role: role.name,
    grants: rules,
    ...(await liftedBy(change, role.id, kept)),
  });
  const description = input.description === undefined ? role.description : input.description;
  await tx
    .updateTable('roles')
    .set((on) => ({ description, revision: on('revision', '+', 1) }))
    .where('id', '=', role.id)
    .execute();
  await tx.deleteFrom('permissions').where('role_id', '=', role.id).execute();
  await writeRules(change, role.id, rules);
  return findRole(change, role.id);
}

/** The denies of a role that are not among `kept`, and whether one of them cannot be read. */
export async function liftedBy(
  change: Change,
  roleId: string,
  kept: ReadonlySet<string> = new Set(),
): Promise<{ lifted: Rule[]; liftedBroken: boolean }> {
  const rows = await roleRules(change, roleId);
  const gone = rows.filter(({ text }) => !kept.has(text));
  const liftedBroken = gone.some((row) => {
    const read = readRuleRow(row, '');
    return 'broken' in read && read.broken.deny;
  });
  return { lifted: readableRules(gone).filter(({ effect }) => effect === 'deny'), liftedBroken };
}

/** Ends a role and its bindings. @throws FleetError NOT_FOUND, CONFLICT (built in), ESCALATION (it holds denies). */
export async function deleteRole(subject: Subject, change: Change, idOrName: string): Promise<RoleRecord> {
  const { tx, now } = change;
  const role = await findRole(change, idOrName);
  refuseBuiltIn(role);
  await refuseEscalation(subject, change, { role: role.name, grants: [], ...(await liftedBy(change, role.id)) });
  await tx.deleteFrom('user_roles').where('role_id', '=', role.id).execute();
  await tx.deleteFrom('permissions').where('role_id', '=', role.id).execute();
  await tx.deleteFrom('roles').where('id', '=', role.id).execute();
  await bumpAccessVersion(tx, now);
  return role;
}
