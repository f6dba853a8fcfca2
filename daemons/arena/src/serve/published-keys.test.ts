/** GET /api/arena/jwks.json, which the gateway publishes (CT6): over a rotation. */
import { createPublicKey, verify } from 'node:crypto';
import { readKeyRing, writeKeyRing } from '@labmesh/attest/keys/key-folder';
import { type KeyRing, keyInForce, rotateKey } from '@labmesh/attest/keys/key-ring';
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { keysIn } from '../certify/testing/open-certify.ts';
import { sampleRun } from '../certify/testing/sample-run.ts';
import { type AppRig, openAppRig } from './testing/app-rig.ts';

let rig: AppRig;
beforeAll(async () => {
  rig = await openAppRig();
});
afterAll(() => rig[Symbol.asyncDispose]());

const tenant = 'default';
const folder = () => keysIn(rig.folder);
const ringNow = async () => (await readKeyRing(folder())) as KeyRing;
type Published = { kty: string; crv: string; x: string; kid: string };
const published = async () =>
  (await rig.json('GET', '/api/arena/jwks.json', { tenant })).body as unknown as { keys: Published[] };

let runs = 0;
/** A summary as a client is given it: `header.claims.signature`. */
async function summary(): Promise<string> {
  const id = `01900000-0000-7000-8000-${String(++runs).padStart(12, '0')}`;
  const made = await rig.issuer.certify(sampleRun({ id, finishedAt: Date.now() }));
  if (!('certificateId' in made)) throw new Error(made.reason);
  const path = `/api/arena/certificates/${made.certificateId}?view=jws`;
  return await (await rig.ask('GET', path, { tenant })).text();
}

/** As any JOSE library does it: the key by its id, then the signature over the first two parts. */
function isSignedBy(jws: string, { keys }: { keys: readonly Published[] }): boolean {
  const [header = '', claims = '', signature = ''] = jws.split('.');
  const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string };
  const key = keys.find((one) => one.kid === kid);
  if (key === undefined) return false;
  const signed = Buffer.from(`${header}.${claims}`);
  return verify(null, signed, createPublicKey({ key, format: 'jwk' }), Buffer.from(signature, 'base64url'));
}

test('the next key is published a day before it signs, and a summary of the old one still checks', async () => {
  const before = await published();
  const jws = await summary();
  expect(isSignedBy(jws, before)).toBe(true);
  const ring = await ringNow();
  await writeKeyRing(folder(), await rotateKey(ring, 'certificate', Date.now()));
  const after = await published();
  const inForce = keyInForce(await ringNow(), 'certificate', Date.now()).keyid;
  expect(after.keys.map(({ kid }) => kid)).toHaveLength(2);
  // The one that was there signs on.
  expect([inForce, after.keys[0]?.kid]).toEqual([before.keys[0]?.kid ?? '', inForce]);
  expect([isSignedBy(jws, after), isSignedBy(await summary(), after)]).toEqual([true, true]);
  for (const key of after.keys) expect(Object.keys(key).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x']);
});
