import { describe, expect, test } from 'bun:test';
import { FleetError, fleetErrorBody } from '@labmesh/wire/fleet/fleet-errors';
import type { Store } from '@labmesh/store/store';
import { PasswordLogin } from './password-login.ts';
import { Passwords } from './passwords.ts';
import { codeOf, localRoot, storedText, stranger } from './testing/callers.ts';
import { openPeople, type People } from './testing/people.ts';
import { totpCode, totpStep } from './users/totp.ts';

const password = 'correct horse battery';
const otherAddress = { ...stranger, sourceIp: '198.51.100.9' };

class CountingPasswords extends Passwords {
  verified = 0;
  override verify(stored: string | undefined, text: string): Promise<boolean> {
    this.verified++;
    return super.verify(stored, text);
  }
}

function countingStore(inner: Store) {
  const counted = { reads: 0, writes: 0 };
  const store: Store = {
    engine: inner.engine,
    clock: inner.clock,
    retries: 0,
    ping: () => inner.ping(),
    snapshot: (principal) => inner.snapshot(principal),
    read: (principal, query) => (counted.reads++, inner.read(principal, query)),
    write: (principal, work) => (counted.writes++, inner.write(principal, work)),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
  return { store, counted };
}

async function withAlice(people: People) {
  const { user } = await people.users.create(localRoot, { name: 'alice', roles: [] });
  await people.access.setPassword(localRoot, 'alice', { password });
  return user;
}

/** The secret in an otpauth address, as bytes. */
function secretOf(uri: string | null): Uint8Array {
  const text = new URL(uri ?? '').searchParams.get('secret') ?? '';
  const bits = [...text].map((letter) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'),
  );
  return new Uint8Array(
    bits
      .join('')
      .match(/.{8}/g)
      ?.map((byte) => Number.parseInt(byte, 2)) ?? [],
  );
}

async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof FleetError) return JSON.stringify([error.status, fleetErrorBody(error, 'req')]);
  }
  return 'no failure';
}

describe('login by password (ID-3)', () => {
  test('right: a session that names the user; the name in any case', async () => {
    await using people = await openPeople();
    const user = await withAlice(people);
    const { answer, note } = await people.passwordLogin.login(stranger, { user: 'Alice', password });
    expect(answer.user).toEqual({ id: user.id, name: 'alice' });
    expect(answer.expiresAt).toBe(new Date(people.clock.wall() + 12 * 3_600_000).toISOString());
    expect(answer.idleMs).toBe(2 * 3_600_000);
    expect(note).toMatchObject({ resource: 'user:alice', resourceId: user.id });
    expect(JSON.stringify(note)).not.toContain('lms_');
    expect((await people.logins.check(answer.session))?.user).toEqual({ kind: 'user', id: user.id, name: 'alice' });
  });

  test('every failure is the same answer', async () => {
    await using people = await openPeople();
    await withAlice(people);
    await people.users.create(localRoot, { name: 'tokenonly', roles: [] });
    await people.users.create(localRoot, { name: 'gone', roles: [] });
    await people.access.setPassword(localRoot, 'gone', { password });
    await people.users.patch(localRoot, 'gone', { disabled: true });
    await people.users.create(localRoot, { name: 'second', roles: [] });
    await people.access.setPassword(localRoot, 'second', { password });
    await people.access.setTotp(localRoot, 'second', { enabled: true });
    const login = (user: string, text: string, totp?: string) =>
      failure(people.passwordLogin.login(stranger, { user, password: text, ...(totp !== undefined && { totp }) }));
    const answers = [
      await login('alice', 'wrong password here'),
      await login('nobody', password),
      await login('tokenonly', password),
      await login('gone', password),
      await login('second', password),
      await login('second', password, '000000'),
    ];
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain('UNAUTHENTICATED');
    expect(answers[0]).not.toContain(password);
  });

  test('every failure lasts alike: one hash, one transaction that writes, whoever it is', async () => {
    await using people = await openPeople();
    await withAlice(people);
    const passwords = new CountingPasswords();
    const { store, counted } = countingStore(people.store);
    const passwordLogin = new PasswordLogin({ ...people, store, passwords });
    const work = async (user: string, text: string, caller = stranger) => {
      passwords.verified = 0;
      Object.assign(counted, { reads: 0, writes: 0 });
      expect(await codeOf(passwordLogin.login(caller, { user, password: text }))).toBe('UNAUTHENTICATED');
      return { verified: passwords.verified, ...counted };
    };
    const usual = { verified: 1, reads: 1, writes: 1 };
    expect(await work('alice', 'wrong password here')).toEqual(usual);
    expect(await work('nobody', 'wrong password here')).toEqual(usual);
    for (let n = 0; n < 10; n++) await work('alice', 'wrong password here', otherAddress);
    expect(await work('alice', password, otherAddress)).toEqual(usual);
  }, 30_000);

  test('ten failures lock that address, for the right password too; others still get in', async () => {
    await using people = await openPeople();
    await withAlice(people);
    const wrong = () => codeOf(people.passwordLogin.login(stranger, { user: 'alice', password: 'wrong password' }));
    for (let n = 0; n < 10; n++) expect(await wrong()).toBe('UNAUTHENTICATED');
    const right = (caller = stranger) => codeOf(people.passwordLogin.login(caller, { user: 'alice', password }));
    expect(await right()).toBe('UNAUTHENTICATED');
    expect(await codeOf((await people.replica()).passwordLogin.login(stranger, { user: 'alice', password }))).toBe(
      'UNAUTHENTICATED',
    );
    expect(await right(otherAddress)).toBe('none');
    await people.clock.advance(15 * 60_000);
    expect(await right()).toBe('none');
  }, 30_000);

  test('racing guesses cannot outrun the count: the right one among thirty comes too late', async () => {
    await using people = await openPeople();
    await withAlice(people);
    const guesses = Array.from({ length: 30 }, (_, n) => (n === 29 ? password : `wrong guess number ${n}`));
    const codes = await Promise.all(
      guesses.map((guess) => codeOf(people.passwordLogin.login(stranger, { user: 'alice', password: guess }))),
    );
    expect(new Set(codes)).toEqual(new Set(['UNAUTHENTICATED']));
  }, 30_000);

  test('one-time codes: needed once set, one step off is taken, none twice, also at once', async () => {
    await using people = await openPeople();
    await withAlice(people);
    const { uri } = await people.access.setTotp(localRoot, 'alice', { enabled: true });
    const code = (off: number) => totpCode(secretOf(uri), totpStep(people.clock.wall()) + off);
    const login = (totp: string) => codeOf(people.passwordLogin.login(stranger, { user: 'alice', password, totp }));
    const both = await Promise.all([login(code(-1)), login(code(-1))]);
    expect(both.toSorted()).toEqual(['UNAUTHENTICATED', 'none']);
    expect(await login(code(1))).toBe('none');
    expect(await login(code(0))).toBe('UNAUTHENTICATED');
    await people.clock.advance(60_000);
    expect(await login(code(0))).toBe('none');
    await people.access.setTotp(localRoot, 'alice', { enabled: false });
    expect(await codeOf(people.passwordLogin.login(stranger, { user: 'alice', password }))).toBe('none');
  });

  test('no secret is in the store: password, code secret, session (12 of the acceptance)', async () => {
    await using people = await openPeople();
    await withAlice(people);
    const { answer } = await people.passwordLogin.login(stranger, { user: 'alice', password });
    const { uri } = await people.access.setTotp(localRoot, 'alice', { enabled: true });
    const stored = await storedText(people.store);
    const secret = new URL(uri ?? '').searchParams.get('secret') ?? '';
    expect(secret).toHaveLength(32);
    for (const text of [password, answer.session, answer.session.slice(13), secret]) expect(stored).not.toContain(text);
    expect(stored).not.toContain(Buffer.from(secretOf(uri)).toString('hex'));
    expect(stored).not.toContain(Buffer.from(secretOf(uri)).toString('base64'));
  });
});
