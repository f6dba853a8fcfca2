import { describe, expect, test } from 'bun:test';
import { system } from '@labmesh/wire/fleet/principal';
import { countFailure, forgetFailures, isLockedOut, lockoutKey, lockoutRule } from './lockout.ts';
import { openPeople, type People } from './testing/people.ts';

const self = system('test');
const fail = (people: People, key: string) =>
  people.store.write(self, (tx) => countFailure(tx, key, people.clock.wall()));
const locked = (people: People, key: string) =>
  people.store.read(self, (db) => isLockedOut(db, key, people.clock.wall()));

describe('lockout (ID-3)', () => {
  test('the tenth failure locks for 15 min; failures under the lock do not prolong it', async () => {
    await using people = await openPeople();
    const key = lockoutKey('user-1', 'alice', '192.0.2.7');
    for (let n = 1; n < lockoutRule.failuresMax; n++) await fail(people, key);
    expect(await locked(people, key)).toBe(false);
    await fail(people, key);
    expect(await locked(people, key)).toBe(true);
    await people.clock.advance(14 * 60_000);
    await fail(people, key);
    expect(await locked(people, key)).toBe(true);
    await people.clock.advance(60_000);
    expect(await locked(people, key)).toBe(false);
    await fail(people, key);
    expect(await locked(people, key)).toBe(false);
  });

  test('a success, or 15 min without a failure, starts the count again', async () => {
    await using people = await openPeople();
    const key = lockoutKey('user-1', 'alice', '192.0.2.7');
    for (let n = 0; n < 9; n++) await fail(people, key);
    await people.store.write(self, (tx) => forgetFailures(tx, key));
    for (let n = 0; n < 9; n++) await fail(people, key);
    expect(await locked(people, key)).toBe(false);
    await people.clock.advance(lockoutRule.lockMs);
    for (let n = 0; n < 9; n++) await fail(people, key);
    expect(await locked(people, key)).toBe(false);
  });

  test('one address cannot lock the owner out elsewhere; one /64 is one address', () => {
    const from = (ip: string) => lockoutKey('user-1', 'alice', ip);
    expect(from('192.0.2.7')).not.toBe(from('198.51.100.9'));
    expect(from('2001:db8:1:2::5')).toBe(from('2001:db8:1:2:ffff::9'));
    expect(from('2001:db8:1:2::5')).not.toBe(from('2001:db8:1:3::5'));
    expect(lockoutKey('user-1', 'alice', '192.0.2.7')).not.toBe(lockoutKey('user-2', 'alice', '192.0.2.7'));
  });

  test('unknown names share a bounded number of rows, which go when they have run out', async () => {
    await using people = await openPeople();
    const keys = new Set(Array.from({ length: 20_000 }, (_, n) => lockoutKey(undefined, `nobody-${n}`, '192.0.2.7')));
    expect(keys.size).toBeLessThanOrEqual(4_096);
    for (const key of [...keys].slice(0, 5)) await fail(people, key);
    await people.clock.advance(lockoutRule.lockMs);
    const last = lockoutKey('user-1', 'alice', '192.0.2.7');
    await fail(people, last);
    const rows = await people.store.read(self, (db) =>
      db.selectFrom('settings').select('key').where('key', 'like', 'login-failures/%').execute(),
    );
    expect(rows.map(({ key }) => key)).toEqual([last]);
  });
});
