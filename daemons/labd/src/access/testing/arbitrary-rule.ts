/** Random rules, things and calls for property tests. The words are few, so that rules and calls meet often. */
import { kinds, type Kind, verbs, type Verb } from '@labmesh/wire/fleet/access-words';
import fc from 'fast-check';
import type { LimitEntry } from '../rules/limits.ts';
import { takesAccount, takesForward } from '../rules/limits.ts';
import type { Rule } from '../rules/rule.ts';
import type { Requirement } from '../rules/selector.ts';

/** How often a property runs: `fallback` unless LABMESH_FUZZ_RUNS says more. */
export const fuzzRuns = (fallback: number): number => Math.max(fallback, Number(process.env.LABMESH_FUZZ_RUNS ?? 0));

const name = fc.stringMatching(/^[a-z0-9][a-zA-Z0-9._:@+-]{0,6}$/);
const glob = fc.oneof(
  fc.constantFrom('*', 'db-*', '*-1', 'd*1', 'web-1', 'DB-*', 'db_*', 'kube-system/*'),
  fc.array(fc.oneof(name, fc.constant('*')), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')),
);
const key = fc.constantFrom('environment', 'cloud', 'role', 'hostname', 'team', 'in', 'as', 'where', 'notin', 'a/b');
const value = fc.constantFrom('', 'production', 'staging', 'aws', 'as', 'in', 'db-1', 'x:y@z+1', 'Production');

export const requirementArbitrary: fc.Arbitrary<Requirement> = fc.oneof(
  fc.record({
    key,
    op: fc.constantFrom('in' as const, 'notin' as const),
    values: fc.uniqueArray(value, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ key, op: fc.constantFrom('exists' as const, 'absent' as const) }),
);
export const selectorArbitrary = fc.array(requirementArbitrary, { maxLength: 3 });

const account: fc.Arbitrary<LimitEntry> = fc
  .constantFrom('root', 'deploy', '*', 'www-data', 'svc$')
  .map((one) => ({ account: one }));
const forward: fc.Arbitrary<LimitEntry> = fc.record({
  host: fc.constantFrom('localhost', '*', 'db-*', '10.0.0.5', '::1', '127.0.0.1'),
  port: fc.constantFrom('*' as const, 22, 5432),
});

/** Limits as the verbs allow: for each sort a verb needs, if any. */
function limitsFor(ruleVerbs: readonly Verb[] | '*'): fc.Arbitrary<LimitEntry[]> {
  if (ruleVerbs === '*' || !ruleVerbs.every((verb) => takesAccount(verb) || takesForward(verb)))
    return fc.constant<LimitEntry[]>([]);
  const some = (one: fc.Arbitrary<LimitEntry>) =>
    fc.uniqueArray(one, { minLength: 1, maxLength: 3, selector: (entry) => JSON.stringify(entry) });
  const parts = [
    ...(ruleVerbs.some(takesAccount) ? [some(account)] : []),
    ...(ruleVerbs.some(takesForward) ? [some(forward)] : []),
  ];
  return fc.oneof(
    fc.constant<LimitEntry[]>([]),
    fc.tuple(...parts).map((lists) => lists.flat()),
  );
}

const verbsArbitrary = fc.oneof(
  { arbitrary: fc.constant('*' as const), weight: 1 },
  {
    arbitrary: fc.uniqueArray(fc.constantFrom<Verb>('get', 'list', 'exec', 'forward', ...verbs), {
      minLength: 1,
      maxLength: 3,
    }),
    weight: 3,
  },
);
const kindsArbitrary = fc.oneof(
  fc.constant('*' as const),
  fc.uniqueArray(fc.constantFrom<Kind>('servers', 'servers', 'roles', ...kinds), { minLength: 1, maxLength: 3 }),
);

export const ruleArbitrary: fc.Arbitrary<Rule> = verbsArbitrary.chain((ruleVerbs) =>
  fc
    .record({
      effect: fc.constantFrom('allow' as const, 'deny' as const),
      kinds: kindsArbitrary,
      name: fc.option(
        glob.map((text) => text.replace(/\*+/g, '*')),
        { nil: undefined },
      ),
      selector: selectorArbitrary,
      limits: limitsFor(ruleVerbs),
    })
    .map(({ name: pattern, ...rest }) => ({
      ...rest,
      verbs: ruleVerbs,
      ...(pattern !== undefined && { name: pattern }),
    })),
);

export const askArbitrary = fc.record(
  {
    verb: fc.constantFrom<Verb>('get', 'list', 'exec', 'forward', ...verbs),
    kind: fc.constantFrom<Kind>('servers', 'servers', 'roles', ...kinds),
    name: fc.constantFrom('db-1', 'web-1', 'DB-1', 'db_1', 'dbx1', 'kube-system/nginx', 'd1'),
    labels: fc.dictionary(key, value, { maxKeys: 4 }),
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
