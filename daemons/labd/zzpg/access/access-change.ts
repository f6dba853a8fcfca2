/**
 * What all changes of roles and bindings share: who changes, what they hold in the store as it is inside the
 * transaction (not in a replica's memory, which may be a second old), and the two rules of RB-6.
 */
import type { Reader, Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { adminRole } from './builtin-roles.ts';
import { escalation, type Rights } from './containment.ts';
import { loadSnapshot, rulesOf, type Subject } from './load-policies.ts';
import type { Rule } from './rules/rule.ts';
import type { RuleSet } from './rules/rule-set.ts';
import { type RuleRow, readRuleRow } from './rules/rule-rows.ts';

/** A transaction and the time it works with, Unix ms. */
export type Change = { tx: Writer; now: number };

const rightsOf = (held: RuleSet): Rights => ({
  rules: held.rules.map(({ rule }) => rule),
  broken: held.brokenDeny !== undefined,
});

/** The rules of stored rows that can be read; broken allows give nothing, broken denies only take. */
export const readableRules = (rows: readonly RuleRow[]): Rule[] =>
  rows.flatMap((row) => {
    const read = readRuleRow(row, '');
    return 'compiled' in read ? [read.compiled.rule] : [];
  });

/** The stored rules of a role. */
export function roleRules({ tx }: { tx: Reader }, roleId: string): Promise<RuleRow[]> {
  return tx.selectFrom('permissions').selectAll().where('role_id', '=', roleId).orderBy('id').execute();
}

/**
 * Refuses a change that gives more than the subject holds. `role` is the name of the role changed or bound, `lifted`
 * are denies that the change ends. A broken deny that is lifted could have been any deny, so only escalate lifts it.
 * @throws FleetError ESCALATION.
 */
export async function refuseEscalation(
  subject: Subject,
  { tx, now }: Change,
  change: { role: string; grants: readonly Rule[]; lifted?: readonly Rule[]; liftedBroken?: boolean },
): Promise<void> {
  const held = rulesOf(await loadSnapshot(tx), subject, now).rules;
  if (held.decide({ verb: 'escalate', kind: 'roles', name: change.role }).allowed) return;
  const broken = change.liftedBroken === true ? 'lifting a deny that cannot be read' : undefined;
  const missing = broken ?? escalation({ grants: change.grants, lifted: change.lifted ?? [] }, rightsOf(held));
  if (missing === undefined) return;
  throw new FleetError('ESCALATION', {
    message: `nobody can grant more than they hold: ${missing}`,
    field: 'rules',
    hint: 'somebody who holds it, or the verb escalate on roles, can do this',
  });
}

/**
 * Refuses when, without the bindings named, no administrator would be left: a lasting one while a lasting one goes,
 * else one that has not lapsed. Bindings of disabled users do not count. For whoever removes a binding, or disables
 * or deletes a user.
 * @throws FleetError LAST_ADMIN.
 */
export async function refuseLastAdmin(
  { tx, now }: Change,
  without: { bindingId: string } | { subjectKind: string; subject: string },
): Promise<void> {
  const rows = await tx
    .selectFrom('user_roles')
    .innerJoin('roles', 'roles.id', 'user_roles.role_id')
    .leftJoin('users', 'users.id', 'user_roles.subject')
    .select(['user_roles.id', 'subject_kind', 'subject', 'expires_at', 'users.disabled_at', 'users.id as user_id'])
    .where('roles.name', '=', adminRole)
    .where('roles.built_in', '=', 1)
    .execute();
  const live = rows.filter(
    (row) =>
      (row.expires_at === null || row.expires_at > now) &&
      (row.subject_kind !== 'user' || (row.user_id !== null && row.disabled_at === null)),
  );
  const goes = (row: (typeof rows)[number]) =>
    'bindingId' in without
      ? row.id === without.bindingId
      : row.subject_kind === without.subjectKind && row.subject === without.subject;
  const going = live.filter(goes);
  if (going.length === 0) return;
  const staying = live.filter((row) => !goes(row));
  const lasting = going.some((row) => row.expires_at === null);
  if (staying.some((row) => !lasting || row.expires_at === null)) return;
  throw new FleetError('LAST_ADMIN', { hint: 'bind another user to the role admin first' });
}
