import { expect, test } from 'bun:test';
import type { Verb } from '@labmesh/wire/fleet/access-words';
import fc from 'fast-check';
import { canonicalHost, compileLimits, limitsContain, limitsMayMeet } from './limits.ts';
import { parseRule } from './rule.ts';
import { arbitraryAsk, fuzzRuns, arbitraryRule } from '../testing/arbitrary-rule.ts';

const holds = (text: string, verb: Verb, limit?: { account?: string } | { forward?: string }) => {
  const rule = parseRule(text);
  return compileLimits(rule.effect, rule.limits)(verb)(limit);
};

test('RB-1: accounts bind exec and copy; none named is root', () => {
  const rule = 'allow exec,copy-in on servers as deploy,www-data';
  expect(holds(rule, 'exec', { account: 'deploy' })).toBe(true);
  expect(holds(rule, 'copy-in', { account: 'www-data' })).toBe(true);
  expect(holds(rule, 'exec', { account: 'root' })).toBe(false);
  expect(holds(rule, 'exec')).toBe(false);
  expect(holds('allow exec on servers as root', 'exec')).toBe(true);
  expect(holds('allow exec on servers as *', 'exec', { account: 'anyone' })).toBe(true);
  expect(holds('allow exec on servers', 'exec', { account: 'anyone' })).toBe(true);
  expect(holds('deny exec on servers as root', 'exec', { account: 'deploy' })).toBe(false);
});

test('PF-1: an allow without HOST:PORT forwards to the loopback alone', () => {
  for (const rule of ['allow forward on servers', 'allow * on *']) {
    for (const own of ['localhost:80', '127.0.0.1:80', '[::1]:80', '::1:80', '127.9.9.9:1', 'LOCALHOST.:9'])
      expect(holds(rule, 'forward', { forward: own })).toBe(true);
    for (const other of ['db-1:5432', '169.254.169.254:80', '10.0.0.1:22', '[fe80::1]:80'])
      expect(holds(rule, 'forward', { forward: other })).toBe(false);
    expect(holds(rule, 'forward')).toBe(true);
  }
});

test('RB-1: HOST:PORT names what may be reached', () => {
  const rule = 'allow forward on servers as localhost:*,db-*:5432,[2001:db8::1]:443';
  expect(holds(rule, 'forward', { forward: 'localhost:1' })).toBe(true);
  expect(holds(rule, 'forward', { forward: 'DB-7:5432' })).toBe(true);
  expect(holds(rule, 'forward', { forward: '[2001:0db8::0:1]:443' })).toBe(true);
  expect(holds(rule, 'forward', { forward: 'db-7:22' })).toBe(false);
  expect(holds(rule, 'forward', { forward: 'evil-db-7:5432' })).toBe(false);
  expect(holds('allow forward on servers as *:*', 'forward', { forward: '10.0.0.1:9' })).toBe(true);
  expect(holds('allow forward on servers as db:5432', 'forward')).toBe(false);
});

test('no spelling of the loopback gets round a deny', () => {
  const spellings = [
    '127.1',
    '2130706433',
    '0x7f.1',
    '::ffff:127.0.0.1',
    '[::1]',
    '0',
    '0.0.0.0',
    '[::]',
    'a.localhost',
  ];
  for (const spelling of spellings) {
    expect(canonicalHost(spelling)).toBe('localhost');
    expect(holds('deny forward on servers as localhost:22', 'forward', { forward: `${spelling}:22` })).toBe(true);
    expect(holds('deny forward on servers as 127.*:22', 'forward', { forward: `${spelling}:22` })).toBe(true);
  }
  expect(canonicalHost('::ffff:a9fe:a9fe')).toBe('169.254.169.254');
});

test('what is no HOST:PORT is denied and never allowed', () => {
  for (const text of ['', ':', 'db', 'db:', ':22', 'db:0', 'db:99999', 'db:22 ', 'db:2e1', '*:x']) {
    expect(holds('allow forward on servers as *:*', 'forward', { forward: text })).toBe(false);
    expect(holds('deny forward on servers as db:1', 'forward', { forward: text })).toBe(true);
  }
});

test('containment and meeting agree with the tests they speak about', () => {
  fc.assert(
    fc.property(arbitraryRule(fc), arbitraryRule(fc), arbitraryAsk(fc), (a, b, { verb, limit }) => {
      const inA = compileLimits(a.effect, a.limits)(verb)(limit);
      const inB = compileLimits(b.effect, b.limits)(verb)(limit);
      if (limitsContain(verb, a, b) && inB) expect(inA).toBe(true);
      if (inA && inB) expect(limitsMayMeet(verb, a, b)).toBe(true);
    }),
    { numRuns: fuzzRuns(3_000) },
  );
});
