/** Certificates that wait for a service (verification CT5, CT6): what hangs, breaks or is strange holds nothing else back. */
import { errorOf } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { copyFileSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { system } from '@labmesh/wire/fleet/principal';
import { TransitSimulator } from '../../../../tests/simulators/kms/transit-simulator.ts';
import type { CertificateRow } from './certificate-rows.ts';
import { summaryLimits } from './kms/summary-signer.ts';
import { kmsKeyNames, KmsRig, kmsToken } from './testing/kms-rig.ts';
import { sampleRun } from './testing/sample-run.ts';

const [first, second, third] = ['1', '2', '3'].map((end) => `${sampleRun().id}${end}`) as [string, string, string];
const waits = '; the certificate is pending: the service that signs does not answer; ask for it later';
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

const certify = (id: string) => rig.issuer.certify(sampleRun({ id }));
const isOver = (id: string) => rig.run(id, 2, { certificate_id: null, summary: `kept${waits}` });
const row = async (id: string) => (await rig.row(id)) as CertificateRow;
const path = (name = '') => join(rig.file('drafts'), name);
const asked = (key: string) => service.asked.filter((one) => one.endsWith(key)).length;

test('who comes while it is away waits for no answer; the next look asks for all', async () => {
  Object.assign(service, { fault: 'sealed', faulty: 'labmesh-certificate' });
  await certify(first);
  const { length } = service.asked;
  // A call to it may last as long as a call may.
  for (const id of [first, second, third]) expect(await certify(id)).toEqual({ reason: waits.slice(2) });
  expect([service.asked.length, rig.drafts().length]).toEqual([length, 3]);
  for (const id of [first, second]) await isOver(id);
  await rig.issuer.retry();
  expect(asked('sign/labmesh-certificate')).toBe(2);
  expect(await certify(third)).toHaveProperty('reason');
  expect(asked('sign/labmesh-certificate')).toBe(2);
  service.fault = undefined;
  await rig.issuer.retry();
  expect([await certify(third), rig.drafts()]).toEqual([
    expect.objectContaining({ properties: expect.anything() }),
    [],
  ]);
});

test('a crash before its run was told is made good, and nothing signed twice', async () => {
  service.fault = 'sealed';
  await certify(first);
  await isOver(first);
  const [draft = ''] = rig.drafts();
  copyFileSync(path(draft), rig.file(draft));
  service.fault = undefined;
  await rig.issuer.retry();
  const signed = asked('sign/labmesh-certificate');
  // As it was when the certificate was written, and nothing else.
  renameSync(rig.file(draft), path(draft));
  const report = JSON.stringify({ certificate_id: null, summary: `kept${waits}` });
  await rig.store.write(system('test'), (tx) =>
    tx.updateTable('arena_runs').set({ certificate_id: null, report }).where('id', '=', first).execute(),
  );
  await rig.close();
  await rig.open();
  await rig.issuer.retry();
  const told = { certificate_id: `cert-${first}`, summary: 'kept' };
  expect(await rig.reportOf(first)).toMatchObject({ certificate_id: `cert-${first}`, report: told });
  expect([rig.drafts(), asked('sign/labmesh-certificate')]).toEqual([[], signed]);
});

test('one that fails keeps neither the others nor the log', async () => {
  await certify(first);
  await rig.issuer.logged(first);
  Object.assign(service, { fault: 'sealed', faulty: 'labmesh-log' });
  await certify(first);
  await certify(second);
  await rig.issuer.logged(second);
  Object.assign(service, { faulty: 'labmesh-certificate' });
  const ids = ['a', 'b', 'c'].map((end) => `${third}${end}`);
  for (const id of ids) {
    await certify(id);
    await isOver(id);
  }
  // The log's key signs again, and that of certificates does not.
  await rig.issuer.retry();
  expect((await row(second)).log_index).toBeGreaterThan(0);
  service.fault = undefined;
  await rig.store.write(system('test'), (tx) =>
    tx
      .updateTable('arena_runs')
      .set({ report: '{' })
      .where('id', '=', ids[0] ?? '')
      .execute(),
  );
  await rig.issuer.retry();
  expect(ids.map((id) => rig.issuer.isWaiting(id))).toEqual([true, false, false]);
  expect(rig.lines.join('\n')).toContain('is not issued yet; it is tried again');
});

test('one under the name of another, or of a run that is gone, is not issued', async () => {
  service.fault = 'sealed';
  await certify(first);
  await certify(second);
  service.fault = undefined;
  const [one = '', other = ''] = readdirSync(path());
  copyFileSync(path(one), path(other));
  await rig.close();
  await rig.open();
  await rig.issuer.retry();
  expect(rig.drafts()).toEqual([other]);
  expect([await rig.row(first), await rig.row(second)]).toEqual([undefined, undefined]);
  expect(rig.lines.join('\n')).toMatch(
    /of a run that is gone[^]*cannot be read|cannot be read[^]*of a run that is gone/,
  );
});

test('in brief each is signed once; readers get so many calls and no more', async () => {
  await certify(first);
  await rig.issuer.logged(first);
  const found = await row(first);
  const signed = asked('sign/labmesh-certificate');
  const [one, again] = await Promise.all([rig.issuer.summary(found), rig.issuer.summary(found)]);
  expect([one === again, asked('sign/labmesh-certificate')]).toEqual([true, signed + 1]);
  expect(await rig.issuer.summary({ ...found, log_index: 9 })).not.toBe(one);
  // Another key signs it anew: what a stolen one signed is not given out any more.
  const keyid = (await rig.issuer.jwks()).keys[0]?.kid ?? '';
  const stolen = { keyid, reason: 'key_compromise', time: new Date().toISOString(), by: 'me' } as const;
  const { next } = (await rig.issuer.revoker.revokeAny(stolen)) as { next: string };
  const kept = await rig.issuer.summary(found);
  expect(Buffer.from(kept.split('.')[0] ?? '', 'base64url').toString()).toContain(next);
  service.fault = 'hang';
  const many = Array.from({ length: summaryLimits.atOnce }, (_, at) =>
    rig.issuer.summary({ ...found, log_index: 10 + at }).catch((error: unknown) => (error as { code: string }).code),
  );
  // What is kept is given, and the places of others stay free.
  expect(await rig.issuer.summary(found)).toBe(kept);
  expect(await errorOf(rig.issuer.summary({ ...found, log_index: 99 }))).toMatchObject({ code: 'KMS_AWAY' });
  await service[Symbol.asyncDispose]();
  expect(new Set(await Promise.all(many))).toEqual(new Set(['KMS_AWAY']));
});
