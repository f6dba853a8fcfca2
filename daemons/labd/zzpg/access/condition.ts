/**
 * Rules as SQL, so that lists are filtered inside the query (AP-3) and agree with `decide` row by row. Every part is
 * two-valued: a missing column or label is tested for, never compared, so NOT means not.
 *
 *     db.selectFrom('servers').where(policies.condition(subject, 'list', 'servers').where())
 *     db.selectFrom('agents').innerJoin('servers', …).where(condition.where({ name: 'servers.hostname', server: 'servers' }))
 */
import type { Kind, Verb } from '@labmesh/wire/fleet/access-words';
import { type Expression, type RawBuilder, sql, type SqlBool } from 'kysely';
import type { CompiledRule } from './rules/compiled-rule.ts';
import type { Limit } from './rules/limits.ts';
import { matchesAll } from './rules/name-glob.ts';
import type { RuleSet } from './rules/rule-set.ts';
import { isFactKey, type Requirement, type Selector } from './rules/selector.ts';

/** Where a query keeps what rules ask about. References are `table.column` or an alias's. */
export type ConditionColumns = {
  /** The thing's name. */
  name: string;
  /** Alias of `servers`: selectors then read its columns and labels. */
  server?: string;
  /** Other selector keys that are columns here: `{ namespace: 'app_releases.namespace' }`. */
  fields?: Readonly<Record<string, string>>;
};

/** `none`: no row can pass; `all`: every row does. Either spares the query or the WHERE. */
export type Condition = {
  none: boolean;
  all: boolean;
  /** Columns are needed for kinds other than servers. */
  where(columns?: ConditionColumns): Expression<SqlBool>;
};

type Sql = RawBuilder<SqlBool>;

const serverColumns: ConditionColumns = { name: 'servers.hostname', server: 'servers' };
/** Selector keys that are columns of `servers`; a label of that name never shadows them (see serverLabels). */
const serverFields: readonly string[] = ['hostname', 'cloud', 'environment', 'role'];

const always = sql<SqlBool>`1 = 1`;
const never = sql<SqlBool>`1 = 0`;
const not = (one: Sql): Sql => sql<SqlBool>`not (${one})`;

/** Joined as a balanced tree: SQLite takes no expression deeper than 1,000. */
function joined(parts: readonly Sql[], word: 'and' | 'or'): Sql {
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  const half = Math.ceil(parts.length / 2);
  const [left, right] = [joined(parts.slice(0, half), word), joined(parts.slice(half), word)];
  return word === 'and' ? sql<SqlBool>`(${left} and ${right})` : sql<SqlBool>`(${left} or ${right})`;
}

/** A glob as SQL. The store's LIKE counts case on both engines. */
function globSql(pattern: string | undefined, column: string): Sql {
  if (pattern === undefined || matchesAll(pattern)) return always;
  const ref = sql.ref(column);
  if (!pattern.includes('*')) return sql<SqlBool>`(${ref} is not null and ${ref} = ${pattern})`;
  const like = pattern.replace(/[\\%_]/g, (letter) => `\\${letter}`).replaceAll('*', '%');
  return sql<SqlBool>`(${ref} is not null and ${ref} like ${like} escape '\\')`;
}

/** `column` has one of the values, or any value. */
function columnSql(column: string, values: readonly string[] | undefined): Sql {
  const ref = sql.ref(column);
  if (values === undefined) return sql<SqlBool>`(${ref} is not null)`;
  return sql<SqlBool>`(${ref} is not null and ${ref} in (${sql.join(values)}))`;
}

/** The server has the label with one of the values, or with any. Facts come from the agent, all else never does. */
function labelSql(server: string, key: string, values: readonly string[] | undefined): Sql {
  const source = isFactKey(key) ? sql`l.source = 'agent'` : sql`l.source in ('admin', 'token')`;
  const value = values === undefined ? sql`` : sql` and l.value in (${sql.join(values)})`;
  return sql<SqlBool>`exists (select 1 from server_labels as l
    where l.server_id = ${sql.ref(`${server}.id`)} and l.key = ${key} and ${source}${value})`;
}

function requirementSql(one: Requirement, columns: ConditionColumns): Sql {
  const values = 'values' in one ? one.values : undefined;
  const found = presentSql(one.key, values, columns);
  return one.op === 'in' || one.op === 'exists' ? found : not(found);
}

function presentSql(key: string, values: readonly string[] | undefined, columns: ConditionColumns): Sql {
  const field = columns.fields !== undefined && Object.hasOwn(columns.fields, key) ? columns.fields[key] : undefined;
  if (field !== undefined) return columnSql(field, values);
  if (columns.server === undefined) return never;
  if (serverFields.includes(key)) return columnSql(`${columns.server}.${key}`, values);
  return labelSql(columns.server, key, values);
}

/** A selector as SQL, for `?label=` and `-l`. */
export function selectorSql(selector: Selector, columns: ConditionColumns = serverColumns): Expression<SqlBool> {
  return selector.length === 0
    ? always
    : joined(
        selector.map((one) => requirementSql(one, columns)),
        'and',
      );
}

function ruleSql({ rule }: CompiledRule, columns: ConditionColumns): Sql {
  const parts = [globSql(rule.name, columns.name), ...rule.selector.map((one) => requirementSql(one, columns))];
  return joined(parts, 'and');
}

/** Whether a rule holds for every row, whatever its columns. */
const unconditional = ({ rule }: CompiledRule) => rule.selector.length === 0 && matchesAll(rule.name);

/** Some allow covers the verb on the kind, and no deny takes all of it away. */
export function mayAny(rules: RuleSet, verb: Verb, kind: Kind): boolean {
  const { denies, allows } = rules.side(verb, kind);
  const whole = (one: CompiledRule) => unconditional(one) && one.rule.limits.length === 0;
  return rules.brokenDeny === undefined && allows.length > 0 && !denies.some(whole);
}

/** The condition under which a rule set allows `verb` on a thing of `kind`. */
export function conditionOf(rules: RuleSet, verb: Verb, kind: Kind, limit?: Limit): Condition {
  const side = rules.side(verb, kind);
  const holds = (one: CompiledRule) => one.limitHolds(verb, limit);
  const denies = side.denies.filter(holds);
  const allows = side.allows.filter(holds);
  const none = rules.brokenDeny !== undefined || allows.length === 0 || denies.some(unconditional);
  const all = !none && denies.length === 0 && allows.some(unconditional);
  return {
    none,
    all,
    where: (columns = serverColumns) => {
      if (none || all) return none ? never : always;
      const may = joined(
        allows.map((one) => ruleSql(one, columns)),
        'or',
      );
      if (denies.length === 0) return may;
      return sql<SqlBool>`(${may} and ${not(
        joined(
          denies.map((one) => ruleSql(one, columns)),
          'or',
        ),
      )})`;
    },
  };
}

export type ServerFacts = { hostname: string; cloud: string | null; environment: string | null; role: string | null };

/**
 * The labels by which rules judge a server: admin and token labels, then its own fields, which no label can shadow.
 * What the agent reported is left out (RB-4).
 */
export function serverLabels(
  server: ServerFacts,
  labels: readonly { key: string; value: string; source: string }[],
): Record<string, string> {
  const trusted = labels.filter(
    ({ key, source }) => (source === 'admin' || source === 'token') && !isFactKey(key) && !serverFields.includes(key),
  );
  const fields = serverFields.flatMap((key) => {
    const value = server[key as keyof ServerFacts];
    return value === null ? [] : [[key, value] as const];
  });
  return Object.fromEntries([...trusted.map(({ key, value }) => [key, value] as const), ...fields]);
}
