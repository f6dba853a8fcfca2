import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import { generateKeyPairSync } from 'node:crypto';
import type { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import fc from 'fast-check';
import { createCsr, csrTextMax, parseCsr } from './csr.ts';
import { readPem, toPem } from './der/pem.ts';
import { extension, requests, usage } from './testing/library.ts';
import { curveOf, generateKey, keyFromPem, signingAlgorithm } from './keys.ts';
import { hasOpenssl, openssl } from './testing/openssl.ts';

const key = await generateKey();
const pem = await createCsr(key);

const codeOf = (text: string): string => {
  try {
    parseCsr(text);
    return 'ok';
  } catch (error) {
    return (error as FleetError).code;
  }
};

test.each(['P-256', 'P-384'] as const)('a %s request gives back its key (CA-4)', async (curve) => {
  const one = await generateKey(curve);
  const pem = await createCsr(one);
  expect(parseCsr(pem)).toEqual({ pem, spki: one.spki, keyHash: one.keyHash, curve });
  const again = await keyFromPem(one.privatePem);
  expect(again.keyHash).toBe(one.keyHash);
  expect(curveOf(again.spki)).toBe(curve);
});

test.skipIf(!hasOpenssl)('OpenSSL takes our requests (needs openssl)', async () => {
  for (const curve of ['P-256', 'P-384'] as const) {
    const text = await createCsr(await generateKey(curve));
    const shown = openssl({ 'request.pem': text }, 'req', '-in', 'request.pem', '-verify', '-noout', '-subject').output;
    expect(shown).toMatch(/verify OK/i);
    expect(shown).toMatch(/CN ?= ?labmesh/);
  }
});

test('what a hostile request asks for is not even read: CA:TRUE, CN=admin, other names', async () => {
  const hostile = await requests.create({
    name: 'CN=admin, O=labmesh',
    keys: { privateKey: key.privateKey, publicKey: key.publicKey },
    signingAlgorithm: signingAlgorithm('P-256'),
    extensions: [
      extension.ca(5),
      extension.keyUsage(usage.keyCertSign),
      extension.names([{ type: 'url', value: 'spiffe://labmesh.internal/user/admin' }]),
    ],
  });
  const pem = hostile.toString('pem');
  expect(parseCsr(pem)).toEqual({ pem, spki: key.spki, keyHash: key.keyHash, curve: 'P-256' });
});

test.skipIf(!hasOpenssl)('other keys are refused by name: RSA, Ed25519, P-521, secp256k1 (needs openssl)', () => {
  const requestBy = (...args: string[]) =>
    openssl({}, 'req', '-new', '-nodes', '-subj', '/CN=x', '-keyout', 'k.pem', ...args).output;
  const ec = (curve: string) => requestBy('-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${curve}`);
  const requestIn = (text: string) => text.slice(text.indexOf('-----BEGIN CERTIFICATE REQUEST')).split('----\n\n')[0]!;
  expect(codeOf(requestIn(requestBy('-newkey', 'rsa:2048')))).toBe('KEY_TYPE_REFUSED');
  expect(codeOf(requestIn(requestBy('-newkey', 'ed25519')))).toBe('KEY_TYPE_REFUSED');
  expect(codeOf(requestIn(ec('secp521r1')))).toBe('KEY_TYPE_REFUSED');
  expect(codeOf(requestIn(ec('secp256k1')))).toBe('KEY_TYPE_REFUSED');
  expect(codeOf(requestIn(ec('prime256v1')))).toBe('ok');
});

test('a request signed by another key, a changed one, two in one text, too large: VALIDATION_FAILED', async () => {
  const [mine, other] = [readPem(pem)[0]!.der, readPem(await createCsr(await generateKey()))[0]!.der];
  // The other one's key in a request that carries our signature.
  const mixed = Buffer.from(other);
  mixed.set(mine.subarray(-64), mixed.length - 64);
  expect(codeOf(toPem('CERTIFICATE REQUEST', mixed))).toBe('VALIDATION_FAILED');
  expect(codeOf(pem + pem)).toBe('VALIDATION_FAILED');
  expect(codeOf(pem + ' '.repeat(csrTextMax))).toBe('VALIDATION_FAILED');
  expect(codeOf(pem.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'))).toBe('VALIDATION_FAILED');
});

test('any text and any changed request end in one of the two codes', () => {
  const der = readPem(pem)[0]!.der;
  fc.assert(fc.property(fc.string(), (text) => expect(codeOf(text)).toBe('VALIDATION_FAILED')));
  fc.assert(
    fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = Uint8Array.from(der);
      changed[at]! ^= flip;
      expect(['VALIDATION_FAILED', 'KEY_TYPE_REFUSED']).toContain(codeOf(toPem('CERTIFICATE REQUEST', changed)));
    }),
    { numRuns: 1_000 },
  );
});

test('keys: other types are refused, and no text of a key is in an error', async () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ format: 'pem', type: 'pkcs8' });
  expect(await thrower(keyFromPem(rsa))).toThrow('not an EC key');
  expect(await thrower(keyFromPem('-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----'))).toThrow(
    /^not a private key$/,
  );
  const sec1 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ format: 'pem', type: 'sec1' });
  expect((await keyFromPem(sec1)).curve).toBe('P-384');
  expect(await thrower(crypto.subtle.exportKey('pkcs8', key.privateKey))).toThrow();
});
