import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseBundle } from '@labmesh/attest/certificate/bundle';
import { readRevocations } from '@labmesh/attest/certificate/revocation-file';
import { verifyCertificate } from '@labmesh/attest/certificate/verify-certificate';
import { openKeyRing } from '@labmesh/attest/keys/key-folder';
import { parseTrust } from '@labmesh/attest/keys/trust';
import { complianceView } from '@labmesh/attest/views/compliance-view';
import { functionalView } from '@labmesh/attest/views/functional-view';
import { keysIn } from '../certify/testing/open-certify.ts';
import { sampleAnswer, sampleRun } from '../certify/testing/sample-run.ts';
import { verifiedCertificate } from './certificates/verified-certificate.ts';
import { type AppRig, openAppRig } from './testing/app-rig.ts';

let rig: AppRig;
beforeAll(async () => {
  rig = await openAppRig();
});
afterAll(() => rig[Symbol.asyncDispose]());

const tenant = 'default';
const now = Date.parse('2026-03-01T12:00:00.000Z');
let runs = 0;
/** A certificate of a run that ended just now; its ids. */
async function issue(): Promise<{ id: string; run: string }> {
  const run = `01900000-0000-7000-8000-${String(++runs).padStart(12, '0')}`;
  const made = await rig.issuer.certify(sampleRun({ id: run, finishedAt: Date.now() }));
  if (!('certificateId' in made)) throw new Error(made.reason);
  return { id: made.certificateId, run };
}
const get = async (path: string) => {
  const answer = await rig.ask('GET', `/api/arena/${path}`, { tenant });
  return {
    status: answer.status,
    type: answer.headers.get('content-type'),
    bytes: new Uint8Array(await answer.arrayBuffer()),
  };
};
const revoke = (id: string, reason = 'cheat_found') =>
  rig.json('POST', `/api/arena/certificates/${id}/revoke`, { tenant, body: { reason } });

describe('views', () => {
  test('the bundle verifies with what the API gives beside it, by the id of the run too', async () => {
    const { id, run } = await issue();
    const bundle = await get(`certificates/${id}`);
    expect(bundle).toMatchObject({ status: 200, type: 'application/vnd.labmesh.certificate-bundle.v1+json' });
    expect((await get(`certificates/${run}`)).bytes).toEqual(bundle.bytes);
    const report = await verifyCertificate(bundle.bytes, parseTrust((await get('trust.json')).bytes), {
      now: Date.now(),
      response: sampleAnswer,
      revocations: (await get('revocations')).bytes,
    });
    expect(report).toMatchObject({ verdict: 'valid' });
  });

  test('the original’s answer names its times and what was run; another tenant’s is not there', async () => {
    const { id } = await issue();
    const found = await verifiedCertificate(rig.store, tenant, id);
    expect(found).toMatchObject({
      certificateId: id,
      status: 'valid',
      verificationResults: { leash: null, opa: null, execution: { passed: true, sandboxed: true } },
    });
    const lasts = Date.parse(found?.expiresAt ?? '') - Date.parse(found?.issuedAt ?? '');
    expect(lasts).toBe(24 * 3_600_000);
    expect(await verifiedCertificate(rig.store, 'other', id)).toBeNull();
  });

  test('the others are of the same statement', async () => {
    const { id, run } = await issue();
    const bundle = (await get(`certificates/${id}`)).bytes;
    const { statement } = parseBundle(bundle);
    const view = async (name: string) =>
      (await rig.json('GET', `/api/arena/certificates/${id}?view=${name}`, { tenant })).body;
    expect(await view('statement')).toEqual(statement as never);
    expect(await view('dsse')).toEqual((JSON.parse(new TextDecoder().decode(bundle)) as { dsse: never }).dsse);
    expect(await view('functional')).toEqual({ ...functionalView(statement, now), status: 'valid' } as never);
    expect(await view('compliance')).toEqual(complianceView(statement) as never);
    const { issued_at: issuedAt, expires_at: expiresAt } = statement.predicate.labmesh;
    expect(await view('summary')).toEqual({
      certificateId: id,
      runId: run,
      status: 'valid',
      properties: statement.predicate.properties,
      bracket: 'none',
      issuedAt,
      expiresAt,
      logStatus: 'logged',
      logIndex: expect.any(Number),
      revokedReason: null,
    });
  });
});

describe('revoking', () => {
  test('cuts for every verifier, is told in each view, and says nothing of who asked', async () => {
    const { id } = await issue();
    expect(await revoke(id)).toEqual({ status: 200, body: { certificateId: id, reason: 'cheat_found' } });
    const report = await verifyCertificate(
      (await get(`certificates/${id}`)).bytes,
      parseTrust((await get('trust.json')).bytes),
      {
        now: Date.now(),
        revocations: (await get('revocations')).bytes,
      },
    );
    expect(report.verdict).not.toBe('valid');
    for (const [view, status] of [
      ['summary', 'revoked'],
      ['functional', 'invalid'],
    ] as const) {
      expect((await rig.json('GET', `/api/arena/certificates/${id}?view=${view}`, { tenant })).body).toMatchObject({
        status,
      });
    }
    const list = await readRevocations(join(rig.folder, 'attest'), await openKeyRing(keysIn(rig.folder), Date.now()));
    expect(JSON.stringify(list)).not.toContain('key-1');
    expect(rig.logged.some((line) => line.includes('a certificate was revoked') && line.includes(id))).toBe(true);
  });

  test('again changes nothing: the list is everybody’s, and has an end', async () => {
    const { id } = await issue();
    await revoke(id);
    const before = (await get('revocations')).bytes;
    expect(await revoke(id, 'policy_error')).toEqual({
      status: 200,
      body: { certificateId: id, reason: 'cheat_found' },
    });
    expect((await get('revocations')).bytes).toEqual(before);
  });

  test('many at once are all on the list', async () => {
    const made = await Promise.all(Array.from({ length: 8 }, issue));
    await Promise.all(made.map(({ id }) => revoke(id)));
    const list = await readRevocations(join(rig.folder, 'attest'), await openKeyRing(keysIn(rig.folder), Date.now()));
    const listed = new Set(list?.revocations.map((one) => one.certificate_id));
    for (const { id } of made) expect(listed.has(id)).toBe(true);
  });
});

describe('the log', () => {
  test('every file of it can be read', async () => {
    await issue();
    const root = join(rig.folder, 'attest/log');
    const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    const paths = files.map(({ parentPath, name }) => join(parentPath, name).slice(root.length + 1));
    const open = paths.filter((path) => path === 'checkpoint' || path.startsWith('tile/'));
    expect(open.length).toBeGreaterThan(2);
    for (const path of open) {
      // Counted by groups of three digits, some of them partial.
      expect({ path, ...(await get(`log/${path}`)) }).toMatchObject({ path, status: 200 });
      expect((await get(`log/${path}`)).bytes).toEqual(new Uint8Array(readFileSync(join(root, path))));
    }
  });

  test.each([
    '../keys.json',
    '..%2fkeys.json',
    '%2e%2e/keys.json',
    'tile/../../keys.json',
    'tile/0/..',
    'tile/0/000/../../../../keys.json',
    'checkpoint%00',
    'checkpoint/',
    'checkpoint%0a',
    'lock',
    'secret',
    'tile/0/0000',
    'tile/-1/000',
    'tile/entries',
    '/etc/passwd',
  ])('%s is none of its files', async (path) => {
    writeFileSync(join(rig.folder, 'attest/log/secret'), 'SECRET');
    const { status, bytes } = await get(`log/${path}`);
    expect(status).toBe(404);
    expect(new TextDecoder().decode(bytes)).not.toMatch(/pkcs8|SECRET|root:/);
  });
});
