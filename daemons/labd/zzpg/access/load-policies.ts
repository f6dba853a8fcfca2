/** What decides about access, read from the store into one snapshot. */
import type { Reader } from '@labmesh/store/store';
import type { Principal } from '@labmesh/wire/fleet/principal';
import { readAccessVersion } from './access-version.ts';
import { adminRole, builtinRoles } from './builtin-roles.ts';
import { compileRule } from './rules/compiled-rule.ts';
import { parseRule } from './rules/rule.ts';
import { type ReadRule, readRuleRow } from './rules/rule-rows.ts';
import { RuleSet } from './rules/rule-set.ts';

/** Who asks: the principal and the groups that its login told. */
export type Subject = { principal: Principal; groups?: readonly string[] };

type Held = { roleId: string; expiresAt: number | null };

export type Snapshot = {
  version: number;
  roles: ReadonlyMap<string, { name: string; rules: readonly ReadRule[] }>;
  /** By `kind:subject`, as in user_roles. */
  bindings: ReadonlyMap<string, readonly Held[]>;
  /** Ids of disabled users: they hold nothing. */
  disabled: ReadonlySet<string>;
  /** Stored rules that could not be read, for the log. */
  problems: readonly string[];
};

/** Reads everything. The version comes first: what changes meanwhile shows as a newer version at the next look. */
export async function loadSnapshot(db: Reader): Promise<Snapshot> {
  const version = await readAccessVersion(db);
  const roleRows = await db.selectFrom('roles').select(['id', 'name']).execute();
  const ruleRows = await db.selectFrom('permissions').selectAll().execute();
  const bindingRows = await db.selectFrom('user_roles').selectAll().execute();
  const disabledRows = await db.selectFrom('users').select('id').where('disabled_at', 'is not', null).execute();
  const byRole = Map.groupBy(ruleRows, (row) => row.role_id);
  const roles = new Map(
    roleRows.map(({ id, name }) => {
      // Sorted, so that all replicas name the same rule when several match.
      const rows = (byRole.get(id) ?? []).toSorted((a, b) => (a.text < b.text ? -1 : 1));
      return [id, { name, rules: rows.map((row) => readRuleRow(row, name)) }] as const;
    }),
  );
  const bindings = Map.groupBy(bindingRows, (row) => `${row.subject_kind}:${row.subject}`);
  const held = [...bindings].map(
    ([key, rows]) => [key, rows.map((row) => ({ roleId: row.role_id, expiresAt: row.expires_at }))] as const,
  );
  const problems = [...roles.values()].flatMap(({ rules }) =>
    rules.flatMap((one) => ('broken' in one ? [`role ${one.broken.role}: ${one.broken.why}`] : [])),
  );
  return { version, roles, bindings: new Map(held), disabled: new Set(disabledRows.map(({ id }) => id)), problems };
}

/** The keys of `bindings` that speak about a subject. Only people and services hold roles. */
function bindingKeys({ principal, groups = [] }: Subject): string[] {
  if (principal.kind === 'service') return [`service:${principal.id}`];
  if (principal.kind !== 'user') return [];
  return [`user:${principal.id}`, ...groups.map((group) => `group:${group}`)];
}

const fixedSet = (texts: readonly string[], role: string) =>
  new RuleSet({ rules: texts.map((text) => compileRule(parseRule(text), text, role)), roles: [role] });

/** local:root is the way back in (ID-1): it holds the built-in admin rules, whatever the store says. */
const localRules = fixedSet(builtinRoles.find(({ name }) => name === adminRole)?.rules ?? [], adminRole);
/** labd's own jobs. */
const systemRules = fixedSet(['allow * on *', 'allow forward on * as *:*'], 'system');
const noRules = new RuleSet({ rules: [], roles: [] });

/** The rules a subject holds at `now`, and until when that stays so (Infinity: until the snapshot changes). */
export function rulesOf(snapshot: Snapshot, subject: Subject, now: number): { rules: RuleSet; until: number } {
  const { principal } = subject;
  if (principal.kind === 'local') return { rules: localRules, until: Infinity };
  if (principal.kind === 'system') return { rules: systemRules, until: Infinity };
  const keys = bindingKeys(subject);
  if (keys.length === 0 || snapshot.disabled.has(principal.id)) return { rules: noRules, until: Infinity };
  const live = keys
    .flatMap((key) => snapshot.bindings.get(key) ?? [])
    .filter(({ expiresAt }) => expiresAt === null || expiresAt > now);
  const until = live.reduce((least, { expiresAt }) => Math.min(least, expiresAt ?? Infinity), Infinity);
  const roles = [...new Set(live.map(({ roleId }) => roleId))].flatMap((id) => snapshot.roles.get(id) ?? []);
  const read = roles.flatMap(({ rules }) => rules);
  const broken = read.find((one) => 'broken' in one && one.broken.deny);
  const rules = new RuleSet({
    rules: read.flatMap((one) => ('compiled' in one ? [one.compiled] : [])),
    roles: roles.map(({ name }) => name).toSorted(),
    ...(broken !== undefined && 'broken' in broken && { brokenDeny: broken.broken }),
  });
  return { rules, until };
}
