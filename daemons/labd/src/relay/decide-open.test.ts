import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import { type Open, openSchema } from '@labmesh/wire/frame/open';
import { Policies } from '../access/policies.ts';
import { openAccessStore, type Person, tester, userWith } from '../access/testing/access-fixture.ts';
import type { FleetServer } from '../hub/fleet-view.ts';
import { needsOf, refusalOf } from './decide-open.ts';

const target = '01900000-0000-7000-8000-00000000000a';
const attach = openSchema.parse({ kind: 'attach', target });
const exec = (more: Record<string, unknown> = {}) => openSchema.parse({ kind: 'exec', server: 'web-1', ...more });
const server = { row: { hostname: 'web-1' }, targetLabels: {} } as unknown as FleetServer;

let store: Store;
let policies: Policies;
const people: Record<string, Person> = {};

beforeAll(async () => {
  store = await openAccessStore();
  const rules = {
    deploy: ['allow list on servers', 'allow attach on servers as deploy'],
    most: ['allow list,attach on servers', 'deny attach on servers as postgres'],
    blind: ['allow exec on servers/db-1'],
  };
  await store.write(tester, async (tx) => {
    for (const [name, texts] of Object.entries(rules)) people[name] = await userWith(tx, name, texts);
  });
  policies = await Policies.open({ store, clock: new FakeClock(), log: silentLogger });
});
afterAll(async () => {
  await policies[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
});

const refused = (name: string, open: Open, attached?: Open) =>
  refusalOf(policies, people[name]!, open, server, attached)?.reason;

describe('RB-1 attach is judged as the account of the command', () => {
  test('an allow for one account opens no other one', () => {
    expect(refused('deploy', attach, exec({ login: 'deploy' }))).toBeUndefined();
    expect(refused('deploy', attach, exec({ login: 'postgres' }))).toBe('denied');
    expect(refused('deploy', attach, exec())).toBe('denied');
    expect(refused('deploy', attach)).toBe('denied');
  });

  test('a deny for an account holds for its sessions too', () => {
    expect(refused('most', attach, exec({ login: 'postgres' }))).toBe('denied');
    expect(refused('most', attach, exec({ login: 'deploy' }))).toBeUndefined();
    expect(refused('most', attach, exec())).toBeUndefined();
  });
});

test('AP-5 who may not list servers cannot tell forbidden from absent', () => {
  const absent = refusalOf(policies, people['blind']!, exec(), undefined);
  expect(refusalOf(policies, people['blind']!, exec(), server)).toEqual(absent);
  expect(absent?.reason).toBe('not-found');
});

test('what an OPEN needs: its verb as its account, and exec-unrecorded beside exec', () => {
  expect(needsOf(exec({ noRecord: true, login: 'ann' }))).toEqual([
    { verb: 'exec', limit: { account: 'ann' } },
    { verb: 'exec-unrecorded' },
  ]);
  expect(needsOf(openSchema.parse({ kind: 'forward', server: 'x', host: '::1', port: 22 }))).toEqual([
    { verb: 'forward', limit: { forward: '::1:22' } },
  ]);
  expect(needsOf(openSchema.parse({ kind: 'logs', server: 'x' }))).toEqual([{ verb: 'logs' }]);
  expect(needsOf(openSchema.parse({ kind: 'facts', server: 'x' }))).toEqual([{ verb: 'get' }]);
});

test('a NUL in a name never reaches the store', () => {
  for (const open of [
    { kind: 'exec', server: 'a\0b' },
    { kind: 'facts', server: '\0' },
    { kind: 'forward', server: 'x', host: 'a\0', port: 1 },
  ])
    expect(openSchema.safeParse(open).success).toBe(false);
});
