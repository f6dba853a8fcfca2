import { afterAll, beforeAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { writeRevocations } from '@labmesh/attest/certificate/revocation-file';
import { openKeyRing } from '@labmesh/attest/keys/key-folder';
import { arenaEpochSchema } from '@labmesh/wire/verification/arena-run';
import { keysIn } from '../certify/testing/open-certify.ts';
import { sampleRun } from '../certify/testing/sample-run.ts';
import { type AppRig, openAppRig } from './testing/app-rig.ts';

let rig: AppRig;
beforeAll(async () => {
  rig = await openAppRig();
});
afterAll(() => rig[Symbol.asyncDispose]());

const epoch = async (tenant = 'default') =>
  arenaEpochSchema.parse((await rig.json('GET', '/v1/epoch', { tenant })).body).epoch;
const suite = {
  id: 'add',
  language: 'python',
  entry: 'add',
  cases: [{ args: [1, 2], expect: 3 }],
} as const;

test('another word after a revocation, of that tenant alone; asked again it is the same', async () => {
  const [before, other] = [await epoch(), await epoch('other')];
  expect(await epoch()).toBe(before);
  const made = await rig.issuer.certify(sampleRun({ finishedAt: Date.now() }));
  if (!('certificateId' in made)) throw new Error(made.reason);
  expect(await epoch()).toBe(before);
  const revoke = () =>
    rig.json('POST', `/api/arena/certificates/${made.certificateId}/revoke`, {
      tenant: 'default',
      body: { reason: 'cheat_found' },
    });
  expect((await revoke()).status).toBe(200);
  const after = await epoch();
  expect(after).not.toBe(before);
  await revoke();
  expect([await epoch(), await epoch('other')]).toEqual([after, other]);
});

test('another word after each change of a suite, and the old one when it is as before', async () => {
  const before = await epoch();
  const words = [before];
  for (const expected of [3, 4]) {
    const body = { ...suite, cases: [{ args: [1, 2], expect: expected }] };
    expect((await rig.json('POST', '/api/arena/suites', { tenant: 'default', body })).status).toBeLessThan(300);
    words.push(await epoch());
  }
  expect(new Set(words).size).toBe(3);
  await rig.ask('DELETE', '/api/arena/suites/add', { tenant: 'default' });
  expect(await epoch()).toBe(before);
});

test('another word for all when a key or a verifier is revoked, the same when the list is only signed anew', async () => {
  const folder = join(rig.folder, 'attest');
  const ring = await openKeyRing(keysIn(rig.folder), Date.now());
  const before = [await epoch(), await epoch('other')];
  await writeRevocations(folder, ring, Date.now());
  expect([await epoch(), await epoch('other')]).toEqual(before);
  const verifier = { verifier_digest: 'a'.repeat(64), reason: 'verifier_bug', by: 'us' } as const;
  await writeRevocations(folder, ring, Date.now(), [{ ...verifier, time: new Date().toISOString() }]);
  const after = [await epoch(), await epoch('other')];
  expect([after[0] === before[0], after[1] === before[1]]).toEqual([false, false]);
  const one = { certificate_id: 'cert-x', reason: 'superseded', by: 'its tenant' } as const;
  await writeRevocations(folder, ring, Date.now(), [{ ...one, time: new Date().toISOString() }]);
  expect([await epoch(), await epoch('other')]).toEqual(after);
});

test('only the gateway hears it, and for a tenant; another start has another word', async () => {
  expect((await rig.ask('GET', '/v1/epoch', { auth: null })).status).toBe(401);
  expect((await rig.json('GET', '/v1/epoch', { tenant: null })).status).toBe(401);
  await using next = await openAppRig();
  expect((await next.json('GET', '/v1/epoch', { tenant: 'default' })).body['epoch']).not.toBe(await epoch());
});
