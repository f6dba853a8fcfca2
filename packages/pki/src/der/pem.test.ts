import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { certificatesIn, pemBlocksMax, pemBytesMax, readPem, toPem } from './pem.ts';

test('blocks come back in order, whatever stands between them', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('CERTIFICATE', 'X509 CRL', 'PRIVATE KEY'), fc.uint8Array({ minLength: 1 })), {
        maxLength: 8,
      }),
      fc.constantFrom('', 'subject=CN = x\n', '\r\n# text\r\n'),
      (blocks, between) => {
        const text = blocks.map(([label, der]) => between + toPem(label, der)).join('');
        const expected = blocks.map(([label, der]) => ({ label, der: new Uint8Array(der) }));
        expect(readPem(text)).toEqual(expected);
        expect(readPem(text.replaceAll('\n', '\r\n'))).toEqual(expected);
        expect(certificatesIn(text)).toHaveLength(blocks.filter(([label]) => label === 'CERTIFICATE').length);
      },
    ),
  );
});

test('any text gives blocks or none, and never throws', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void readPem(text)));
  fc.assert(
    fc.property(fc.string(), (body) => {
      const text = `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`;
      for (const { der } of readPem(text)) expect(der.length).toBeGreaterThan(0);
    }),
  );
});

test('bounds: size of the text, number of blocks, labels that do not match', () => {
  const one = toPem('CERTIFICATE', Buffer.from('x'));
  expect(readPem(one.repeat(pemBlocksMax))).toHaveLength(pemBlocksMax);
  expect(readPem(one.repeat(pemBlocksMax + 1))).toEqual([]);
  expect(readPem(' '.repeat(pemBytesMax) + one)).toEqual([]);
  expect(readPem(one.replace('END CERTIFICATE', 'END X509 CRL'))).toEqual([]);
  // Many beginnings without an end must not take quadratic time.
  const started = performance.now();
  readPem('-----BEGIN A-----\n'.repeat(10_000));
  expect(performance.now() - started).toBeLessThan(2_000);
});
