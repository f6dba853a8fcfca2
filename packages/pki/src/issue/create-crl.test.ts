import { expect, test } from 'bun:test';
import { DerReader } from '../der/der-reader.ts';
import { readPem } from '../der/pem.ts';
import { hasOpenssl, openssl } from '../testing/openssl.ts';
import { pemOf, sampleCa } from '../testing/sample-ca.ts';
import { generateKey } from '../keys.ts';
import { createCrl } from './create-crl.ts';
import { createIntermediate } from './profiles.ts';

const now = Date.now();
const day = 86_400_000;
const ca = await sampleCa(now);
const times = { thisUpdate: now, nextUpdate: now + day };

test('the PEM is headed X509 CRL and holds the DER (CA-9)', async () => {
  const { der, pem } = await createCrl({ issuer: ca.issuing, number: 1, ...times, revoked: [] });
  expect(pem).toStartWith('-----BEGIN X509 CRL-----\n');
  expect(readPem(pem)).toEqual([{ label: 'X509 CRL', der }]);
  DerReader.of(der).read(0x30);
});

test.skipIf(!hasOpenssl)('openssl reads and verifies the list, empty and full (needs openssl)', async () => {
  for (const count of [0, 1, 1_000]) {
    const revoked = Array.from({ length: count }, (_, index) => ({
      serial: `7${index.toString(16).padStart(31, '0')}`,
      revokedAt: now - index * 1_000,
    }));
    const { der, pem } = await createCrl({ issuer: ca.issuing, number: 300 + count, ...times, revoked });
    const files = { 'list.pem': pem, 'list.der': der, 'ca.pem': ca.chainPem };
    const text = openssl(files, 'crl', '-in', 'list.pem', '-noout', '-text', '-CAfile', 'ca.pem');
    expect(text.output).toContain('verify OK');
    expect(text.output.match(/Serial Number/g) ?? []).toHaveLength(count);
    expect(text.output).toMatch(new RegExp(`CRL Number:\\s+0?x?${count === 1_000 ? '1300|514' : 300 + count}`));
    expect(openssl(files, 'crl', '-inform', 'DER', '-in', 'list.der', '-noout').exitCode).toBe(0);
  }
});

test.skipIf(!hasOpenssl)('openssl verify refuses a revoked leaf by the list (needs openssl)', async () => {
  const [gone, stays] = [await ca.leaf('agent', 'a1'), await ca.leaf('agent', 'a2')];
  const revoked = [{ serial: gone.certificate.serial, revokedAt: now - 1_000 }];
  const { pem } = await createCrl({ issuer: ca.issuing, number: 1, ...times, revoked });
  const verdict = (leafPem: string) =>
    openssl(
      { 'trust.pem': ca.bundlePem, 'chain.pem': ca.chainPem, 'list.pem': pem, 'leaf.pem': leafPem },
      'verify',
      '-crl_check',
      '-CRLfile',
      'list.pem',
      '-CAfile',
      'trust.pem',
      '-untrusted',
      'chain.pem',
      'leaf.pem',
    ).output;
  expect(verdict(gone.certificatePem)).toContain('certificate revoked');
  expect(verdict(stays.certificatePem)).toContain('OK');
});

test.skipIf(!hasOpenssl)('signed by a P-384 intermediate too (needs openssl)', async () => {
  const key = await generateKey('P-384');
  const certificate = await createIntermediate({
    issuer: ca.root,
    spki: key.spki,
    keyHash: key.keyHash,
    trustDomain: 'labmesh.internal',
    dnsNames: [],
    notBefore: now - day,
    notAfter: now + day,
  });
  const { pem } = await createCrl({ issuer: { key, certificate }, number: 1, ...times, revoked: [] });
  const files = { 'list.pem': pem, 'ca.pem': pemOf(certificate) };
  expect(openssl(files, 'crl', '-in', 'list.pem', '-noout', '-CAfile', 'ca.pem').output).toContain('verify OK');
});
