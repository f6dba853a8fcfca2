/** Keys in a service (CT6): nothing private is here, and nothing that it says is believed unseen. */
import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueCertificate } from '../certificate/issue-certificate.ts';
import { FakeKms } from '../testing/fake-kms.ts';
import { placesOf } from '../testing/key-places.ts';
import { refusalOf } from '../testing/refusal.ts';
import { sampleInput, sampleNow as now } from '../testing/sample-certificate.ts';
import { testSealer } from '../testing/test-sealer.ts';
import { type KeyFolder, openKeyRing, readKeyRing, sealKeys } from './key-folder.ts';
import {
  endKey,
  keyInForce,
  type KeyRing,
  newKeyRing,
  newKmsKeyRing,
  rotateKey,
  succeedEnded,
  trustOf,
} from './key-ring.ts';
import { verifySignature } from './public-key.ts';
import { keyRingBytes, parseKeyRing } from './stored-ring.ts';
import { trustText } from './trust.ts';

const root = mkdtempSync(join(tmpdir(), 'attest-kms-'));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;
const newFolder = (kms?: FakeKms): KeyFolder => ({ path: join(root, `${folders++}`), sealer: testSealer(), kms });
const text = new TextEncoder().encode('text');

describe('a folder whose keys are in a service', () => {
  test('has names and public parts alone, and signs by asking', async () => {
    const kms = new FakeKms();
    const folder = newFolder(kms);
    const ring = await openKeyRing(folder, now);
    expect(placesOf(ring)).toEqual(['certificate 1', 'revocation 1', 'log 1']);
    expect(Buffer.from(keyRingBytes(ring)).toString()).not.toContain('"pkcs8":"');
    const again = (await readKeyRing(folder)) as KeyRing;
    expect(trustText(trustOf(again))).toBe(trustText(trustOf(ring)));
    const { signer, ...key } = keyInForce(again, 'certificate', now);
    expect(await verifySignature(key, text, await signer.sign(text))).toBe(true);
    expect(kms.signed).toEqual([{ key: 'certificate', text: 'text' }]);
    expect(await sealKeys(folder)).toBe('current');
  });

  test('is read where no service is set, and signs nothing there', async () => {
    const folder = newFolder(new FakeKms());
    const ring = await openKeyRing(folder, now);
    const without = (await readKeyRing({ ...folder, kms: undefined })) as KeyRing;
    expect(trustText(trustOf(without))).toBe(trustText(trustOf(ring)));
    const { signer } = keyInForce(without, 'certificate', now);
    expect(await refusalOf(() => Promise.resolve(signer.sign(text)))).toBe('KMS_REFUSED');
  });

  test('is not made while the service is away, nor with one key for two uses', async () => {
    const kms = new FakeKms();
    kms.fault = 'away';
    const folder = newFolder(kms);
    expect(await refusalOf(() => openKeyRing(folder, now))).toBe('KMS_AWAY');
    expect(await readKeyRing(folder)).toBeUndefined();
    kms.fault = undefined;
    const one = { ...(await kms.next('log', () => false)), key: 'log' };
    const twice = { next: async () => one, sign: kms.sign };
    expect(await refusalOf(() => newKmsKeyRing(twice, now))).toBe('KEY_BAD');
  });

  test('refuses a file with a name that leads elsewhere', async () => {
    const stored = Buffer.from(keyRingBytes(await newKmsKeyRing(new FakeKms(), now))).toString();
    expect(() => parseKeyRing(new TextEncoder().encode(stored))).not.toThrow();
    for (const name of ['..', 'a/b', '', 'a\nb']) {
      const changed = stored.replace('"key":"certificate"', `"key":${JSON.stringify(name)}`);
      expect(() => parseKeyRing(new TextEncoder().encode(changed))).toThrow('no key file');
    }
  });

  test('refuses a file that has a key twice, here and there', () => {
    const stored = JSON.parse(Buffer.from(keyRingBytes(newKeyRing(now))).toString()) as { keys: object[] };
    stored.keys[0] = { ...stored.keys[0], kms: { key: 'a', version: 1 } };
    expect(() => parseKeyRing(new TextEncoder().encode(JSON.stringify(stored)))).toThrow('here and in a service');
  });
});

describe('what the service says', () => {
  test('is no signature until it was checked: nothing comes of one by another key', async () => {
    const kms = new FakeKms();
    const { signer } = keyInForce(await newKmsKeyRing(kms, now), 'certificate', now);
    kms.fault = 'false';
    expect(await refusalOf(() => issueCertificate(sampleInput(), [signer]))).toBe('KMS_BAD_ANSWER');
    kms.fault = undefined;
    kms.sign = async () => new Uint8Array(3);
    expect(await refusalOf(() => issueCertificate(sampleInput(), [signer]))).toBe('KMS_BAD_ANSWER');
  });

  test('is no next key when it is one of before, also one that ended', async () => {
    const kms = new FakeKms();
    const ring = await newKmsKeyRing(kms, now);
    const [first] = kms.versions('certificate');
    kms.next = async (key) => ({ key, version: 1, publicKey: (first as NonNullable<typeof first>).publicKey });
    expect(await refusalOf(() => rotateKey(ring, 'certificate', now, kms))).toBe('KMS_BAD_ANSWER');
    const ended = await succeedEnded(endKey(ring, keyInForce(ring, 'certificate', now).keyid, now), now);
    expect(await refusalOf(() => rotateKey(ended, 'certificate', now, kms))).toBe('KMS_BAD_ANSWER');
  });
});
