import { expect, test } from 'bun:test';
import { createHash, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { bundleDigest, matchesPin, parsePins, pinnedRoots, pinOf } from './pin.ts';
import { sampleCa } from './testing/sample-ca.ts';

const [a, b] = [await sampleCa(), await sampleCa()];

test('a pin is SHA-256 of the root key info (JT-6)', () => {
  const spki = new X509Certificate(a.bundlePem).publicKey.export({ format: 'der', type: 'spki' });
  expect(pinOf(a.bundlePem)).toBe(`sha256:${createHash('sha256').update(spki).digest('hex')}`);
  expect(pinOf(a.root.certificate.der)).toBe(pinOf(a.bundlePem));
  expect(() => pinOf('nothing')).toThrow(RangeError);
});

test('one of several pins is enough, in any case; a wrong one is not', () => {
  const [mine, other] = [pinOf(a.bundlePem), pinOf(b.bundlePem)];
  expect(matchesPin(a.bundlePem, mine)).toBe(true);
  expect(matchesPin(a.bundlePem, `${other}, ${mine.toUpperCase()}`)).toBe(true);
  expect(matchesPin(a.root.certificate.der, other)).toBe(false);
});

test('roots that match are kept, whatever else an unverified bundle holds', () => {
  const bundle = b.bundlePem + a.bundlePem;
  expect(pinnedRoots(bundle, pinOf(a.bundlePem))).toBe(a.bundlePem);
  expect(pinnedRoots(bundle, `${pinOf(a.bundlePem)},${pinOf(b.bundlePem)}`)).toBe(bundle);
  // A leaf with the right key is no root.
  expect(pinnedRoots(a.chainPem, pinOf(b.bundlePem))).toBeUndefined();
  expect(pinnedRoots('', pinOf(a.bundlePem))).toBeUndefined();
});

test('a text that is no list of pins matches nothing', () => {
  for (const text of ['', 'sha256:', 'md5:00', `${pinOf(a.bundlePem)},`, 'sha256:*', `${pinOf(a.bundlePem)}0`]) {
    expect(parsePins(text)).toBeUndefined();
    expect(matchesPin(a.bundlePem, text)).toBe(false);
  }
  fc.assert(fc.property(fc.string(), (text) => expect(matchesPin(a.bundlePem, text)).toBe(false)));
});

test('the digest tells which roots, not in what order (CA-10)', () => {
  expect(bundleDigest(a.bundlePem + b.bundlePem)).toBe(bundleDigest(b.bundlePem + a.bundlePem));
  expect(bundleDigest(a.bundlePem)).not.toBe(bundleDigest(b.bundlePem));
  expect(bundleDigest(`text\n${a.bundlePem}`)).toBe(bundleDigest(a.bundlePem));
});
