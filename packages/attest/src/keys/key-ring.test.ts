/** Key rings: rotation, ends, and who may vouch for whom. */
import { describe, expect, test } from 'bun:test';
import { utf8 } from '../bytes/bytes.ts';
import { refusalOf } from '../testing/refusal.ts';
import { sampleNow as now } from '../testing/sample-certificate.ts';
import { endorseKey } from './endorsement.ts';
import { followTrust } from './follow-trust.ts';
import {
  announcedMs,
  endKey,
  keyInForce,
  type KeyRing,
  newKeyRing,
  rotateKey,
  succeedEnded,
  trustOf,
} from './key-ring.ts';

import { generateSigner } from './signing-key.ts';
import { isInForce, parseTrust, type Trust, trustText } from './trust.ts';

const keyid = (ring: KeyRing, at: number, usage: 'certificate' | 'revocation' = 'certificate') =>
  keyInForce(ring, usage, at).keyid;

describe('rotation', () => {
  test('announces a key a day ahead; the old one signs until then, and never again', async () => {
    const first = newKeyRing(now);
    const rotated = await rotateKey(first, 'certificate', now);
    const [old, next] = [keyid(first, now), rotated.keys.at(-1)?.keyid ?? ''];
    expect(keyid(rotated, now)).toBe(old);
    expect(keyid(rotated, now + announcedMs - 1)).toBe(old);
    expect(keyid(rotated, now + announcedMs)).toBe(next);
    expect(keyid(rotated, now, 'revocation')).toBe(keyid(first, now, 'revocation'));
    expect(await refusalOf(() => rotateKey(rotated, 'certificate', now + 1))).toBe('KEY_WINDOW');
    const again = await rotateKey(rotated, 'certificate', now + announcedMs);
    // The private part of the one whose time is over is gone; what it signed can still be checked.
    expect(again.keys.find((key) => key.keyid === old)?.signer).toBeUndefined();
    expect(trustOf(again).keys.filter(({ usage }) => usage === 'certificate')).toHaveLength(3);
  });

  test('no two keys of one use are in force at a time, whatever is rotated', async () => {
    let [ring, at] = [newKeyRing(now), now];
    for (let round = 0; round < 8; round++) {
      ring = await rotateKey(ring, 'certificate', at);
      at += announcedMs + round * 1000;
      for (const moment of [at - announcedMs, at - 1, at]) {
        const inForce = ring.keys.filter((key) => key.usage === 'certificate' && isInForce(key, moment));
        expect(inForce).toHaveLength(1);
      }
    }
  });

  test('64 keys and no more', async () => {
    let [ring, at] = [newKeyRing(now), now];
    for (; ring.keys.length < 64; at += announcedMs) ring = await rotateKey(ring, 'certificate', at);
    expect(await refusalOf(() => rotateKey(ring, 'certificate', at))).toBe('TOO_LARGE');
  });
});

const endAndSucceed = (ring: KeyRing, ended: string, at: number) => succeedEnded(endKey(ring, ended, at), at);

describe('a key that is ended', () => {
  test('is followed at once, and vouches for nothing', async () => {
    const ring = newKeyRing(now);
    const stolen = keyid(ring, now);
    // Also where nobody makes another: nothing signs then.
    expect(await refusalOf(() => keyid(endKey(ring, stolen, now + 5), now + 5))).toBe('KEY_NOT_FOUND');
    const ended = await endAndSucceed(ring, stolen, now + 5);
    expect(keyid(ended, now + 5)).not.toBe(stolen);
    expect(ended.keys.at(-1)?.endorsement).toBeUndefined();
    expect(ended.keys.find((key) => key.keyid === stolen)).toMatchObject({ notAfter: now + 5, signer: undefined });
    expect(await refusalOf(() => endKey(ring, 'none', now))).toBe('KEY_NOT_FOUND');
    expect(await succeedEnded(ended, now + 5)).toBe(ended);
  });

  test('before it began leaves no gap: another takes its place', async () => {
    const rotated = await rotateKey(newKeyRing(now), 'certificate', now);
    const announced = rotated.keys.at(-1)?.keyid ?? '';
    const ended = await endAndSucceed(rotated, announced, now + 5);
    for (const at of [now + 5, now + announcedMs, now + 10 * announcedMs]) expect(keyid(ended, at)).not.toBe(announced);
    await followTrust(trustOf(newTrustOf(rotated)), trustOf(ended), now);
  });

  test('long ago stays as it was', async () => {
    const rotated = await rotateKey(newKeyRing(now), 'certificate', now);
    const old = keyid(rotated, now);
    const later = await endAndSucceed(rotated, old, now + 3 * announcedMs);
    expect(later.keys.find((key) => key.keyid === old)?.notAfter).toBe(now + announcedMs);
    expect(later.keys).toHaveLength(rotated.keys.length);
  });
});

/** The ring as verifiers knew it before the last key was added. */
const newTrustOf = (ring: KeyRing): KeyRing => ({
  ...ring,
  keys: ring.keys.slice(0, -1).map((key) => ({ ...key, notAfter: undefined })),
});

describe('following a rotation without a second safe way', () => {
  const first = newKeyRing(now, 'labmesh.example/log');
  const known = trustOf(first);
  const follow = (next: Trust, from = known, at = now) => refusalOf(() => followTrust(from, next, at));

  test('over one and over two rotations', async () => {
    const once = await rotateKey(first, 'certificate', now);
    const twice = await rotateKey(once, 'certificate', now + announcedMs);
    expect([await follow(trustOf(once)), await follow(trustOf(twice))]).toEqual([undefined, undefined]);
    expect(await follow(parseTrust(utf8(trustText(trustOf(twice)))))).toBeUndefined();
  });

  test('not to a key that nobody vouches for, or a stranger, or one for another use', async () => {
    const once = await rotateKey(first, 'certificate', now);
    const next = once.keys.at(-1) as KeyRing['keys'][number];
    const withNext = (changes: Partial<typeof next>): Trust => ({
      ...known,
      keys: [...known.keys, { ...next, ...changes }],
    });
    expect(await follow(withNext({ endorsement: undefined }))).toBe('TRUST_BAD');
    expect(await follow(withNext({ endorsement: await endorseKey(next, generateSigner()) }))).toBe('SIGNATURE_BAD');
    const forRevocations = keyInForce(first, 'revocation', now).signer;
    expect(await follow(withNext({ endorsement: await endorseKey(next, forRevocations) }))).toBe('SIGNATURE_BAD');
    const other = { ...generateSigner().publicKey, usage: next.usage, notBefore: next.notBefore };
    expect(await follow(withNext({ ...other, endorsement: next.endorsement }))).toBe('TRUST_BAD');
    expect(await follow(withNext({ notBefore: next.notBefore - 1 }))).toBe('TRUST_BAD');
  });

  test('not by a key whose time was over: it may be in other hands', async () => {
    const ended = await endAndSucceed(first, keyid(first, now), now + 5);
    const stolen = keyInForce(first, 'certificate', now).signer;
    const key = {
      ...generateSigner().publicKey,
      usage: 'certificate',
      notBefore: now + 1000,
      notAfter: undefined,
    } as const;
    const forged = { ...key, endorsement: await endorseKey({ ...key, endorsement: undefined }, stolen) };
    const from = trustOf(ended);
    expect(await follow({ ...from, keys: [...from.keys, forged] }, from)).toBe('SIGNATURE_BAD');
    // Nor for a time when it was good: whoever has it writes any date.
    const back = { ...key, notBefore: now + 1 };
    const dated = { ...back, endorsement: await endorseKey({ ...back, endorsement: undefined }, stolen) };
    expect(await follow({ ...from, keys: [...from.keys, dated] }, from, now + 6)).toBe('SIGNATURE_BAD');
  });

  test('not to another log or threshold, nor back to when an ended key was good', async () => {
    const ended = await endAndSucceed(first, keyid(first, now), now + 5);
    expect(await follow(known, trustOf(ended))).toBe('TRUST_BAD');
    expect(await follow({ ...known, threshold: 2 })).toBe('TRUST_BAD');
    expect(await follow({ ...known, log: undefined })).toBe('TRUST_BAD');
    expect(await follow({ ...known, log: { origin: 'labmesh.example/log', key: generateSigner().publicKey } })).toBe(
      'TRUST_BAD',
    );
  });
});
