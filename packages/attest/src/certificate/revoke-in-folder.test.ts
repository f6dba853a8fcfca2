/** A stolen key ends whatever the service that keeps keys does (CT6, CT7). */
import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AttestRefused } from '../attest-refused.ts';
import { type KeyFolder, openKeyRing, readKeyRing } from '../keys/key-folder.ts';
import { keyInForce, type KeyRing } from '../keys/key-ring.ts';
import { type KeyUsage, parseTrust } from '../keys/trust.ts';
import { FakeKms } from '../testing/fake-kms.ts';
import { placesOf } from '../testing/key-places.ts';
import { refusalOf } from '../testing/refusal.ts';
import { sampleNow as now } from '../testing/sample-certificate.ts';
import { testSealer } from '../testing/test-sealer.ts';
import { readRevocations } from './revocation-file.ts';
import { revokeInFolder, succeedInFolder } from './revoke-in-folder.ts';

const root = mkdtempSync(join(tmpdir(), 'attest-revoke-'));
afterAll(() => rmSync(root, { recursive: true }));

async function stolenKey(name: string, kms?: FakeKms, usage: KeyUsage = 'certificate') {
  const folder: KeyFolder = { path: join(root, name), sealer: testSealer(), kms };
  const { keyid } = keyInForce(await openKeyRing(folder, now), usage, now);
  const one = { keyid, reason: 'key_compromise', time: new Date(now).toISOString(), by: 'me' } as const;
  const ring = async () => (await readKeyRing(folder)) as KeyRing;
  return { folder, keyid, one, ring };
}

test('while nothing answers it signs no more, and verifiers are told since when', async () => {
  const kms = new FakeKms();
  const { folder, keyid, one, ring } = await stolenKey('away', kms);
  kms.fault = 'away';
  expect(await refusalOf(() => revokeInFolder(folder, one, now))).toBe('KMS_AWAY');
  expect(placesOf(await ring())).toEqual(['none', 'revocation 1', 'log 1']);
  expect(await refusalOf(async () => keyInForce(await ring(), 'certificate', now))).toBe('KEY_NOT_FOUND');
  expect(parseTrust(readFileSync(join(folder.path, 'trust.json'))).keys[0]).toMatchObject({ keyid, notAfter: now });
});

test('a successor that is not made keeps it from no list, and is made later, once', async () => {
  const kms = new FakeKms();
  const { folder, one, ring } = await stolenKey('owed', kms);
  const { next: make } = kms;
  kms.next = () => Promise.reject(new AttestRefused('KMS_REFUSED', 'no right to make one'));
  expect(await revokeInFolder(folder, one, now)).toEqual({ next: null, isNextOwed: true });
  expect((await readRevocations(folder.path, await ring()))?.revocations).toEqual([one]);
  expect(await refusalOf(() => succeedInFolder(folder, now))).toBe('KMS_REFUSED');
  kms.next = make;
  await succeedInFolder(folder, now + 5);
  await succeedInFolder(folder, now + 5);
  expect(placesOf(await ring())).toEqual(['none', 'revocation 1', 'certificate 2', 'log 1']);
  const key = keyInForce(await ring(), 'certificate', now + 5);
  expect(key).toMatchObject({ notBefore: now + 5, endorsement: undefined });
});

test('in the key file it is followed at once', async () => {
  const { folder, keyid, one, ring } = await stolenKey('file');
  const { next } = await revokeInFolder(folder, one, now);
  expect(keyInForce(await ring(), 'certificate', now).keyid).toBe(next as string);
  expect(next).not.toBe(keyid);
});

test('of a key for the list, which nothing signs until there is another, is told why', async () => {
  const kms = new FakeKms();
  const { folder, one, ring } = await stolenKey('list', kms, 'revocation');
  const { next: make } = kms;
  kms.next = () => Promise.reject(new AttestRefused('KMS_REFUSED', 'no right to make one'));
  expect(await refusalOf(() => revokeInFolder(folder, one, now))).toBe('KMS_REFUSED');
  expect(placesOf(await ring())).toEqual(['certificate 1', 'none', 'log 1']);
  kms.next = make;
  expect((await revokeInFolder(folder, one, now)).next).not.toBeNull();
  expect((await readRevocations(folder.path, await ring()))?.revocations).toEqual([one]);
});
