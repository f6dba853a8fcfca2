import { expect, test } from 'bun:test';
import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { sampleCa } from '../testing/sample-ca.ts';
import { DerError } from './der-reader.ts';
import { clientAuth, readCertificate, serverAuth } from './read-certificate.ts';

const ca = await sampleCa(Date.UTC(2026, 5, 1));
const labd = await ca.leaf('labd', 'replica-1', { dnsNames: ['a.lab.example', 'localhost'], ips: ['10.0.0.1'] });

test('reads what the runtime reads, with each name apart', () => {
  const read = readCertificate(labd.certificate.der);
  const other = new X509Certificate(Buffer.from(labd.certificate.der));
  expect(read.serial).toBe(other.serialNumber.toLowerCase());
  expect(read.notBefore).toBe(Date.parse(other.validFrom));
  expect(read.notAfter).toBe(Date.parse(other.validTo));
  expect(read.spki).toEqual(new Uint8Array(other.publicKey.export({ format: 'der', type: 'spki' })));
  expect(read.uris).toEqual(['spiffe://labmesh.internal/labd/replica-1']);
  expect(read.dnsNames).toEqual(['a.lab.example', 'localhost']);
  expect(read.otherNames).toBe(1);
  expect(read.extendedKeyUsage).toEqual([clientAuth, serverAuth]);
  expect(read.keyUsage).toBe(1);
  expect(read).toMatchObject({ isCa: false, pathLength: undefined, hash: 'sha256', unknownCritical: undefined });
});

test('CA certificates: path lengths 2 and 0, certificate and list signing, constraints (CA-1, CA-3)', () => {
  expect(ca.root.certificate).toMatchObject({ isCa: true, pathLength: 2, permittedDns: undefined });
  expect(ca.issuing.certificate).toMatchObject({
    isCa: true,
    pathLength: 0,
    permittedDns: ['localhost', 'lab.example'],
  });
  expect(ca.issuing.certificate.keyUsage).toBe((1 << 5) | (1 << 6));
  expect(Buffer.compare(ca.issuing.certificate.issuer, ca.root.certificate.subject)).toBe(0);
  expect(Buffer.compare(labd.certificate.issuer, ca.issuing.certificate.subject)).toBe(0);
});

test('any bytes, and any change of a good certificate, are read or refused with DerError', () => {
  const judge = (bytes: Uint8Array) => {
    try {
      readCertificate(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(DerError);
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), judge));
  const { der } = labd.certificate;
  const edit = fc.record({ at: fc.nat(der.length - 1), byte: fc.nat(255), cut: fc.nat(8) });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 6 }), (edits) => {
      const changed = Uint8Array.from(der);
      for (const { at, byte } of edits) changed[at] = byte;
      judge(changed.subarray(0, changed.length - (edits[0]?.cut ?? 0)));
    }),
    { numRuns: 3_000 },
  );
});

test('bytes after the end are refused', () => {
  expect(() => readCertificate(Buffer.concat([labd.certificate.der, Buffer.from([0])]))).toThrow(DerError);
});
