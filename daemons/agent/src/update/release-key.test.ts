import { describe, expect, test } from 'bun:test';
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { OptionsError } from '@labmesh/kit/options';
import { releaseText } from '@labmesh/wire/fleet/releases';
import fc from 'fast-check';
import { isReleased, parseReleaseKey } from './release-key.ts';

/** The key of RFC 8032 section 7.1, test 1. */
const seed = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60';
const publicHex = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';
const text = `ed25519:${Buffer.from(publicHex, 'hex').toString('base64')}`;
const privateKey = createPrivateKey({
  key: Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex'),
  format: 'der',
  type: 'pkcs8',
});

describe('agent.release_key', () => {
  test('is the public half, as RFC 8032 has it', () => {
    const raw = parseReleaseKey(text).export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');
    expect(raw).toBe(publicHex);
    expect(createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex')).toBe(raw);
    expect(parseReleaseKey(text.replace(/=$/, '')).export({ format: 'jwk' })).toEqual(
      parseReleaseKey(text).export({ format: 'jwk' }),
    );
  });

  test.each(['', 'ed25519:', text.slice(8), `rsa:${text.slice(8)}`, `${text}A`, text.slice(0, -3), `${text}\n`])(
    '%j is refused as a setting',
    (bad) => expect(() => parseReleaseKey(bad)).toThrow(OptionsError),
  );

  test('property: any other text is refused, never taken as some key', () => {
    fc.assert(
      fc.property(fc.string(), (other) => {
        fc.pre(!/^ed25519:[A-Za-z0-9+/_-]{43}=?$/.test(other));
        expect(() => parseReleaseKey(other)).toThrow(OptionsError);
      }),
    );
  });
});

describe('AG-8 the signature', () => {
  const key = parseReleaseKey(text);
  const sha256 = 'ab'.repeat(32);
  const signed = (version: string, arch: string, hash: string) =>
    sign(null, Buffer.from(releaseText(version, arch, hash)), privateKey).toString('base64');
  const signature = signed('0.2.0', 'x64', sha256);

  test('holds for this version, machine and content', () =>
    expect(isReleased(key, { version: '0.2.0', sha256, signature }, 'x64')).toBe(true));

  test.each([
    ['version', { version: '0.2.1', sha256, signature }, 'x64'],
    ['content', { version: '0.2.0', sha256: `${'ab'.repeat(31)}ac`, signature }, 'x64'],
    ['machine', { version: '0.2.0', sha256, signature }, 'arm64'],
  ])('not for another %s', (_what, desired, arch) => expect(isReleased(key, desired, arch)).toBe(false));

  test('property: no change of a bit passes', () => {
    fc.assert(
      fc.property(fc.nat(511), (bit) => {
        const bytes = Buffer.from(signature, 'base64');
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(isReleased(key, { version: '0.2.0', sha256, signature: bytes.toString('base64') }, 'x64')).toBe(false);
      }),
    );
  });
});
