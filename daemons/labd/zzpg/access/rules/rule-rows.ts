/** Rules as rows of `permissions`: the text, and its parts beside it. */
import type { PermissionsTable } from '@labmesh/store/tables';
import { uuidv7 } from '@labmesh/wire/ids';
import type { Insertable, Selectable } from 'kysely';
import { type CompiledRule, compileRule } from './compiled-rule.ts';
import { parseRule, printLimits, printRule, type Rule } from './rule.ts';
import { printSelector } from './selector.ts';

export type RuleRow = Selectable<PermissionsTable>;

const partsOf = (rule: Rule) => ({
  effect: rule.effect,
  verbs: JSON.stringify(rule.verbs === '*' ? ['*'] : rule.verbs),
  kinds: JSON.stringify(rule.kinds === '*' ? ['*'] : rule.kinds),
  name_glob: rule.name ?? null,
  selector: rule.selector.length === 0 ? null : printSelector(rule.selector),
  limits: rule.limits.length === 0 ? null : printLimits(rule.limits),
});

/** The row of a new rule. */
export function ruleRow(roleId: string, rule: Rule, now: number): Insertable<PermissionsTable> {
  return { id: uuidv7(), created_at: now, role_id: roleId, ...partsOf(rule), text: printRule(rule) };
}

export type ReadRule =
  | { compiled: CompiledRule }
  | { broken: { text: string; role: string; deny: boolean; why: string } };

/**
 * Reads a stored rule. Text that cannot be parsed, or that says something else than the parts beside it (somebody
 * edited one of them), is broken: it allows nothing, and as a deny it denies everything (RB-5).
 */
export function readRuleRow(row: RuleRow, role: string): ReadRule {
  try {
    const rule = parseRule(row.text);
    const parts = partsOf(rule);
    const stray = (Object.keys(parts) as (keyof typeof parts)[]).find((part) => parts[part] !== row[part]);
    if (stray === undefined) return { compiled: compileRule(rule, row.text, role) };
    return broken(row, role, `its text and its ${stray} differ`);
  } catch (error) {
    return broken(row, role, error instanceof Error ? error.message : String(error));
  }
}

/** What is not surely an allow counts as a deny. */
function broken(row: RuleRow, role: string, why: string): ReadRule {
  const deny = row.effect !== 'allow' || !/^\s*allow\s/.test(row.text);
  return { broken: { text: row.text, role, deny, why } };
}
