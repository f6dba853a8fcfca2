/** What is taken back while the service that keeps keys is away (verification CT6, CT7). */
import { errorOf, thrower } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { revocationEntry } from '@labmesh/attest/certificate/revocations';
import { readKeyRing } from '@labmesh/attest/keys/key-folder';
import { keyInForce, type KeyRing, trustOf } from '@labmesh/attest/keys/key-ring';
import { readBundles, readLog } from '@labmesh/attest/log/check-log';
import { folderDisk } from '@labmesh/attest/log/log-disk';
import { TransitSimulator } from '../../../../tests/simulators/kms/transit-simulator.ts';
import { kmsKeyNames, KmsRig, kmsToken } from './testing/kms-rig.ts';
import { sampleAnswer, sampleRun } from './testing/sample-run.ts';

const runId = sampleRun().id;
let service: TransitSimulator;
let rig: KmsRig;

beforeEach(async () => {
  rig = new KmsRig();
  service = new TransitSimulator({ socketPath: rig.socketPath, token: kmsToken }, kmsKeyNames);
  await rig.open();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
});

const ring = async () => (await readKeyRing(rig.keys())) as KeyRing;
const verifier = { verifier_digest: 'a'.repeat(64), reason: 'verifier_bug', by: 'me' } as const;
const revocation = (at = Date.now()) => ({ ...verifier, time: new Date(at).toISOString() });

/** How often the log has each revocation. */
async function logged(): Promise<string[]> {
  const { log } = trustOf(await ring());
  if (log === undefined) throw new Error('there is no log');
  const found = [];
  for await (const entries of readBundles(await readLog(folderDisk(rig.file('log')), log))) found.push(...entries);
  return found.map((entry) => Buffer.from(entry).toString()).filter((text) => text.includes('revocation'));
}
const textOf = (one: Parameters<typeof revocationEntry>[0]) => Buffer.from(revocationEntry(one)).toString();

test('one that the log cannot be told of holds, and is logged when its key signs, over a restart too', async () => {
  const one = revocation();
  Object.assign(service, { fault: 'sealed', faulty: 'labmesh-log' });
  expect(await rig.issuer.revoker.revokeAny(one)).toEqual({ next: null });
  expect(await rig.issuer.revoker.listed()).toEqual([one]);
  await rig.issuer.retry();
  expect(await logged()).toEqual([]);
  await rig.close();
  await rig.open();
  service.fault = undefined;
  await rig.issuer.retry();
  expect(new Set(await logged())).toEqual(new Set([textOf(one)]));
  const { length } = await logged();
  await rig.issuer.retry();
  expect(await logged()).toHaveLength(length);
});

test('one that did not get onto the list is never logged', async () => {
  Object.assign(service, { fault: 'sealed', faulty: 'labmesh-revocation' });
  expect(await thrower(rig.issuer.revoker.revokeAny(revocation()))).toThrow('503');
  service.fault = undefined;
  await rig.issuer.retry();
  expect([await logged(), await rig.issuer.revoker.listed()]).toEqual([[], []]);
  expect(readFileSync(rig.file('revocations-owed.json'), 'utf8')).toContain('"revocations":[]');
});

test('a key that is stolen meanwhile signs no more; certificates wait for the next one', async () => {
  await rig.run(runId, 2);
  const { keyid } = keyInForce(await ring(), 'certificate', Date.now());
  const stolen = { keyid, reason: 'key_compromise', time: new Date().toISOString(), by: 'me' } as const;
  service.fault = 'sealed';
  expect(await thrower(rig.issuer.revoker.revokeAny(stolen))).toThrow('503');
  expect((await ring()).keys.find((key) => key.keyid === keyid)?.signer).toBeUndefined();
  // The service signs again, and was not asked for another key yet.
  service.fault = undefined;
  expect(await rig.issuer.certify(sampleRun())).toHaveProperty('reason');
  expect(rig.issuer.isWaiting(runId)).toBe(true);
  await rig.issuer.retry();
  expect(rig.issuer.isWaiting(runId)).toBe(false);
  expect(await rig.verify(runId, sampleAnswer)).toBe('valid');
  const next = keyInForce(await ring(), 'certificate', Date.now()).keyid;
  expect([next === keyid, (await rig.row(runId))?.bundle.includes(next)]).toEqual([false, true]);
});

test('a start after that asks for the next keys, also for the list', async () => {
  const { keyid } = keyInForce(await ring(), 'revocation', Date.now());
  service.fault = 'sealed';
  const stolen = { keyid, reason: 'key_compromise', time: new Date().toISOString(), by: 'me' } as const;
  expect(await thrower(rig.issuer.revoker.revokeAny(stolen))).toThrow('503');
  await rig.close();
  await rig.open();
  expect(rig.lines.join('\n')).toContain('no key follows the one that was ended');
  service.fault = undefined;
  await rig.issuer.retry();
  expect(await rig.issuer.revoker.revokeAny(stolen)).toEqual({ next: null });
  expect(await rig.issuer.revoker.listed()).toEqual([stolen]);
  expect(existsSync(rig.file('revocations-owed.json'))).toBe(true);
});

test('keys there, and no service set: no start, whatever else could be served', async () => {
  await rig.close();
  rig.isSet = false;
  expect(await errorOf(rig.open())).toMatchObject({ code: 'KMS_REFUSED', message: expect.stringContaining('kms_url') });
  rig.isSet = true;
  await rig.open();
});
