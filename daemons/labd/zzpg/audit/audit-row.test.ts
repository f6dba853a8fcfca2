import { expect, test } from 'bun:test';
import { auditRowSchema } from '@labmesh/wire/fleet/resources/records';
import fc from 'fast-check';
import {
  type AuditFields,
  auditHash,
  firstPrevHash,
  fromTableRow,
  hashRow,
  recordLine,
  rowText,
  shownRow,
  toTableRow,
} from './audit-row.ts';
import { canonicalJson } from './canonical-json.ts';

const key = Uint8Array.from({ length: 32 }, (_, index) => index);
const chain = '01900000-0000-7000-8000-000000000001';

test('AU-2: the vectors of section 5', () => {
  const first = firstPrevHash(chain);
  expect(first).toBe('90f8915cd9186a44f807ece364836a1f7560ea01fd61f08aaa0e7b79fb0d7014');
  const row = { action: 'exec.open', at: 1_766_275_200_000, chain, keyId: 'k1' };
  const one = auditHash(key, first, canonicalJson({ ...row, result: 'ok', seq: 1 }));
  expect(one).toBe('d47d8838b5b5e0471e83db8b3f3a4537efe184968a4740bb3440982c32adfbdf');
  const two = auditHash(key, one, canonicalJson({ ...row, result: 'denied', seq: 2 }));
  expect(two).toBe('d550308cd3395bbc2404b6f2a35033d93ce2e4f489099bbae42fe8bcc3a61d06');
});

const text = fc.string({
  unit: fc.oneof(fc.constantFrom('"', '\\', '\n', 'é', '\u2028', '😀'), fc.string({ minLength: 1, maxLength: 1 })),
  maxLength: 12,
});
const fields: fc.Arbitrary<AuditFields> = fc.record(
  {
    seq: fc.nat(),
    chain: text,
    keyId: text,
    at: fc.nat(),
    phase: text,
    principal: fc.record({ kind: text, id: text, name: text }),
    session: text,
    sourceIp: text,
    requestId: text,
    action: text,
    resource: text,
    resourceId: text,
    result: text,
    code: text,
    durationMs: fc.nat(),
    details: fc.dictionary(text, fc.jsonValue()).map(canonicalJson),
  },
  { requiredKeys: ['seq', 'chain', 'keyId', 'at', 'phase', 'principal', 'action', 'result'] },
);

test('AU-2: the text of a row is its JCS', () => {
  fc.assert(
    fc.property(fields, (row) => {
      const value = { ...row, details: row.details === undefined ? undefined : (JSON.parse(row.details) as unknown) };
      expect(rowText(row)).toBe(canonicalJson(value));
      expect(hashRow(key, 'p', row)).toBe(auditHash(key, 'p', canonicalJson(value)));
    }),
    { numRuns: 1_000 },
  );
});

test('a row comes back from the table as it went in, and out as one line of JSON', () => {
  fc.assert(
    fc.property(fields, (row) => {
      const record = { ...row, prevHash: 'a'.repeat(64), hash: 'b'.repeat(64) };
      const back = fromTableRow(toTableRow('id', record));
      expect(rowText(back)).toBe(rowText(row));
      const line = recordLine(back);
      expect(line).not.toContain('\n');
      const parsed = JSON.parse(line) as Record<string, unknown>;
      expect([parsed.hash, parsed.prevHash, parsed.seq]).toEqual([record.hash, record.prevHash, row.seq]);
      const { hash: _h, prevHash: _p, ...rest } = parsed;
      expect(canonicalJson(rest)).toBe(rowText(row));
    }),
    { numRuns: 300 },
  );
});

test('AP-2: the API shows times as text and details as they were', () => {
  const row = { seq: 1, chain, keyId: 'k1', at: 0, phase: 'single', principal: { kind: 'user', id: 'u', name: 'ann' } };
  const record = { ...row, action: 'a', result: 'ok', prevHash: 'a'.repeat(64), hash: 'b'.repeat(64) };
  expect(shownRow({ ...record, details: '{"a":[1]}' })).toMatchObject({
    at: '1970-01-01T00:00:00.000Z',
    details: { a: [1] },
  });
  expect(shownRow(record)).not.toHaveProperty('details');
  expect(shownRow({ ...record, details: '{oops', at: Number.NaN }).details).toEqual({ unreadable: true });
  expect(auditRowSchema.safeParse(shownRow(record)).success).toBe(true);
});
