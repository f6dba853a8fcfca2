import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { Store } from '@labmesh/store/store';
import { uuidv7 } from '@labmesh/wire/ids';
import fc from 'fast-check';
import { compileRule } from './rules/compiled-rule.ts';
import { conditionOf, mayAny, selectorSql, serverLabels } from './condition.ts';
import { parseRule, printRule, type Rule } from './rules/rule.ts';
import { RuleSet } from './rules/rule-set.ts';
import { parseSelector, selectorHolds } from './rules/selector.ts';
import { openAccessStore, start, tester } from './testing/access-fixture.ts';
import { arbitraryAsk, fuzzRuns, arbitraryRule, arbitrarySelector } from './testing/arbitrary-rule.ts';

type Machine = { hostname: string; cloud: string | null; environment: string | null; role: string | null };
type Label = { key: string; value: string; source: string };

let store: Store;
const known = new Map<string, { machine: Machine; labels: Label[] }>();

const machines: [Machine, Label[]][] = [
  [{ hostname: 'db-1', cloud: 'aws', environment: 'production', role: null }, []],
  [
    { hostname: 'DB-1', cloud: null, environment: 'staging', role: 'db-1' },
    [{ key: 'team', value: 'x:y@z+1', source: 'admin' }],
  ],
  [
    { hostname: 'db_1', cloud: '', environment: null, role: 'in' },
    [{ key: 'environment', value: 'production', source: 'admin' }],
  ],
  [
    { hostname: 'dbx1', cloud: 'aws', environment: 'Production', role: null },
    [{ key: 'a/b', value: '', source: 'token' }],
  ],
  [{ hostname: 'web-1', cloud: null, environment: null, role: null }, [{ key: 'team', value: 'aws', source: 'agent' }]],
  [
    { hostname: 'd1', cloud: null, environment: 'staging', role: null },
    [
      { key: 'facts.gpu', value: 'a100', source: 'agent' },
      { key: 'in', value: 'in', source: 'token' },
    ],
  ],
  [
    { hostname: 'kube-system/nginx', cloud: 'as', environment: null, role: null },
    [{ key: 'where', value: 'as', source: 'admin' }],
  ],
];

beforeAll(async () => {
  store = await openAccessStore();
  await store.write(tester, async (tx) => {
    for (const [machine, labels] of machines) {
      const id = uuidv7();
      known.set(machine.hostname, { machine, labels });
      const row = { id, created_at: start, ...machine, macs: '[]', machine_id: null, ip: null, status: 'active' };
      await tx
        .insertInto('servers')
        .values({ ...row, facts: null, last_seen_at: null, retired_at: null })
        .execute();
      for (const label of labels)
        await tx
          .insertInto('server_labels')
          .values({ server_id: id, ...label })
          .execute();
    }
  });
});
afterAll(() => store[Symbol.asyncDispose]());

const setOf = (rules: readonly Rule[]) =>
  new RuleSet({ roles: [], rules: rules.map((rule) => compileRule(rule, printRule(rule), 'r')) });
const parsed = (...texts: string[]) => setOf(texts.map((text) => parseRule(text)));

test('AP-3: the query gives exactly the servers that decide allows', async () => {
  let given = 0;
  const property = fc.asyncProperty(
    fc.array(arbitraryRule(fc), { maxLength: 5 }),
    arbitraryAsk(fc),
    async (rules, { verb, limit }) => {
      const set = setOf(rules);
      const condition = conditionOf(set, verb, 'servers', limit);
      const rows = await store.read(tester, (db) =>
        db.selectFrom('servers').select('hostname').where(condition.where()).execute(),
      );
      const expected = [...known.values()].filter(({ machine, labels }) => {
        const ask = { verb, kind: 'servers', name: machine.hostname, labels: serverLabels(machine, labels) } as const;
        return set.decide({ ...ask, ...(limit !== undefined && { limit }) }).allowed;
      });
      expect(rows.map(({ hostname }) => hostname).toSorted()).toEqual(
        expected.map(({ machine }) => machine.hostname).toSorted(),
      );
      if (condition.none) expect(rows).toEqual([]);
      if (condition.all) expect(rows).toHaveLength(known.size);
      if (rows.length > 0) expect(mayAny(set, verb, 'servers')).toBe(true);
      given += rows.length;
    },
  );
  await fc.assert(property, { numRuns: fuzzRuns(1_000) });
  expect(given).toBeGreaterThan(100);
});

test('other kinds are filtered by their name', async () => {
  const names = async (...rules: string[]) => {
    const where = conditionOf(parsed(...rules), 'list', 'roles').where({ name: 'roles.name' });
    const rows = await store.read(tester, (db) => db.selectFrom('roles').select('name').where(where).execute());
    return rows.map(({ name }) => name).toSorted();
  };
  expect(await names('allow list on roles')).toEqual(['admin', 'operator', 'viewer']);
  expect(await names('allow list on roles/*r', 'deny list on roles/v*')).toEqual(['operator']);
  expect(await names('allow list on *', 'deny list on roles where team=a')).toEqual(['admin', 'operator', 'viewer']);
  expect(await names('allow list on roles where team=a')).toEqual([]);
  expect(await names('allow list on roles where team!=a')).toEqual(['admin', 'operator', 'viewer']);
  expect(await names('allow list on servers')).toEqual([]);
});

test('selector keys can be columns of another table', async () => {
  const where = conditionOf(parsed('allow list on roles where namespace=viewer'), 'list', 'roles').where({
    name: 'roles.name',
    fields: { namespace: 'roles.name' },
  });
  const rows = await store.read(tester, (db) => db.selectFrom('roles').select('name').where(where).execute());
  expect(rows).toEqual([{ name: 'viewer' }]);
});

test('RB-4: an agent’s own labels decide nothing, but lists can be filtered by facts', async () => {
  const hosts = async (where: ReturnType<typeof selectorSql>) => {
    const rows = await store.read(tester, (db) => db.selectFrom('servers').select('hostname').where(where).execute());
    return rows.map(({ hostname }) => hostname);
  };
  // web-1's agent claims team=aws.
  expect(await hosts(conditionOf(parsed('allow list on servers where team=aws'), 'list', 'servers').where())).toEqual(
    [],
  );
  expect(await hosts(selectorSql(parseSelector('facts.gpu=a100', { facts: true })))).toEqual(['d1']);
  expect(await hosts(selectorSql([]))).toHaveLength(machines.length);
});

test('AP-3: ?label= agrees with the selector', async () => {
  const property = fc.asyncProperty(arbitrarySelector(fc), async (selector) => {
    const rows = await store.read(tester, (db) =>
      db.selectFrom('servers').select('hostname').where(selectorSql(selector)).execute(),
    );
    const expected = [...known.values()].filter(({ machine, labels }) =>
      selectorHolds(selector, serverLabels(machine, labels)),
    );
    expect(rows.map(({ hostname }) => hostname).toSorted()).toEqual(
      expected.map(({ machine }) => machine.hostname).toSorted(),
    );
  });
  await fc.assert(property, { numRuns: fuzzRuns(300) });
});

test('a server’s own fields cannot be shadowed by a label', () => {
  const machine = { hostname: 'a', cloud: null, environment: 'production', role: null };
  const labels = [
    { key: 'environment', value: 'dev', source: 'admin' },
    { key: 'cloud', value: 'aws', source: 'token' },
    { key: 'facts.x', value: '1', source: 'admin' },
    { key: 'team', value: 'a', source: 'agent' },
    { key: 'tier', value: '1', source: 'admin' },
  ];
  expect(serverLabels(machine, labels)).toEqual({ hostname: 'a', environment: 'production', tier: '1' });
});

test('thousands of rules stay one query', async () => {
  const many = Array.from({ length: 2_000 }, (_, index) => `allow list on servers/h${index}-*`);
  const where = conditionOf(parsed(...many, 'allow list on servers/web-*'), 'list', 'servers').where();
  const rows = await store.read(tester, (db) => db.selectFrom('servers').select('hostname').where(where).execute());
  expect(rows).toEqual([{ hostname: 'web-1' }]);
});
