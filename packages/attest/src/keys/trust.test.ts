import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { AttestRefused } from '../attest-refused.ts';
import { utf8 } from '../bytes/bytes.ts';
import { canonicalBytes, type Json } from '../json/canonical-json.ts';
import { refusalOf } from '../testing/refusal.ts';
import { sampleNow as now } from '../testing/sample-certificate.ts';
import { newKeyRing, trustOf } from './key-ring.ts';
import { parseTrust, trustText } from './trust.ts';

describe('trust files', () => {
  const text = trustText(trustOf(newKeyRing(now, 'labmesh.example/log')));
  const edited = (edit: (file: { [key: string]: Json }) => void): Uint8Array<ArrayBuffer> => {
    const file = JSON.parse(text) as { [key: string]: Json };
    edit(file);
    return canonicalBytes(file);
  };
  const firstKey = (file: { [key: string]: Json }) => (file['keys'] as { [key: string]: Json }[])[0] ?? {};

  test('go there and back, also with fields that nobody knows and laid out by hand', () => {
    const trust = parseTrust(utf8(text));
    expect(trustText(trust)).toBe(text);
    expect(trust.keys.map(({ usage }) => usage)).toEqual(['certificate', 'revocation']);
    const more = edited((file) => Object.assign(file, { note: 'ours' }));
    expect(parseTrust(utf8(JSON.stringify(JSON.parse(new TextDecoder().decode(more)), null, 2)))).toEqual(trust);
  });

  test('a key for a use unknown here is passed over', () => {
    const trust = parseTrust(
      edited(
        (file) => void ((file['keys'] as Json[])[1] = { ...(file['keys'] as object[])[1], usage: 'witness' } as Json),
      ),
    );
    expect(trust.keys).toHaveLength(1);
  });

  test.each([
    ['a keyid of another key', (file) => Object.assign(firstKey(file), { keyid: '0'.repeat(64) }), 'TRUST_BAD'],
    ['a key twice', (file) => void (file['keys'] as Json[]).push(firstKey(file)), 'TRUST_BAD'],
    ['no key', (file) => void (file['keys'] = []), 'TRUST_BAD'],
    ['a threshold of nothing', (file) => void (file['threshold'] = 0), 'TRUST_BAD'],
    ['a threshold above the keys', (file) => void (file['threshold'] = 2), 'TRUST_BAD'],
    ['no threshold', (file) => void delete file['threshold'], 'TRUST_BAD'],
    [
      'a time that is none',
      (file) => Object.assign(firstKey(file), { not_before: '2026-02-30T00:00:00Z' }),
      'TRUST_BAD',
    ],
    ['a log key of another length', (file) => Object.assign(file['log'] as object, { key: 'AAAA' }), 'KEY_BAD'],
    ['a key that is none', (file) => Object.assign(firstKey(file), { spki: 'AAAA' }), 'ALGORITHM_UNKNOWN'],
  ] as [string, (file: { [key: string]: Json }) => void, string][])('refused: %s', async (_, edit, code) => {
    expect(await refusalOf(() => parseTrust(edited(edit)))).toBe(code as never);
  });

  test('two thresholds in one file are refused, whichever a parser would take', async () => {
    expect(await refusalOf(() => parseTrust(utf8(text.replace('"threshold":1', '"threshold":1,"threshold":1'))))).toBe(
      'JSON_BAD',
    );
  });

  test('whatever it is, it is read or refused by name', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc
            .record({ keys: fc.jsonValue(), log: fc.jsonValue(), threshold: fc.nat() })
            .map((one) => JSON.stringify(one)),
        ),
        (json) => {
          try {
            parseTrust(utf8(json));
            expect.unreachable();
          } catch (error) {
            expect(error).toBeInstanceOf(AttestRefused);
          }
        },
      ),
    );
  });
});
