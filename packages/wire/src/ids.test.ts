import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { crc32 } from './crc32.ts';
import {
  cleanRequestId,
  makeApiKey,
  nodeTokenPattern,
  parseApiKey,
  provisionalNodeId,
  requestId,
  uuidv7,
} from './ids.ts';

test('UUIDv7 has its version, variant and time, and rises', () => {
  const ids = Array.from({ length: 10_000 }, uuidv7);
  expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const ms = parseInt((ids[0] ?? '').replace('-', '').slice(0, 12), 16);
  expect(Math.abs(Date.now() - ms)).toBeLessThan(5_000);
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});

test('a request id is kept when harmless and replaced otherwise', () => {
  expect(requestId()).toMatch(/^req_[0-9a-f]{32}$/);
  expect(cleanRequestId('my-id_1.x')).toBe('my-id_1.x');
  for (const bad of [undefined, '', 'a b', 'a\r\nX: y', 'ü', 'x'.repeat(65)])
    expect(cleanRequestId(bad)).toMatch(/^req_/);
});

test('CRC-32 check value', () => {
  expect(crc32('123456789')).toBe(0xcbf43926);
  expect(crc32('')).toBe(0);
});

test('API keys: fixed form, id readable, pinned vector', () => {
  const { id, key } = makeApiKey();
  expect(key).toMatch(/^lmk_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$/);
  expect(parseApiKey(key)).toEqual({ id });
  const zeros = makeApiKey((length) => new Uint8Array(length));
  expect(zeros.key.slice(0, -6)).toBe(`lmk_${'0'.repeat(12)}_${'0'.repeat(32)}`);
  expect(parseApiKey(zeros.key)).toEqual({ id: '000000000000' });
  expect(zeros.key.slice(-6)).toBe('3kQ8OH');
});

test('one wrong character is refused', () => {
  const { key } = makeApiKey();
  fc.assert(
    fc.property(fc.nat(key.length - 1), fc.constantFrom(...'0AzZ9_-'), (at, letter) => {
      const other = key.slice(0, at) + letter + key.slice(at + 1);
      return other === key || parseApiKey(other) === undefined;
    }),
  );
  fc.assert(fc.property(fc.string(), (text) => parseApiKey(text) === undefined));
});

test.each([
  ['test-token', 'node-71137b2996527521'],
  ['token-123', 'node-10fecdfd46b730b0'],
  ['local-dev-node-token', 'node-9c70c149ff0a1661'],
  ['t5162', 'node-f8f900a8c3f5a'],
])('provisional node id of %s is %s', (token, id) => {
  expect(provisionalNodeId(token)).toBe(id);
});

test('node tokens', () => {
  expect(nodeTokenPattern.exec(`lmn_0123456789_${'a'.repeat(43)}`)?.[1]).toBe('0123456789');
  expect(nodeTokenPattern.test(`lmn_0123456789_${'a'.repeat(42)}`)).toBe(false);
});
