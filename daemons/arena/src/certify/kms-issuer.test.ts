/** Certificates whose keys are in a service (verification CT5, CT6): none is lost while it is away, and none is held back. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readRevocations } from '@labmesh/attest/certificate/revocation-file';
import { readKeyRing } from '@labmesh/attest/keys/key-folder';
import type { KeyRing } from '@labmesh/attest/keys/key-ring';
import { system } from '@labmesh/wire/fleet/principal';
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

const waits = '; the certificate is pending: the service that signs does not answer; ask for it later';
const verify = () => rig.verify(runId, sampleAnswer);

test('a certificate is signed there, and verified from file and trust alone; no private key is here', async () => {
  expect(await rig.issuer.certify(sampleRun())).toMatchObject({ certificateId: `cert-${runId}` });
  expect(await verify()).toBe('valid');
  const files = readdirSync(rig.data, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  const secrets = service.privateKeys().flatMap((pkcs8) => {
    const seed = pkcs8.subarray(-32);
    return [pkcs8.toString('base64'), seed.toString('base64'), seed.toString('hex'), seed.toString('latin1')];
  });
  for (const { parentPath, name } of files) {
    const text = readFileSync(join(parentPath, name), 'latin1');
    expect([name, secrets.some((secret) => text.includes(secret)), text.includes(kmsToken)]).toEqual([
      name,
      false,
      false,
    ]);
  }
  expect([...service.signed.keys()].toSorted()).toEqual(['labmesh-certificate', 'labmesh-log', 'labmesh-revocation']);
});

test('while it is away the certificate is pending, over a restart too, and is issued when it is back', async () => {
  await rig.run(runId, 2);
  service.fault = 'sealed';
  expect(await rig.issuer.certify(sampleRun())).toEqual({ reason: expect.stringContaining('pending') as never });
  expect(rig.issuer.isWaiting(runId)).toBe(true);
  // Asked again it is the same one, and still waits.
  expect(await rig.issuer.certify(sampleRun())).toHaveProperty('reason');
  expect(rig.drafts()).toHaveLength(1);
  expect(statSync(join(rig.file('drafts'), rig.drafts()[0] ?? '')).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(rig.file('drafts'), rig.drafts()[0] ?? ''), 'utf8')).not.toContain('return a + b');
  await rig.issuer.retry();
  expect(await rig.row(runId)).toBeUndefined();
  await rig.close();
  await rig.open();
  expect(rig.issuer.isWaiting(runId)).toBe(true);
  service.fault = undefined;
  await Promise.all([rig.issuer.retry(), rig.issuer.retry()]);
  expect([rig.issuer.isWaiting(runId), rig.drafts()]).toEqual([false, []]);
  expect(await verify()).toBe('valid');
  expect(rig.lines.join('\n')).not.toContain(kmsToken);
  expect(rig.lines.filter((line) => line.includes('a certificate that waited is issued'))).toHaveLength(1);
});

test('the run is told of the certificate that came after its end', async () => {
  const report = { status: 'valid', certificate_id: null, properties: [], summary: `kept${waits}` };
  await rig.run(runId, null, report);
  service.fault = 'sealed';
  await rig.issuer.certify(sampleRun());
  service.fault = undefined;
  // Its end is not written: that would take the certificate away again.
  await rig.issuer.retry();
  expect(rig.issuer.isWaiting(runId)).toBe(true);
  await rig.store.write(system('test'), (tx) =>
    tx.updateTable('arena_runs').set({ finished_at: 2 }).where('id', '=', runId).execute(),
  );
  await rig.issuer.retry();
  const told = { certificate_id: `cert-${runId}`, summary: 'kept', isolation: 'SANDBOX_L1_NAMESPACE' };
  expect(await rig.reportOf(runId)).toMatchObject({ certificate_id: `cert-${runId}`, report: told });
});

test('one that is signed and not logged is logged when the service is back', async () => {
  await rig.issuer.certify(sampleRun());
  await rig.issuer.logged(runId);
  const next = { ...sampleRun(), id: `${runId}2` };
  Object.assign(service, { fault: 'sealed', faulty: 'labmesh-log' });
  expect(await rig.issuer.certify(next)).toHaveProperty('certificateId');
  await rig.issuer.logged(next.id);
  expect((await rig.row(next.id))?.log_index).toBeNull();
  service.fault = undefined;
  await rig.issuer.retry();
  await rig.issuer.logged(next.id);
  const row = await rig.row(next.id);
  expect(row?.log_index).toBeGreaterThan(0);
});

test('a false signature issues nothing, and is told as what it is', async () => {
  await rig.run(runId, 2);
  service.fault = 'other-key';
  expect(await rig.issuer.certify(sampleRun())).toHaveProperty('reason');
  expect(await rig.row(runId)).toBeUndefined();
  expect(rig.lines.join('\n')).toContain('is not of its version');
  service.fault = undefined;
  await rig.issuer.retry();
  expect(await verify()).toBe('valid');
});

test('a verifier that is revoked meanwhile has nothing signed on its word, and its run says so', async () => {
  await rig.run(runId, 2, { summary: `kept${waits}` });
  service.fault = 'sealed';
  await rig.issuer.certify(sampleRun());
  service.fault = undefined;
  const [first] = sampleRun().candidates[0]?.final?.aggregate.results ?? [];
  const time = new Date().toISOString();
  const verifier = { verifier_digest: first?.digest ?? '', reason: 'verifier_bug', time, by: 'me' } as const;
  await rig.issuer.revoker.revokeAny(verifier);
  await rig.issuer.retry();
  expect([rig.issuer.isWaiting(runId), rig.drafts()]).toEqual([false, []]);
  expect(await rig.row(runId)).toBeUndefined();
  const { report } = await rig.reportOf(runId);
  expect(report).toMatchObject({
    certificate_id: null,
    summary: expect.stringMatching(/^kept; the word of .+ was revoked/),
  });
});

test('a draft that is damaged keeps the others from nothing', async () => {
  await rig.run(runId, 2);
  await rig.run(`${runId}2`, 2);
  service.fault = 'sealed';
  await rig.issuer.certify(sampleRun());
  await rig.issuer.certify({ ...sampleRun(), id: `${runId}2` });
  const [file = ''] = rig.drafts();
  writeFileSync(join(rig.file('drafts'), file), '{}');
  service.fault = undefined;
  await rig.issuer.retry();
  expect(rig.drafts()).toEqual([file]);
  expect(rig.lines.join('\n')).toContain('cannot be read');
});

test('a start without it serves what is there; the list that is owed is signed when it is back', async () => {
  const numberNow = async () =>
    (await readRevocations(join(rig.data, 'attest'), (await readKeyRing(rig.keys())) as KeyRing))?.number ?? 0;
  const before = await numberNow();
  await rig.close();
  service.fault = 'sealed';
  await rig.open();
  expect(await numberNow()).toBe(before);
  expect(rig.lines.join('\n')).toContain('the revocation list cannot be signed');
  await rig.issuer.retry();
  expect(await numberNow()).toBe(before);
  service.fault = undefined;
  await rig.issuer.retry();
  expect(await numberNow()).toBe(before + 1);
});
