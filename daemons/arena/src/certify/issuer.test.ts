import { errorOf } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AttestRefused } from '@labmesh/attest/attest-refused';
import { verifyCertificate } from '@labmesh/attest/certificate/verify-certificate';
import { folderFiles } from '@labmesh/attest/keys/key-folder';
import { parseTrust } from '@labmesh/attest/keys/trust';
import { openStore } from '@labmesh/store/open-store';
import { findCertificate, listCertificates, unloggedCertificates } from './certificate-rows.ts';
import type { Issuer } from './issuer.ts';
import type { SigningFolder } from './signing-folder.ts';
import { issuerOn, openSigning } from './testing/open-certify.ts';
import { answerOf, candidateOf, passedVerdicts, sampleAnswer, sampleRun, verdictOf } from './testing/sample-run.ts';

let folder: string;
let store: Awaited<ReturnType<typeof openStore>>;
let signing: SigningFolder;
let issuer: Issuer;

const issuerOf = (log: SigningFolder) => issuerOn(log, store);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'labmesh-certify-'));
  store = await openStore({ url: `sqlite://${join(folder, 'arena.db')}` });
  signing = await openSigning(join(folder, 'attest'));
  issuer = issuerOf(signing);
});
afterEach(async () => {
  await signing[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const trust = () => parseTrust(readFileSync(join(folder, 'attest', folderFiles.trust)));
const bytesOf = async (id: string) => new TextEncoder().encode((await findCertificate(store, 'default', id))?.bundle);
const verify = async (id: string, response?: unknown) =>
  await verifyCertificate(await bytesOf(id), trust(), {
    now: Date.now(),
    ...(response !== undefined && { response: response as never }),
    revocations: readIfThere(join(folder, 'attest', folderFiles.revocations)),
  });
function readIfThere(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

const id = `cert-${sampleRun().id}`;

test('a valid run: signed, logged, and verified from file and trust alone', async () => {
  const certified = await issuer.certify(sampleRun());
  expect(certified).toEqual({
    certificateId: id,
    properties: ['AUDIT_OK', 'EXECUTED_EXIT_0', 'SAFETY_OK', 'SYNTAX_OK', 'TESTS_PASSED_HIDDEN', 'ISOLATION_L1'],
    isolation: 'SANDBOX_L1_NAMESPACE',
  });
  expect(await verify(id)).toMatchObject({ verdict: 'invalid', code: 'LOG_PROOF_MISSING' });
  await issuer.logged(sampleRun().id);
  const report = await verify(id, sampleAnswer);
  expect(report).toMatchObject({ verdict: 'valid' });
  expect(await verify(id, 'another')).toMatchObject({ verdict: 'invalid' });
  expect(await findCertificate(store, 'default', sampleRun().id)).toMatchObject({ id, log_index: 0 });
});

test('asked again, also side by side, it is the same one', async () => {
  const [first, second] = await Promise.all([issuer.certify(sampleRun()), issuer.certify(sampleRun())]);
  expect(second).toEqual(first as never);
  await issuer[Symbol.asyncDispose]();
  const before = await bytesOf(id);
  await issuer.certify(sampleRun());
  expect(await bytesOf(id)).toEqual(before);
  expect(await listCertificates(store, 'default', 10, 0)).toHaveLength(1);
});

test.each([
  ['invalid', { outcome: 'invalid' as const, chosen: null }],
  ['inconclusive', { outcome: 'inconclusive' as const }],
  ['unchecked', { outcome: 'unchecked' as const }],
  ['valid without a winner', { chosen: null }],
])('nothing is signed for a run that is %s', async (_, changes) => {
  expect(await issuer.certify(sampleRun(changes))).toHaveProperty('reason');
  expect(await listCertificates(store, 'default', 10, 0)).toEqual([]);
});

test('a hard failure among the verdicts is refused, whatever the run says', async () => {
  const failed = answerOf(sampleAnswer, [
    ...passedVerdicts(),
    verdictOf('json_schema', { status: 'failed', scoreModifier: 0 }),
  ]);
  const lying = { ...failed, aggregate: { ...failed.aggregate, outcome: 'valid' as const } };
  const run = sampleRun({ candidates: [candidateOf(0, lying)] });
  expect(await errorOf(issuer.certify(run))).toBeInstanceOf(AttestRefused);
  expect(await listCertificates(store, 'default', 10, 0)).toEqual([]);
});

test('OpenCoder needs an execution and an audit (BR1)', async () => {
  const bracket = { ...sampleRun().block, bracket: 'opencoder' as const };
  const without = (name: string) =>
    sampleRun({
      block: bracket,
      candidates: [
        candidateOf(
          0,
          answerOf(
            sampleAnswer,
            passedVerdicts().filter((one) => one.pluginName !== name),
          ),
        ),
      ],
    });
  expect(await issuer.certify(without('runtime_verifier'))).toEqual({
    reason: 'No code blocks found: nothing of the answer was executed',
  });
  expect(await issuer.certify(without('security_audit'))).toEqual({ reason: 'the security audit did not run' });
  expect(await issuer.certify(sampleRun({ block: bracket }))).toMatchObject({ certificateId: id });
  await issuer[Symbol.asyncDispose]();
  expect(await verify(id)).toMatchObject({ verdict: 'valid', certificate: { issuer: 'OpenCoderBracket' } });
});

test('grants that nobody knows, or that nothing bears out, are not claimed', async () => {
  const answer = {
    ...answerOf(sampleAnswer, [verdictOf('safety_filter')]),
    grants: ['SAFETY_OK', 'AUDIT_OK', 'ADMIN', '__proto__'],
  };
  const certified = await issuer.certify(sampleRun({ candidates: [candidateOf(0, answer)], suiteSha256: null }));
  expect(certified).toMatchObject({ properties: ['SAFETY_OK'], isolation: null });
});

test('a crash between signature and log: pending until the next start, then logged', async () => {
  await signing[Symbol.asyncDispose]();
  expect(await issuer.certify(sampleRun())).toMatchObject({ certificateId: id });
  await issuer[Symbol.asyncDispose]();
  expect(await unloggedCertificates(store, 10)).toHaveLength(1);
  signing = await openSigning(join(folder, 'attest'));
  await issuerOf(signing).settle();
  expect(await unloggedCertificates(store, 10)).toEqual([]);
  expect(await verify(id)).toMatchObject({ verdict: 'valid' });
});

test('revoked: the list cuts, the row tells', async () => {
  await issuer.certify(sampleRun());
  const row = await findCertificate(store, 'default', id);
  if (row === undefined) throw new Error('it is not there');
  await issuer.revoker.revoke(row, 'cheat_found', 'test');
  expect(await verify(id)).toMatchObject({ verdict: 'revoked' });
  expect(await findCertificate(store, 'default', id)).toMatchObject({ revoked_reason: 'cheat_found' });
});

test('in brief: a JWS that its key set checks', async () => {
  await issuer.certify(sampleRun());
  const row = await findCertificate(store, 'default', id);
  if (row === undefined) throw new Error('it is not there');
  const [, claims = ''] = (await issuer.summary(row)).split('.');
  expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({ cid: id, iso: 'L1' });
  expect((await issuer.jwks()).keys).toHaveLength(1);
});

test('another tenant finds nothing', async () => {
  await issuer.certify(sampleRun());
  expect(await findCertificate(store, 'other', id)).toBeUndefined();
  expect(await listCertificates(store, 'other', 10, 0)).toEqual([]);
});
