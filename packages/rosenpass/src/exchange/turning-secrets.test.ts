/** Secrets that change with time: of biscuits and of cookies (spec tunnel.md 5.6). */
import { describe, expect, test } from 'bun:test';
import { openSuites } from '../hash/suite.ts';
import { writeCookie } from '../message/envelope.ts';
import { seededRandom } from '../testing/scripted-random.ts';
import { BiscuitKeys } from './biscuit-keys.ts';
import { CookieSecrets } from './cookie-secrets.ts';

const suites = await openSuites();

describe('biscuit keys', () => {
  test('seal for 300 s, open for 300 s more, and are zeroed then', () => {
    const keys = new BiscuitKeys(seededRandom(1), 0);
    const first = keys.young(0);
    const value = first.secret.slice();
    expect(keys.young(299_999).index).toBe(first.index);
    const second = keys.young(300_000);
    expect(second.index).toBe(1 - first.index);
    expect(keys.secret(first.index, 599_999)).toEqual(value);
    expect(keys.secret(first.index, 600_000)).not.toEqual(value);
    expect(first.secret.every((byte) => byte === 0)).toBe(true);
    expect(keys.turnAt).toBe(900_000);
  });

  test('both are new after a sleep that outlived both', () => {
    const keys = new BiscuitKeys(seededRandom(2), 0);
    const before = [keys.secret(0, 0).slice(), keys.secret(1, 0).slice()];
    keys.turn(5_000_000);
    for (const index of [0, 1]) expect(before).not.toContainEqual(keys.secret(index, 5_000_000));
  });
});

describe('cookie values', () => {
  const at = { address: '192.0.2.7', port: 9999 };
  const message = new Uint8Array(1092).fill(3);
  const proves = (value: Uint8Array) => {
    const copy = message.slice();
    writeCookie(suites, value, copy);
    return copy;
  };

  test('belong to an address and a port', () => {
    const cookies = new CookieSecrets(suites, seededRandom(3));
    const proof = proves(cookies.valueFor(at, 1_000));
    expect(cookies.fits(at, proof, 1_000)).toBe(true);
    expect(cookies.fits({ ...at, port: 9998 }, proof, 1_000)).toBe(false);
    expect(cookies.fits({ ...at, address: '192.0.2.8' }, proof, 1_000)).toBe(false);
    expect(cookies.fits(at, message, 1_000)).toBe(false);
    proof[500]! ^= 1;
    expect(cookies.fits(at, proof, 1_000)).toBe(false);
  });

  test('live 120 s after their secret ends, and no longer', () => {
    const cookies = new CookieSecrets(suites, seededRandom(4));
    const first = proves(cookies.valueFor(at, 0));
    const late = cookies.valueFor(at, 119_999);
    expect(proves(late)).toEqual(first);
    const second = proves(cookies.valueFor(at, 120_000));
    expect(second).not.toEqual(first);
    expect(cookies.fits(at, first, 239_999)).toBe(true);
    expect(cookies.fits(at, first, 240_000)).toBe(false);
    expect(cookies.fits(at, second, 240_000)).toBe(true);
    expect(cookies.fits(at, second, 1_000_000)).toBe(false);
  });
});
