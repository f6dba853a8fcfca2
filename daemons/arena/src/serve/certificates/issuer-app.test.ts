/** The issuer asks a running arena over the socket in its folder: a verifier, a key, a certificate of any tenant. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { parseBundle } from '@labmesh/attest/certificate/bundle';
import { verifyCertificate } from '@labmesh/attest/certificate/verify-certificate';
import { folderFiles, readKeyRing } from '@labmesh/attest/keys/key-folder';
import { keyInForce } from '@labmesh/attest/keys/key-ring';
import { parseTrust } from '@labmesh/attest/keys/trust';
import { lockFolder } from '@labmesh/attest/log/open-log-folder';
import { findCertificate } from '../../certify/certificate-rows.ts';
import { keysIn } from '../../certify/testing/open-certify.ts';
import { sampleRun } from '../../certify/testing/sample-run.ts';
import { issuerApp } from './issuer-app.ts';
import { serveIssuer } from '../serve-arena.ts';
import { type AppRig, openAppRig } from '../testing/app-rig.ts';

const tenant = 'default';
let rig: AppRig;
let socket: string;
const open = new AsyncDisposableStack();
beforeAll(async () => {
  rig = open.use(await openAppRig());
  socket = join(rig.folder, 'attest', folderFiles.socket);
  open.use(
    await serveIssuer(
      issuerApp(rig.issuer.revoker, () => {}),
      socket,
    ),
  );
});
afterAll(() => open.disposeAsync());

let runs = 0;
async function issue() {
  const run = `01900000-0000-7000-8000-${String(++runs).padStart(12, '0')}`;
  const made = await rig.issuer.certify(sampleRun({ id: run, finishedAt: Date.now() }));
  if (!('certificateId' in made)) throw new Error(made.reason);
  await rig.issuer.logged(run);
  return { id: made.certificateId, run };
}
const bytes = async (path: string) => {
  const answer = await rig.ask('GET', `/api/arena/${path}`, { tenant });
  return new Uint8Array(await answer.arrayBuffer());
};
const verdict = async (id: string) => {
  const trust = parseTrust(await bytes('trust.json'));
  const revocations = await bytes('revocations');
  return (await verifyCertificate(await bytes(`certificates/${id}`), trust, { now: Date.now(), revocations })).verdict;
};
const summary = async (id: string) =>
  (await rig.json('GET', `/api/arena/certificates/${id}?view=summary`, { tenant })).body;
const listed = async () =>
  (await rig.json('GET', '/api/arena/certificates?limit=200', { tenant })).body['certificates'] as {
    certificateId: string;
    revokedReason: string | null;
  }[];
const ring = async () => {
  const found = await readKeyRing(keysIn(rig.folder));
  if (found === undefined) throw new Error('no keys');
  return found;
};

async function ask(body: unknown) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = await fetch('http://issuer/revocations', { unix: socket, method: 'POST', body: text });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}
const said = (target: object, reason = 'verifier_bug') => ({
  ...target,
  reason,
  time: new Date().toISOString(),
  by: 'alice',
});

test('the socket is its owner’s alone', () => {
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  expect(statSync(join(rig.folder, 'attest')).mode & 0o777).toBe(0o700);
});

test('a key: the arena signs on with the next one, and what was logged before the theft stays', async () => {
  const before = keyInForce(await ring(), 'certificate', Date.now()).keyid;
  const first = await issue();
  const answer = await ask(said({ keyid: before }, 'key_compromise'));
  const { next } = answer.body;
  expect(answer).toEqual({ status: 200, body: { next: expect.stringMatching(/^[0-9a-f]{64}$/) } });
  expect(keyInForce(await ring(), 'certificate', Date.now()).keyid).toBe(next as string);
  const second = await issue();
  const signerOf = async (id: string) =>
    (JSON.parse(new TextDecoder().decode(await bytes(`certificates/${id}`))) as { dsse: { signatures: object[] } }).dsse
      .signatures;
  expect(await signerOf(first.id)).toMatchObject([{ keyid: before }]);
  expect(await signerOf(second.id)).toMatchObject([{ keyid: next }]);
  expect(await ask(said({ keyid: '0'.repeat(64) }, 'key_compromise'))).toMatchObject({
    status: 409,
    body: { code: 'KEY_NOT_FOUND' },
  });
});

test('a certificate of any tenant, by its run too; one that is not there is not listed', async () => {
  const { id, run } = await issue();
  const list = await bytes('revocations');
  expect(await ask(said({ certificate_id: 'cert-none' }, 'cheat_found'))).toMatchObject({ status: 404 });
  expect(await bytes('revocations')).toEqual(list);
  expect((await ask(said({ certificate_id: run }, 'cheat_found'))).status).toBe(200);
  expect(await summary(id)).toMatchObject({ revokedReason: 'cheat_found' });
  const after = await bytes('revocations');
  expect((await ask(said({ certificate_id: id }, 'superseded'))).status).toBe(200);
  expect(await bytes('revocations')).toEqual(after);
});

test.each([
  ['', 400],
  ['{', 400],
  ['[]', 400],
  [said({}), 400],
  [said({ keyid: 'a', certificate_id: 'b' }), 400],
  [said({ certificate_id: 'x' }, 'because'), 400],
  [{ ...said({ certificate_id: 'x' }), time: 'yesterday' }, 400],
  ['x'.repeat(5_000), 413],
])('%j is refused', async (body, status) => {
  expect((await ask(body)).status).toBe(status);
});

test('nothing of the API is answered there, and nothing of this in the API', async () => {
  const answer = await fetch('http://issuer/api/arena/stats', { unix: socket });
  expect(answer.status).toBe(404);
  expect((await rig.json('POST', '/revocations', { tenant, body: said({ certificate_id: 'x' }) })).status).toBe(404);
});

test('while labctl holds the keys for a moment it is waited for', async () => {
  const { run } = await issue();
  const lock = lockFolder(join(rig.folder, 'attest'));
  const asked = ask(said({ certificate_id: run }, 'cheat_found'));
  await Bun.sleep(150);
  lock[Symbol.dispose]();
  expect((await asked).status).toBe(200);
});

test('a verifier: all that names its digest is revoked, for verifiers and in each view', async () => {
  const { id } = await issue();
  const { statement } = parseBundle(await bytes(`certificates/${id}`));
  const digest = statement.predicate.labmesh.verifiers[0]?.digest;
  expect(await ask(said({ verifier_digest: 'f'.repeat(64) }))).toEqual({ status: 200, body: { next: null } });
  expect([await verdict(id), (await summary(id))['status']]).toEqual(['valid', 'valid']);
  const own = await rig.issuer.revoker.ownCount(tenant);

  expect(await ask(said({ verifier_digest: digest }))).toEqual({ status: 200, body: { next: null } });
  expect(await verdict(id)).toBe('revoked');
  expect(await summary(id)).toMatchObject({ status: 'revoked', revokedReason: 'verifier_bug' });
  expect((await rig.json('GET', `/api/arena/certificates/${id}?view=functional`, { tenant })).body).toMatchObject({
    status: 'invalid',
  });
  expect((await listed()).find((one) => one.certificateId === id)?.revokedReason).toBe('verifier_bug');
  expect(await rig.issuer.revoker.ownCount(tenant)).toBe(own);
  // The row knows too: its run is not told as valid a second time. Nothing more is signed on that word.
  const row = await findCertificate(rig.store, tenant, id);
  expect(row).toMatchObject({ revoked_reason: 'verifier_bug', revoked_at: expect.any(Number) });
  const run = `01900000-0000-7000-8000-${String(++runs).padStart(12, '0')}`;
  expect(await rig.issuer.certify(sampleRun({ id: run, finishedAt: Date.now() }))).toEqual({
    reason: expect.stringContaining('was revoked'),
  });
});
