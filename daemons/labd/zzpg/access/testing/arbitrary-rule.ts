/**
 * Random rules, things and calls for property tests. The words are few, so that rules and calls meet often. fast-check
 * is handed in: this file is no test, and what is no test has no such dependency.
 */
import { kinds, type Kind, verbs, type Verb } from '@labmesh/wire/fleet/access-words';
import type { Arbitrary, default as FastCheck } from 'fast-check';
import { type LimitEntry, takesAccount, takesForward } from '../rules/limits.ts';
import type { Rule } from '../rules/rule.ts';
import type { Requirement } from '../rules/selector.ts';

type Fc = typeof FastCheck;

/** How often a property runs: `fallback` unless LABMESH_FUZZ_RUNS says more. */
export const fuzzRuns = (fallback: number): number => Math.max(fallback, Number(process.env.LABMESH_FUZZ_RUNS ?? 0));

const keys = ['environment', 'cloud', 'role', 'hostname', 'team', 'in', 'as', 'where', 'notin', 'a/b'];
const values = ['', 'production', 'staging', 'aws', 'as', 'in', 'db-1', 'x:y@z+1', 'Production'];
/** Some words more often than the rest. */
const commonVerbs: readonly Verb[] = ['get', 'list', 'exec', 'forward', ...verbs];
const commonKinds: readonly Kind[] = ['servers', 'servers', 'roles', ...kinds];

/** Selectors of up to three conditions. */
export function arbitrarySelector(fc: Fc): Arbitrary<Requirement[]> {
  const key = fc.constantFrom(...keys);
  const list = fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 });
  const requirement = fc.oneof(
    fc.record({ key, op: fc.constantFrom('in' as const, 'notin' as const), values: list }),
    fc.record({ key, op: fc.constantFrom('exists' as const, 'absent' as const) }),
  );
  return fc.array(requirement, { maxLength: 3 });
}

function arbitraryGlob(fc: Fc): Arbitrary<string> {
  const name = fc.stringMatching(/^[a-z0-9][a-zA-Z0-9._:@+-]{0,6}$/);
  const parts = fc.array(fc.oneof(name, fc.constant('*')), { minLength: 1, maxLength: 4 });
  const known = fc.constantFrom('*', 'db-*', '*-1', 'd*1', 'web-1', 'DB-*', 'db_*', 'kube-system/*');
  return fc.oneof(
    known,
    parts.map((list) => list.join('').replace(/\*+/g, '*')),
  );
}

/** Limits as the verbs allow: for each sort a verb needs, if any. */
function arbitraryLimits(fc: Fc, ruleVerbs: readonly Verb[] | '*'): Arbitrary<LimitEntry[]> {
  const none = fc.constant<LimitEntry[]>([]);
  if (ruleVerbs === '*' || !ruleVerbs.every((verb) => takesAccount(verb) || takesForward(verb))) return none;
  const account = fc.constantFrom('root', 'deploy', '*', 'www-data', 'svc$').map((one) => ({ account: one }));
  const host = fc.constantFrom('localhost', '*', 'db-*', '10.0.0.5', '::1', '127.0.0.1');
  const forward = fc.record({ host, port: fc.constantFrom('*' as const, 22, 5432) });
  const some = (one: Arbitrary<LimitEntry>) =>
    fc.uniqueArray(one, { minLength: 1, maxLength: 3, selector: (entry) => JSON.stringify(entry) });
  const parts = [
    ...(ruleVerbs.some(takesAccount) ? [some(account)] : []),
    ...(ruleVerbs.some(takesForward) ? [some(forward)] : []),
  ];
  return fc.oneof(
    none,
    fc.tuple(...parts).map((lists) => lists.flat()),
  );
}

/** Rules as parseRule gives them. */
export function arbitraryRule(fc: Fc): Arbitrary<Rule> {
  const all = fc.constant('*' as const);
  const some = fc.uniqueArray(fc.constantFrom(...commonVerbs), { minLength: 1, maxLength: 3 });
  const someKinds = fc.uniqueArray(fc.constantFrom(...commonKinds), { minLength: 1, maxLength: 3 });
  const ruleVerbs = fc.oneof({ arbitrary: all, weight: 1 }, { arbitrary: some, weight: 3 });
  const rest = (chosen: readonly Verb[] | '*') =>
    fc.record({
      effect: fc.constantFrom('allow' as const, 'deny' as const),
      verbs: fc.constant(chosen),
      kinds: fc.oneof(all, someKinds),
      name: fc.option(arbitraryGlob(fc), { nil: undefined }),
      selector: arbitrarySelector(fc),
      limits: arbitraryLimits(fc, chosen),
    });
  return ruleVerbs.chain(rest).map(({ name, ...parts }) => ({ ...parts, ...(name !== undefined && { name }) }));
}

/** Calls that such rules judge. */
export function arbitraryAsk(fc: Fc) {
  return fc.record(
    {
      verb: fc.constantFrom(...commonVerbs),
      kind: fc.constantFrom(...commonKinds),
      name: fc.constantFrom('db-1', 'web-1', 'DB-1', 'db_1', 'dbx1', 'kube-system/nginx', 'd1'),
      labels: fc.dictionary(fc.constantFrom(...keys), fc.constantFrom(...values), { maxKeys: 4 }),
      limit: fc.constantFrom(
        { account: 'root' },
        { account: 'deploy' },
        { forward: 'localhost:22' },
        { forward: '127.0.0.1:5432' },
        { forward: 'db-1:5432' },
        { forward: '10.0.0.5:22' },
      ),
    },
    { requiredKeys: ['verb', 'kind'] },
  );
}
