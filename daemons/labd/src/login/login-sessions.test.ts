import { describe, expect, test } from 'bun:test';
import { silentLogger } from '@labmesh/kit/log';
import { system } from '@labmesh/wire/fleet/principal';
import { RevokedLogins } from './revoked-logins.ts';
import { asUser, codeOf, localRoot } from './testing/callers.ts';
import { openPeople, type People } from './testing/people.ts';

const hour = 3_600_000;

async function session(people: People, name = 'alice', groups: string[] = []) {
  const { user } = await people.users.create(localRoot, { name, roles: [] });
  const opened = await people.store.write(system('test'), (tx) => people.logins.open(tx, user, groups));
  return { ...opened, user };
}

describe('sessions (ID-4)', () => {
  test('a bearer is its user, with the groups of its login, on every replica', async () => {
    await using people = await openPeople();
    const { session: text, user, id } = await session(people, 'alice', ['ops', 'dba']);
    const expiresAt = people.clock.wall() + 12 * hour;
    const login = { id, user: { kind: 'user', id: user.id, name: 'alice' }, groups: ['ops', 'dba'], expiresAt };
    expect(await people.logins.check(text)).toMatchObject(login);
    expect(await (await people.replica()).logins.check(text)).toMatchObject(login);
    expect(await people.logins.byId(id)).toMatchObject(login);
  });

  test('any other text is nobody', async () => {
    await using people = await openPeople();
    const { session: text } = await session(people);
    const last = text.endsWith('A') ? 'B' : 'A';
    for (const other of ['', 'lms_', text.slice(0, -1), `${text.slice(0, -1)}${last}`, text.replace('lms_', 'lmj_')])
      expect(await people.logins.check(other)).toBeUndefined();
  });

  test('ends after 12 h in use, and after 2 h unused', async () => {
    await using people = await openPeople();
    const used = await session(people, 'busy');
    const idle = await session(people, 'idle');
    for (let n = 0; n < 11; n++) {
      await people.clock.advance(hour);
      expect(await people.logins.check(used.session)).toBeDefined();
      if (n === 0) expect(await people.logins.check(idle.session)).toBeDefined();
      if (n === 2) expect(await people.logins.check(idle.session)).toBeUndefined();
    }
    await people.clock.advance(hour);
    expect(await people.logins.check(used.session)).toBeUndefined();
  });

  test('revoked and disabled fail at the next call, without a cache (RB-11)', async () => {
    await using people = await openPeople();
    const first = await session(people, 'alice');
    const second = await session(people, 'bob');
    await people.logins.revoke(asUser(first.user), first.id);
    expect(await (await people.replica()).logins.check(first.session)).toBeUndefined();
    expect(await codeOf(people.logins.revoke(asUser(first.user), first.id))).toBe('NOT_FOUND');
    await people.users.patch(localRoot, 'bob', { disabled: true });
    expect(await (await people.replica()).logins.check(second.session)).toBeUndefined();
  });

  test('what ended long ago is pruned', async () => {
    await using people = await openPeople();
    await session(people);
    await people.clock.advance(30 * 24 * hour);
    expect(await people.logins.prune()).toBe(0);
    await people.clock.advance(24 * hour);
    expect(await people.logins.prune()).toBe(1);
  });

  test('holders of open channels hear of a revoked login within a second, once (RB-11)', async () => {
    await using people = await openPeople();
    const { store, clock } = people;
    const old = await session(people, 'old');
    await people.logins.revoke(localRoot, old.id);
    await using watch = await RevokedLogins.open({ store, clock, log: silentLogger });
    const told: string[] = [];
    const stop = watch.onRevoked((id) => told.push(id));
    const { user, id } = await session(people);
    await people.logins.revoke(asUser(user), id);
    await clock.advance(1_000);
    await watch.poll();
    expect(told).toEqual([id]);
    expect(watch.has(id)).toBe(true);
    expect(watch.has(old.id)).toBe(true);
    await clock.advance(3_000);
    stop();
    expect(told).toEqual([id]);
  });
});

test('RB-11 who asks while ended logins are read shares the next read, which sees what was ended before', async () => {
  await using people = await openPeople();
  let reads = 0;
  const store = {
    read: (...words: Parameters<typeof people.store.read>) => (reads++, people.store.read(...words)),
  } as unknown as typeof people.store;
  await using watch = await RevokedLogins.open({ store, clock: people.clock, log: silentLogger });
  const { user, id } = await session(people);
  reads = 0;
  const early = watch.poll();
  await people.logins.revoke(asUser(user), id);
  await Promise.all([early, ...Array.from({ length: 50 }, () => watch.poll())]);
  expect(watch.has(id)).toBe(true);
  expect(reads).toBeLessThanOrEqual(3);
});

describe('browser tickets (LD-5)', () => {
  test('one use, on whichever replica, also when two race', async () => {
    await using people = await openPeople();
    const { user, id } = await session(people, 'alice', ['ops']);
    const { ticket } = await people.tickets.create(asUser(user, { session: id }));
    const replicas = [people.tickets, (await people.replica()).tickets, (await people.replica()).tickets];
    const redeemed = await Promise.all(replicas.map((tickets) => tickets.redeem(ticket)));
    expect(redeemed.filter((login) => login !== undefined)).toHaveLength(1);
    expect(redeemed.find((login) => login !== undefined)).toMatchObject({
      id,
      groups: ['ops'],
      user: { name: 'alice' },
    });
  });

  test('30 s, and no longer than its login', async () => {
    await using people = await openPeople();
    const { user, id } = await session(people);
    const caller = asUser(user, { session: id });
    const late = await people.tickets.create(caller);
    await people.clock.advance(30_000);
    expect(await people.tickets.redeem(late.ticket)).toBeUndefined();
    const cut = await people.tickets.create(caller);
    await people.logins.revoke(caller, id);
    expect(await people.tickets.redeem(cut.ticket)).toBeUndefined();
    expect(await codeOf(people.tickets.create(caller))).toBe('UNAUTHENTICATED');
  });

  test('a ticket is no bearer and a bearer no ticket; its hash alone is stored', async () => {
    await using people = await openPeople();
    const { user, id, session: text } = await session(people);
    const { ticket } = await people.tickets.create(asUser(user, { session: id }));
    expect(await people.logins.check(ticket)).toBeUndefined();
    expect(await people.tickets.redeem(text)).toBeUndefined();
    const rows = await people.store.read(system('test'), (db) => db.selectFrom('login_sessions').selectAll().execute());
    expect(JSON.stringify(rows)).not.toContain(ticket.slice(-43));
  });

  test('nobody without a login of their own gets one', async () => {
    await using people = await openPeople();
    expect(await codeOf(people.tickets.create(localRoot))).toBe('UNAUTHENTICATED');
  });
});
