import { expect, test } from 'bun:test';
import {
  faultKind,
  isLostRace,
  isUniqueViolation,
  storeConflict,
  StoreStartError,
  storeUnavailable,
} from './store-errors.ts';

const coded = (code: string, message = 'x') => Object.assign(new Error(message), { code });

test.each(['40001', '40P01', '55P03', 'SQLITE_BUSY', 'SQLITE_BUSY_SNAPSHOT', 'SQLITE_BUSY_RECOVERY'])(
  'ST-3: %s is a conflict',
  (code) => expect(faultKind(coded(code))).toBe('conflict'),
);

test.each(['57P03', '08001', '08P01', '53300', '57014', '28P01', 'ECONNREFUSED', 'SQLITE_FULL', 'SQLITE_NOTADB'])(
  'LD-7: with %s the database is away',
  (code) => expect(faultKind(coded(code))).toBe('away'),
);

test.each([
  'Connection terminated unexpectedly',
  'timeout exceeded when trying to connect',
  'Query read timeout',
  'Client has encountered a connection error and is not queryable',
])('so it is after pg said: %s', (message) => expect(faultKind(new Error(message))).toBe('away'));

test('localhost with two addresses fails as a whole', () => {
  expect(faultKind(new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')]))).toBe('away');
  expect(faultKind(new AggregateError([]))).toBe('other');
});

test('anything else is neither', () => {
  const others = [coded('23505'), coded('42P01'), coded('22P02'), new TypeError('no'), undefined, null, 'text', 5];
  expect(new Set([...others, { code: 5 }].map(faultKind))).toEqual(new Set(['other']));
});

test('a race is lost to a row that stands in the way, or after all tries', () => {
  const lost = [coded('23505'), storeConflict(coded('40001'), 8)];
  const others = [coded('40001'), storeUnavailable(coded('08001')), new Error('x'), undefined];
  expect([...lost, ...others].map(isLostRace)).toEqual([true, true, false, false, false, false]);
});

test('a unique key in the way is known on both engines, no other constraint is', () => {
  const codes = ['23505', 'SQLITE_CONSTRAINT_UNIQUE', 'SQLITE_CONSTRAINT_PRIMARYKEY'];
  expect(codes.map((code) => isUniqueViolation(coded(code)))).toEqual([true, true, true]);
  expect(['23503', 'SQLITE_CONSTRAINT_NOTNULL'].map((code) => isUniqueViolation(coded(code)))).toEqual([false, false]);
  expect([undefined, null, 'SQLITE_CONSTRAINT_UNIQUE'].map(isUniqueViolation)).toEqual([false, false, false]);
});

test('each start error has its exit code', () => {
  const codes = ['STORE_URL_INVALID', 'STORE_IN_USE', 'SCHEMA_NEWER'] as const;
  expect(codes.map((code) => new StoreStartError(code, 'x').exitCode)).toEqual([3, 75, 78]);
});

test('what is thrown as text is logged as text', () => {
  expect(storeUnavailable('gone')).toMatchObject({ code: 'STORE_UNAVAILABLE', log: 'gone' });
  expect(storeUnavailable(Object.assign(new Error(''), { code: 'EPIPE' })).log).toBe('EPIPE');
});
