import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { fleetOperation } from '@labmesh/wire/fleet/operations';
import { system } from '@labmesh/wire/fleet/principal';
import { type LabdApp, openLabdApp } from '../../../../tests/harness/labd-app.ts';
import { IdempotentAnswers, type IdempotentCall } from './idempotency.ts';

let app: LabdApp;
beforeAll(async () => void (app = await openLabdApp()));
afterAll(() => app[Symbol.asyncDispose]());

const keyed = (key: string) => ({ 'idempotency-key': key });
const create = (name: string, key?: string) =>
  app.call('POST', '/api/users', { json: { name }, ...(key !== undefined && { headers: keyed(key) }) });

describe('AP-3 Idempotency-Key over the API', () => {
  test('the same key gives the same answer, secrets included, and nothing is made twice', async () => {
    const [first, second] = [await create('ann', 'k-1'), await create('ann', 'k-1')];
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.body).toEqual(first.body);
    expect(first.body.token).toStartWith('lmu_');
    expect((await create('ann')).status).toBe(409);
    const again = await app.call('POST', '/api/tokens', { json: {}, headers: keyed('k-1') });
    expect(again.status).toBe(201);
    expect((await app.call('POST', '/api/tokens', { json: {}, headers: keyed('k-1') })).body).toEqual(again.body);
    expect((await app.call('GET', '/api/tokens')).body.items).toHaveLength(1);
  });

  test('with another body it is a conflict, also while the first one runs', async () => {
    expect((await create('bob', 'k-2')).status).toBe(201);
    expect((await create('bobby', 'k-2')).body.error.code).toBe('CONFLICT');
    const racing = await Promise.all([create('carl', 'k-3'), create('carla', 'k-3'), create('carl', 'k-3')]);
    expect(racing.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 201, 409]);
  });

  test('a login token: once for a user, and the key of one user gives nothing of another', async () => {
    for (const name of ['fay', 'gus']) expect((await create(name)).status).toBe(201);
    const token = (name: string, key?: string) =>
      app.call('POST', `/api/users/${name}/token`, { json: {}, ...(key !== undefined && { headers: keyed(key) }) });
    const [first, second, other] = [await token('fay', 'k-6'), await token('fay', 'k-6'), await token('fay', 'k-7')];
    expect([first.status, second.status, other.status]).toEqual([201, 201, 201]);
    expect(second.body).toEqual(first.body);
    expect(other.body.token).not.toBe(first.body.token);
    const crossed = await token('gus', 'k-6');
    expect([crossed.status, crossed.body.error?.code]).toEqual([409, 'CONFLICT']);
    expect(JSON.stringify(crossed.body)).not.toContain(first.body.token);
  });

  test('what failed may be tried again', async () => {
    expect((await create('ann', 'k-4')).status).toBe(409);
    expect((await create('dora', 'k-4')).status).toBe(201);
  });

  test('what is no key is refused', async () => {
    for (const key of ['a b', 'x'.repeat(129), '\u00fc']) expect((await create('eve', key)).status).toBe(400);
    expect((await create('eve', 'x'.repeat(128))).status).toBe(201);
  });

  test('operations that do not take it go on as without', async () => {
    const ask = { headers: keyed('k-5') };
    const [first, second] = [await app.call('GET', '/api/users', ask), await app.call('GET', '/api/users', ask)];
    expect([first.status, second.status]).toEqual([200, 200]);
  });
});

describe('IdempotentAnswers', () => {
  const operation = fleetOperation('create-token');
  const caller = (id: string): IdempotentCall => ({
    caller: { principal: { kind: 'user', id, name: id }, sourceIp: '', requestId: '' },
    params: {},
    body: {},
  });
  const open = (clock: FakeClock) => {
    const { store, secrets } = app.core;
    return new IdempotentAnswers({ store, secrets, clock, log: silentLogger });
  };

  test('another caller with the same key has nothing to do with it', async () => {
    const answers = open(new FakeClock());
    expect(await answers.once('shared', caller('a'), operation, async () => 'of a')).toBe('of a');
    expect(await answers.once('shared', caller('b'), operation, async () => 'of b')).toBe('of b');
    expect(await answers.once('shared', caller('a'), operation, async () => 'other')).toBe('of a');
    expect(await answers.once('shared', caller('a'), fleetOperation('create-user'), async () => 'user')).toBe('user');
  });

  test('it holds for 24 h', async () => {
    const clock = new FakeClock();
    const answers = open(clock);
    expect(await answers.once('old', caller('a'), operation, async () => 1)).toBe(1);
    await clock.advance(24 * 3_600_000 - 1);
    expect(await answers.once('old', caller('a'), operation, async () => 2)).toBe(1);
    await clock.advance(1);
    expect(await answers.once('old', caller('a'), operation, async () => 3)).toBe(3);
  });

  test('answers are sealed in the store', async () => {
    const answers = open(new FakeClock());
    await answers.once('sealed', caller('a'), operation, async () => ({ token: 'lmj_very_secret' }));
    const rows = await app.core.store.read(system('test'), (db) => db.selectFrom('idempotency').selectAll().execute());
    expect(JSON.stringify(rows)).not.toMatch(/lmj_|lmu_/);
    expect(rows.every(({ body }) => body.startsWith('enc:v1:'))).toBe(true);
  });

  test('work that is done is answered even when the answer cannot be kept', async () => {
    const { secrets } = app.core;
    const store = {
      ...app.core.store,
      read: app.core.store.read.bind(app.core.store),
      write: () => Promise.reject(new Error('away')),
    };
    const parts = { store: store as unknown as typeof app.core.store, secrets, clock: new FakeClock() };
    const answers = new IdempotentAnswers({ ...parts, log: silentLogger });
    expect(await answers.once('unkept', caller('a'), operation, async () => 'done')).toBe('done');
  });
});
