/** Rotations of keys in a service, and of a folder that goes over to one (CT6). */
import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { revokeInFolder } from '../certificate/revoke-in-folder.ts';
import { FakeKms } from '../testing/fake-kms.ts';
import { placesOf } from '../testing/key-places.ts';
import { refusalOf } from '../testing/refusal.ts';
import { sampleNow as now } from '../testing/sample-certificate.ts';
import { testSealer } from '../testing/test-sealer.ts';
import { followTrust } from './follow-trust.ts';
import { type KeyFolder, openKeyRing, readKeyRing, writeKeyRing } from './key-folder.ts';
import { announcedMs, keyInForce, type KeyRing, newKmsKeyRing, rotateKey, trustOf } from './key-ring.ts';

const root = mkdtempSync(join(tmpdir(), 'attest-kms-rotation-'));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;
const newFolder = (kms?: FakeKms): KeyFolder => ({ path: join(root, `${folders++}`), sealer: testSealer(), kms });

describe('a rotation', () => {
  test('makes the next version, endorsed by the one in force; the older one is never asked again', async () => {
    const kms = new FakeKms();
    const folder = newFolder(kms);
    const first = await openKeyRing(folder, now);
    const second = await rotateKey(first, 'certificate', now, kms);
    expect(placesOf(second)).toEqual(['certificate 1', 'revocation 1', 'certificate 2', 'log 1']);
    await followTrust(trustOf(first), trustOf(second), now);
    const third = await rotateKey(second, 'certificate', now + announcedMs, kms);
    expect(placesOf(third)).toEqual(['none', 'revocation 1', 'certificate 2', 'certificate 3', 'log 1']);
    await writeKeyRing(folder, third);
    expect(placesOf((await readKeyRing(folder)) as KeyRing)).toEqual(placesOf(third));
  });

  test('takes a version that was made there by hand, and makes none beside it', async () => {
    const kms = new FakeKms();
    const ring = await newKmsKeyRing(kms, now);
    await kms.next('certificate', () => true);
    expect(placesOf(await rotateKey(ring, 'certificate', now, kms)).slice(2, 3)).toEqual(['certificate 2']);
  });

  test('takes a folder over from the key file, each use by itself; the log keeps its key', async () => {
    const kms = new FakeKms();
    const folder = { ...newFolder(), kms: undefined };
    let ring = await openKeyRing(folder, now);
    for (const usage of ['certificate', 'revocation'] as const) ring = await rotateKey(ring, usage, now, kms);
    expect(placesOf(ring)).toEqual(['file', 'file', 'certificate 1', 'revocation 1', 'file']);
    await followTrust(trustOf(await openKeyRing(folder, now)), trustOf(ring), now);
    ring = await rotateKey(ring, 'certificate', now + announcedMs, kms);
    expect(placesOf(ring)[0]).toBe('none');
  });

  test('that the service does not make changes nothing; a key that is ended there is cut all the same', async () => {
    const kms = new FakeKms();
    const folder = newFolder(kms);
    const ring = await openKeyRing(folder, now);
    kms.fault = 'away';
    expect(await refusalOf(() => rotateKey(ring, 'certificate', now, kms))).toBe('KMS_AWAY');
    const { keyid } = keyInForce(ring, 'certificate', now);
    const one = { keyid, reason: 'key_compromise', time: new Date(now).toISOString(), by: 'me' } as const;
    expect(await refusalOf(() => revokeInFolder(folder, one, now))).toBe('KMS_AWAY');
    kms.fault = undefined;
    // The one thing that needs nobody is done: the stolen key signs nothing, and verifiers are told since when.
    const without = (await readKeyRing(folder)) as KeyRing;
    expect(placesOf(without)).toEqual(['none', 'revocation 1', 'log 1']);
    expect(await refusalOf(() => keyInForce(without, 'certificate', now))).toBe('KEY_NOT_FOUND');
    const { next } = await revokeInFolder(folder, one, now);
    expect(next).not.toBeNull();
    expect(readFileSync(join(folder.path, 'revocations.json'), 'utf8')).not.toBe('');
    expect(placesOf((await readKeyRing(folder)) as KeyRing)).toEqual([
      'none',
      'revocation 1',
      'certificate 2',
      'log 1',
    ]);
  });
});
