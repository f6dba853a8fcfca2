import { describe, expect, test } from 'bun:test';
import { system } from '@labmesh/wire/fleet/principal';
import { asUser, codeOf, localRoot, newRequest, storedText, stranger } from './testing/callers.ts';
import { openPeople, type People } from './testing/people.ts';

const hour = 3_600_000;
const create = (people: People, name = 'alice') => people.users.create(localRoot, { name, roles: [] });

describe('user tokens (ID-2)', () => {
  test('one token, one certificate of 12 h for the named user', async () => {
    await using people = await openPeople();
    const { user, token, expiresAt, loginCommand } = await create(people);
    expect(token).toMatch(/^lmu_[0-9a-z]{8}_[\w-]{43}$/);
    expect(expiresAt).toBe(new Date(people.clock.wall() + 24 * hour).toISOString());
    expect(loginCommand).toBe(
      `printf %s ${token} | labctl login https://labd.test:3100 --ca-pin ${people.authority.bundle().pins[0]} --token-file -`,
    );
    const { csrPem } = await newRequest();
    const { answer, note } = await people.userEnrol.enroll(stranger, { token, csrPem, device: 'alice-laptop' });
    expect(answer).toMatchObject({ user: { id: user.id, name: 'alice' }, caPem: people.authority.bundle().pem });
    expect(answer.expiresAt).toBe(new Date(people.clock.wall() + 12 * hour).toISOString());
    expect(answer.loginExpiresAt).toBe(new Date(people.clock.wall() + 7 * 24 * hour).toISOString());
    expect(note).toMatchObject({ resource: 'user:alice', resourceId: user.id, details: { device: 'alice-laptop' } });
    expect(JSON.stringify(note)).not.toContain(token);
  });

  test('the same key asks again within 10 min and gets the same; another key, or later, does not', async () => {
    await using people = await openPeople();
    const { token } = await create(people);
    const { csrPem } = await newRequest();
    const first = await people.userEnrol.enroll(stranger, { token, csrPem });
    const again = await (await people.replica()).userEnrol.enroll(stranger, { token, csrPem });
    expect(again.answer).toEqual(first.answer);
    const other = await newRequest();
    expect(await codeOf(people.userEnrol.enroll(stranger, { token, csrPem: other.csrPem }))).toBe('TOKEN_USED');
    await people.clock.advance(10 * 60_000);
    expect(await codeOf(people.userEnrol.enroll(stranger, { token, csrPem }))).toBe('TOKEN_USED');
  });

  test('20 racing keys: one wins', async () => {
    await using people = await openPeople();
    const { token } = await create(people);
    const requests = await Promise.all(Array.from({ length: 20 }, newRequest));
    const codes = await Promise.all(
      requests.map(({ csrPem }) => codeOf(people.userEnrol.enroll(stranger, { token, csrPem }))),
    );
    expect(codes.filter((code) => code === 'none')).toHaveLength(1);
    expect(codes.filter((code) => code === 'TOKEN_USED')).toHaveLength(19);
  });

  test('wrong, old, replaced and disabled: only who holds the right secret hears which (AP-6)', async () => {
    await using people = await openPeople();
    const { token } = await create(people);
    const { csrPem } = await newRequest();
    const enroll = (text: string) => codeOf(people.userEnrol.enroll(stranger, { token: text, csrPem }));
    const last = token.endsWith('A') ? 'B' : 'A';
    for (const wrong of ['', 'lmu_x', `${token.slice(0, -1)}${last}`, token.replace('lmu_', 'lmj_')])
      expect(await enroll(wrong)).toBe('TOKEN_INVALID');
    const { token: newer } = await people.access.createToken(localRoot, 'alice');
    expect(await enroll(token)).toBe('TOKEN_INVALID');
    await people.users.patch(localRoot, 'alice', { disabled: true });
    expect(await enroll(newer)).toBe('REVOKED');
    expect(await codeOf(people.access.createToken(localRoot, 'alice'))).toBe('CONFLICT');
    await people.users.patch(localRoot, 'alice', { disabled: false });
    await people.clock.advance(24 * hour);
    expect(await enroll(newer)).toBe('TOKEN_EXPIRED');
  });

  test('the store holds no token', async () => {
    await using people = await openPeople();
    const { token } = await create(people);
    await people.userEnrol.enroll(stranger, { token, csrPem: (await newRequest()).csrPem });
    const stored = await storedText(people.store);
    expect(stored).not.toContain(token);
    expect(stored).not.toContain(token.slice(13));
  });
});

describe('certificates of people (ID-4)', () => {
  async function enrolled(people: People) {
    const { user, token } = await create(people);
    const request = await newRequest();
    await people.userEnrol.enroll(stranger, { token, csrPem: request.csrPem });
    return asUser(user, { keyHash: request.keyHash });
  }

  test('renew over the live one, a new key each time, until the login is 7 d old', async () => {
    await using people = await openPeople();
    let caller = await enrolled(people);
    let renewals = 0;
    for (;;) {
      await people.clock.advance(11 * hour);
      const next = await newRequest();
      const code = await codeOf(people.certificates.renew(caller, { csrPem: next.csrPem }));
      if (code !== 'none') {
        expect(code).toBe('UNAUTHENTICATED');
        break;
      }
      renewals++;
      caller = { ...caller, keyHash: next.keyHash };
    }
    // 7 d are 168 h: fifteen times 11 h.
    expect(renewals).toBe(15);
  });

  test('the last certificate ends with the login', async () => {
    await using people = await openPeople();
    const caller = await enrolled(people);
    await people.clock.advance(7 * 24 * hour - hour);
    const { answer } = await people.certificates.renew(caller, { csrPem: (await newRequest()).csrPem });
    expect(answer.expiresAt).toBe(answer.loginExpiresAt);
    expect(Date.parse(answer.expiresAt)).toBe(people.clock.wall() + hour);
  });

  test('a session gives a certificate that keeps groups and the age of the login', async () => {
    await using people = await openPeople();
    const { user } = await create(people);
    const opened = await people.store.write(system('test'), (tx) => people.logins.open(tx, user, ['ops']));
    await people.clock.advance(hour);
    const { csrPem, keyHash } = await newRequest();
    const { answer } = await people.certificates.forSession(asUser(user, { session: opened.id }), { csrPem });
    expect(Date.parse(answer.loginExpiresAt)).toBe(people.clock.wall() - hour + 7 * 24 * hour);
    const next = await newRequest();
    await people.certificates.renew(asUser(user, { keyHash }), { csrPem: next.csrPem });
    expect(await people.logins.ofKey(next.keyHash)).toMatchObject({ groups: ['ops'], user: { name: 'alice' } });
    expect(await codeOf(people.certificates.forSession(asUser(user), { csrPem }))).toBe('UNAUTHENTICATED');
  });

  test('one key, one identity: another user cannot take it, nor its certificate', async () => {
    await using people = await openPeople();
    const { csrPem } = await newRequest();
    const alice = await create(people, 'alice');
    const bob = await create(people, 'bob');
    await people.userEnrol.enroll(stranger, { token: alice.token, csrPem });
    expect(await codeOf(people.userEnrol.enroll(stranger, { token: bob.token, csrPem }))).toBe('CONFLICT');
    const other = await newRequest();
    expect(await codeOf(people.userEnrol.enroll(stranger, { token: bob.token, csrPem: other.csrPem }))).toBe('none');
  });

  test('a key hash is no bearer, and another user does not renew with it', async () => {
    await using people = await openPeople();
    const caller = await enrolled(people);
    const bob = await create(people, 'bob');
    const { csrPem } = await newRequest();
    const asBob = asUser(bob.user, { keyHash: caller.keyHash ?? '' });
    expect(await codeOf(people.certificates.renew(asBob, { csrPem }))).toBe('UNAUTHENTICATED');
    expect(await people.logins.check(caller.keyHash ?? '')).toBeUndefined();
  });
});
