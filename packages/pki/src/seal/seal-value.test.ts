import { expect, test } from 'bun:test';
import type { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import fc from 'fast-check';
import { checkValue, hasCheckValue, kekOf, newKek, passphraseKey } from './kek.ts';
import { kekIdOf, openWith, rewrapWith, sealWith } from './seal-value.ts';

const bytes = (count: number, value: number) => new Uint8Array(count).fill(value);
const vector =
  'enc:v1:AQJrMQEBAQEBAQEBAQEBAWSRov6sIe7uIyqL_I2TVJ-9ZAGhlM3YgXojj63W-rS3wnNaMzcDEb1IBeonOLZnswICAgICAgICAgICAgW7nmMP6WuiG5N-RYBwvXlqWu6kquk';
const place = { table: 'clusters', rowId: '01900000-0000-7000-8000-000000000002', field: 'kubeconfig' };
const kek = { id: 'k1', key: bytes(32, 0x11) };
const find = (id: string) => (id === 'k1' ? kek.key : undefined);

const logOf = (work: () => unknown): string | undefined => {
  try {
    work();
    return 'opened';
  } catch (error) {
    expect((error as FleetError).code).toBe('INTERNAL');
    return (error as FleetError).log;
  }
};

test('the written vector: 98 bytes under k1 (SE-1)', () => {
  const given = [bytes(32, 0x22), bytes(12, 1), bytes(12, 2)];
  const text = sealWith(kek, place, Buffer.from('secret'), () => given.shift()!);
  expect(text).toBe(vector);
  expect(Buffer.from(vector.slice('enc:v1:'.length), 'base64url')).toHaveLength(98);
  expect(Buffer.from(openWith(find, place, vector)).toString()).toBe('secret');
});

test('the written scrypt vector (SE-2)', async () => {
  const key = await passphraseKey('correct horse', bytes(16, 0x33));
  expect(Buffer.from(key).toString('hex')).toBe('04003db4e2b829a33d419162963a0bb3b45727eb6e0170f469edf45df88c30a3');
});

test('what is sealed opens, in its own place only; nothing repeats', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4_096 }), fc.string(), fc.string(), (plain, rowId, other) => {
      const at = { ...place, rowId };
      const text = sealWith(kek, at, plain);
      expect(text).not.toBe(sealWith(kek, at, plain));
      expect(openWith(find, at, text)).toEqual(new Uint8Array(plain));
      if (other !== rowId) expect(logOf(() => openWith(find, { ...at, rowId: other }, text))).toContain('k1');
      expect(logOf(() => openWith(find, { ...at, field: 'token' }, text))).toContain('k1');
      expect(logOf(() => openWith(find, { ...at, table: 'settings' }, text))).toContain('k1');
    }),
  );
});

test('any changed character is found, whatever it says about keys', () => {
  const at = 'enc:v1:'.length;
  fc.assert(
    fc.property(fc.integer({ min: at, max: vector.length - 2 }), fc.constantFrom(...'AZaz09-_'), (index, char) => {
      if (vector[index] === char) return;
      const changed = vector.slice(0, index) + char + vector.slice(index + 1);
      expect(logOf(() => openWith(find, place, changed))).not.toBe('opened');
    }),
  );
});

test('any text is refused with a code, and nothing of it is told to strangers', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.base64String().map((text) => `enc:v1:${text}`),
      ),
      (text) => {
        expect(logOf(() => openWith(find, place, text))).not.toBe('opened');
        expect(kekIdOf('enc:v1:')).toBeUndefined();
      },
    ),
  );
});

test('another key: the log names the one that is missing', () => {
  const text = sealWith({ id: 'k2', key: bytes(32, 9) }, place, bytes(3, 1));
  expect(logOf(() => openWith(find, place, text))).toContain('sealed with key k2, not loaded');
  expect(kekIdOf(text)).toBe('k2');
});

test('wrapping again changes the key and keeps the ciphertext (SE-3)', () => {
  const next = { id: 'k2', key: bytes(32, 9) };
  const text = rewrapWith(find, next, place, vector);
  expect(kekIdOf(text)).toBe('k2');
  expect(text.slice(-40)).toBe(vector.slice(-40));
  expect(Buffer.from(openWith(() => next.key, place, text)).toString()).toBe('secret');
  expect(logOf(() => openWith(() => kek.key, place, text))).toContain('does not open');
});

test('names follow from keys; check values tell them apart', () => {
  const [a, b] = [newKek(), newKek()];
  expect(a.id).toMatch(/^k[0-9a-f]{12}$/);
  expect(kekOf(a.key).id).toBe(a.id);
  expect(b.id).not.toBe(a.id);
  expect(hasCheckValue(a.key, checkValue(a.key))).toBe(true);
  expect(hasCheckValue(b.key, checkValue(a.key))).toBe(false);
  expect(hasCheckValue(a.key, '')).toBe(false);
});
