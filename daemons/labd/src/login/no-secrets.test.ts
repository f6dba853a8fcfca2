import { describe, expect, test } from 'bun:test';
import { createLogger } from '@labmesh/kit/log';
import { FleetError, fleetErrorBody } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import { RevokedLogins } from './revoked-logins.ts';
import { asUser, codeOf, localRoot, newRequest, storedText, stranger } from './testing/callers.ts';
import { openPeople } from './testing/people.ts';

const password = 'a pass-phrase nobody writes down';

describe('secrets stay where they were shown (acceptance 12)', () => {
  test('a whole tour of logins: none in the store, in notes, in errors or in what a log makes of them', async () => {
    await using people = await openPeople();
    const lines: string[] = [];
    const log = createLogger({ level: 'debug', format: 'json', write: (line) => lines.push(line) });
    const secrets: string[] = [password];
    const told: unknown[] = [];
    const keep = <T>(one: T, ...texts: string[]): T => {
      secrets.push(...texts);
      return one;
    };
    const failing = async (work: Promise<unknown>) => {
      const error = await work.catch((reason: unknown) => reason);
      if (!(error instanceof FleetError)) throw new TypeError('this was to fail');
      log.error('refused', { error, log: error.log, cause: error.cause });
      told.push(fleetErrorBody(error, 'req'), error.log, String(error.cause));
    };

    const made = await people.users.create(localRoot, { name: 'alice', roles: [] });
    keep(made, made.token, made.token.slice(13));
    const { csrPem } = await newRequest();
    const enrolled = await people.userEnrol.enroll(stranger, { token: made.token, csrPem, device: 'laptop' });
    told.push(enrolled.note);
    await failing(people.userEnrol.enroll(stranger, { token: made.token, csrPem: (await newRequest()).csrPem }));
    await failing(people.userEnrol.enroll(stranger, { token: `${made.token}x`, csrPem }));

    await people.access.setPassword(localRoot, 'alice', { password });
    const { uri } = await people.access.setTotp(localRoot, 'alice', { enabled: true });
    keep(uri, new URL(uri ?? '').searchParams.get('secret') ?? '');
    await failing(people.passwordLogin.login(stranger, { user: 'alice', password }));
    await failing(people.access.setPassword(localRoot, 'alice', { password: 'short' }));
    await people.access.setTotp(localRoot, 'alice', { enabled: false });
    const { answer, note } = await people.passwordLogin.login(stranger, { user: 'alice', password });
    keep(answer, answer.session, answer.session.slice(13));
    told.push(note);

    const login = await people.logins.check(answer.session);
    const caller = asUser(made.user, { session: login?.id ?? '' });
    const { ticket } = await people.tickets.create(caller);
    keep(ticket, ticket, ticket.slice(-43));
    await people.tickets.redeem(ticket);
    told.push((await people.certificates.forSession(caller, { csrPem: (await newRequest()).csrPem })).note);

    const where = `${await storedText(people.store)}${JSON.stringify(told)}${lines.join('\n')}`;
    expect(secrets).toHaveLength(8);
    for (const secret of secrets) expect(where.includes(secret)).toBe(false);
  });

  test('a login row never opens as another kind: hash of a key, of a session, of a ticket', async () => {
    await using people = await openPeople();
    const { user } = await people.users.create(localRoot, { name: 'alice', roles: [] });
    const opened = await people.store.write(system('test'), (tx) => people.logins.open(tx, user, []));
    const rows = await people.store.read(system('test'), (db) => db.selectFrom('login_sessions').selectAll().execute());
    const hash = rows[0]?.hash ?? '';
    expect(await people.logins.check(hash)).toBeUndefined();
    expect(await people.logins.ofKey(hash)).toBeUndefined();
    const { csrPem } = await newRequest();
    const forged = asUser(user, { keyHash: hash });
    expect(await codeOf(people.certificates.renew(forged, { csrPem }))).toBe('UNAUTHENTICATED');
    expect(await people.logins.check(opened.session)).toBeDefined();
  });

  test('a store that is away is told and survived by whoever watches for ended logins', async () => {
    await using people = await openPeople();
    const lines: string[] = [];
    const log = createLogger({ level: 'debug', format: 'json', write: (line) => lines.push(line) });
    const { clock, store } = people;
    const away = {
      ...store,
      read: () => Promise.reject(new FleetError('STORE_UNAVAILABLE')),
    } as unknown as typeof store;
    await using watch = await RevokedLogins.open({ store: away, clock, log });
    await clock.advance(2_000);
    expect(lines.length).toBeGreaterThanOrEqual(2);
    expect(lines[0]).toContain('ended logins could not be read');
    expect(watch.has('x')).toBe(false);
  });
});
