import { describe, expect, test } from 'bun:test';
import { system } from '@labmesh/wire/fleet/principal';
import { createUserSchema } from '@labmesh/wire/fleet/resources/people';
import { sql } from 'kysely';
import { asUser, codeOf, localRoot, newRequest, stranger } from '../testing/callers.ts';
import { openPeople, type People } from '../testing/people.ts';
import { testDomain } from '../testing/replica-ca.ts';
import { getUser, listUsers } from './list-users.ts';

const create = (people: People, name: string, roles: string[] = []) => people.users.create(localRoot, { name, roles });
const all = { none: false, all: true, where: () => sql<boolean>`1 = 1` };
const password = 'correct horse battery';

/** A user with a session and a certificate. */
async function enrolled(people: People, name: string, roles: string[] = []) {
  const { user, token } = await create(people, name, roles);
  const { csrPem, keyHash } = await newRequest();
  await people.userEnrol.enroll(stranger, { token, csrPem });
  const session = await people.store.write(system('test'), (tx) => people.logins.open(tx, user, []));
  return { user, keyHash, session };
}

const liveDenials = (people: People) =>
  people.store.read(system('test'), (db) =>
    db.selectFrom('denials').select(['kind', 'value']).where('lifted_at', 'is', null).execute(),
  );
const accessVersion = (people: People) =>
  people.store.read(system('test'), (db) =>
    db.selectFrom('settings').select('value').where('key', '=', 'access.version').executeTakeFirstOrThrow(),
  );

describe('users', () => {
  test('create with roles, get by id and name, list by name in pages', async () => {
    await using people = await openPeople();
    const { user } = await create(people, 'carol', ['operator', 'viewer']);
    expect(user).toMatchObject({ name: 'carol', roles: ['operator', 'viewer'], hasPassword: false, hasTotp: false });
    for (const name of ['alice', 'bob']) await create(people, name);
    const now = people.clock.wall();
    expect(await getUser(localRoot, people.store, 'carol', now)).toEqual(user);
    expect(await getUser(localRoot, people.store, user.id, now)).toEqual(user);
    const list = (query: object) => listUsers(localRoot, people.store, { limit: 2, ...query }, { may: all, now });
    const first = await list({});
    expect(first.items.map(({ name }) => name)).toEqual(['alice', 'bob']);
    const second = await list({ cursor: first.nextCursor ?? '' });
    expect([second.items.map(({ name }) => name), second.nextCursor]).toEqual([['carol'], null]);
    expect((await list({ q: 'AR' })).items.map(({ name }) => name)).toEqual(['carol']);
    const none = await listUsers(localRoot, people.store, { limit: 2 }, { may: { ...all, none: true }, now });
    expect(none.items).toEqual([]);
  });

  test('a name is taken once, and never looks like an id', async () => {
    await using people = await openPeople();
    const { user } = await create(people, 'alice');
    expect(await codeOf(create(people, 'alice'))).toBe('CONFLICT');
    expect(await codeOf(create(people, user.id))).toBe('VALIDATION_FAILED');
    for (const bad of ['Alice', 'a b', '', '-a', 'a/b', 'ä', 'a\n'])
      expect(createUserSchema.safeParse({ name: bad }).success).toBe(false);
  });

  test('nobody makes a user, or lets one in, who holds more than they do (RB-6)', async () => {
    await using people = await openPeople();
    const { user } = await create(people, 'op', ['operator']);
    await create(people, 'boss', ['admin']);
    await create(people, 'looker', ['viewer']);
    const op = asUser(user);
    expect(await codeOf(people.users.create(op, { name: 'mine', roles: ['admin'] }))).toBe('ESCALATION');
    expect(await codeOf(getUser(localRoot, people.store, 'mine', 0))).toBe('NOT_FOUND');
    expect(await codeOf(people.access.createToken(op, 'boss'))).toBe('ESCALATION');
    expect(await codeOf(people.access.setPassword(op, 'boss', { password }))).toBe('ESCALATION');
    expect(await codeOf(people.access.setTotp(op, 'boss', { enabled: false }))).toBe('ESCALATION');
    expect(await codeOf(people.access.createToken(op, user.id))).toBe('none');
    expect(await codeOf(people.access.createToken(localRoot, 'boss'))).toBe('none');
  });

  test('updates carry a revision (AP-3)', async () => {
    await using people = await openPeople();
    const { user } = await create(people, 'alice');
    const changed = await people.users.patch(localRoot, 'alice', { revision: user.revision, email: 'a@lab.test' });
    expect(changed).toMatchObject({ email: 'a@lab.test', revision: user.revision + 1 });
    expect(await codeOf(people.users.patch(localRoot, 'alice', { revision: user.revision, email: null }))).toBe(
      'STALE_REVISION',
    );
  });

  test('disable: sessions, certificates, identity and access version in one step (RB-11); enable lifts the identity', async () => {
    await using people = await openPeople();
    const { user, keyHash, session } = await enrolled(people, 'alice');
    const before = await accessVersion(people);
    const disabled = await people.users.patch(localRoot, 'alice', { disabled: true });
    expect(disabled.disabledAt).toBe(new Date(people.clock.wall()).toISOString());
    expect(await people.logins.check(session.session)).toBeUndefined();
    expect(await people.logins.ofKey(keyHash)).toBeUndefined();
    const identity = { kind: 'identity', value: `spiffe://${testDomain}/user/${user.id}` };
    expect(await liveDenials(people)).toContainEqual(identity);
    expect(people.denials.check({ identity: identity.value })).toBe('identity');
    expect((await liveDenials(people)).filter(({ kind }) => kind === 'serial')).toHaveLength(1);
    expect(await accessVersion(people)).not.toEqual(before);
    await people.users.patch(localRoot, 'alice', { disabled: false });
    expect(await liveDenials(people)).not.toContainEqual(identity);
    // What was cut stays cut: a new login is needed.
    expect(await people.logins.check(session.session)).toBeUndefined();
    expect((await liveDenials(people)).filter(({ kind }) => kind === 'serial')).toHaveLength(1);
  });

  test('what one replica ends is ended on another at its next look (RB-11)', async () => {
    await using people = await openPeople();
    const other = await people.replica();
    const { user, keyHash, session } = await enrolled(people, 'alice');
    const identity = `spiffe://${testDomain}/user/${user.id}`;
    await people.users.patch(localRoot, 'alice', { disabled: true });
    expect(await other.logins.check(session.session)).toBeUndefined();
    expect(await other.logins.ofKey(keyHash)).toBeUndefined();
    await other.denials.poll();
    expect(other.denials.check({ identity })).toBe('identity');
    await other.users.patch(localRoot, 'alice', { disabled: false });
    await people.denials.poll();
    expect(people.denials.check({ identity })).toBeUndefined();
  });

  test('the last administrator is neither disabled nor deleted (RB-6)', async () => {
    await using people = await openPeople();
    await create(people, 'boss', ['admin']);
    expect(await codeOf(people.users.patch(localRoot, 'boss', { disabled: true }))).toBe('LAST_ADMIN');
    expect(await codeOf(people.users.delete(localRoot, 'boss'))).toBe('LAST_ADMIN');
    await create(people, 'second', ['admin']);
    expect(await codeOf(people.users.patch(localRoot, 'boss', { disabled: true }))).toBe('none');
    expect(await codeOf(people.users.delete(localRoot, 'second'))).toBe('LAST_ADMIN');
  });

  test('delete: nothing is left that lets them in, and the name inherits nothing', async () => {
    await using people = await openPeople();
    const { user, session } = await enrolled(people, 'alice', ['operator']);
    await people.access.setPassword(localRoot, 'alice', { password });
    expect(await people.users.delete(localRoot, 'alice')).toEqual({ id: user.id, name: 'alice' });
    expect(await people.logins.check(session.session)).toBeUndefined();
    expect(await codeOf(people.passwordLogin.login(stranger, { user: 'alice', password }))).toBe('UNAUTHENTICATED');
    expect(await liveDenials(people)).toContainEqual({
      kind: 'identity',
      value: `spiffe://${testDomain}/user/${user.id}`,
    });
    const again = await create(people, 'alice');
    expect(again.user).toMatchObject({ roles: [], hasPassword: false });
    expect(again.user.id).not.toBe(user.id);
  });
});

describe('passwords and codes of users', () => {
  test('one’s own needs the current one, guesses count towards the lock', async () => {
    await using people = await openPeople();
    const { user, session, keyHash } = await enrolled(people, 'alice');
    const alice = asUser(user, { session: session.id, keyHash });
    await people.access.setPassword(alice, 'alice', { password });
    const change = (currentPassword?: string) =>
      codeOf(
        people.access.setPassword(alice, 'alice', {
          password: 'another long password',
          ...(currentPassword !== undefined && { currentPassword }),
        }),
      );
    expect(await change()).toBe('UNAUTHENTICATED');
    for (let n = 0; n < 9; n++) expect(await change('wrong password here')).toBe('UNAUTHENTICATED');
    expect(await change(password)).toBe('UNAUTHENTICATED');
    await people.clock.advance(15 * 60_000);
    expect(await change(password)).toBe('none');
  }, 30_000);

  test('a changed password ends every other login; the first one set ends none (RB-11)', async () => {
    await using people = await openPeople();
    const { user, session, keyHash } = await enrolled(people, 'alice');
    const own = await people.store.write(system('test'), (tx) => people.logins.open(tx, user, []));
    const alice = asUser(user, { session: own.id });
    await people.access.setPassword(alice, 'alice', { password });
    expect(await people.logins.check(session.session)).toBeDefined();
    const request = { password: 'another long password', currentPassword: password };
    await people.access.setPassword(alice, 'alice', request);
    expect(await people.logins.check(session.session)).toBeUndefined();
    expect(await people.logins.ofKey(keyHash)).toBeUndefined();
    expect(await people.logins.check(own.session)).toBeDefined();
    expect((await liveDenials(people)).filter(({ kind }) => kind === 'serial')).toHaveLength(1);
  });

  test('an administrator resets it, removes it, and ends all logins with it', async () => {
    await using people = await openPeople();
    const { session } = await enrolled(people, 'alice');
    await people.access.setPassword(localRoot, 'alice', { password });
    await people.access.setPassword(localRoot, 'alice', { password: 'another long password' });
    expect(await people.logins.check(session.session)).toBeUndefined();
    const now = people.clock.wall();
    expect((await getUser(localRoot, people.store, 'alice', now)).hasPassword).toBe(true);
    await people.access.setPassword(localRoot, 'alice', { password: null });
    expect((await getUser(localRoot, people.store, 'alice', now)).hasPassword).toBe(false);
  });

  test('codes: the address is given once; a new one replaces the old', async () => {
    await using people = await openPeople();
    await create(people, 'alice');
    const first = await people.access.setTotp(localRoot, 'alice', { enabled: true });
    const second = await people.access.setTotp(localRoot, 'alice', { enabled: true });
    expect(first.uri).toStartWith('otpauth://totp/labmesh:alice?secret=');
    expect(second.uri).not.toBe(first.uri);
    expect((await getUser(localRoot, people.store, 'alice', 0)).hasTotp).toBe(true);
    expect(await people.access.setTotp(localRoot, 'alice', { enabled: false })).toEqual({ uri: null });
    expect((await getUser(localRoot, people.store, 'alice', 0)).hasTotp).toBe(false);
  });
});
