import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { signEnvelope } from '../dsse/envelope.ts';
import { utf8 } from '../bytes/bytes.ts';
import { canonicalBytes, type Json } from '../json/canonical-json.ts';
import { endKey, keyInForce, trustOf } from '../keys/key-ring.ts';
import { instantText } from '../statement/instant.ts';
import { sampleFile, sampleInput, sampleIssuer, sampleNow } from '../testing/sample-certificate.ts';
import { refusalOf } from '../testing/refusal.ts';
import { readRevocations, writeRevocations } from './revocation-file.ts';
import {
  openRevocations,
  type Revocation,
  revocationsPayloadType,
  signRevocation,
  signRevocations,
} from './revocations.ts';
import { verifyCertificate } from './verify-certificate.ts';

const issuer = await sampleIssuer();
const trust = trustOf(issuer.ring);
const file = await sampleFile(issuer);
const { signer } = keyInForce(issuer.ring, 'revocation', sampleNow);
const [own] = [issuer.signer.publicKey.keyid];

type Target = Pick<Revocation, 'certificate_id' | 'keyid' | 'verifier_digest'>;
const revocation = (target: Target, at = sampleNow): Revocation => ({
  ...target,
  reason: 'policy_error',
  time: instantText(at),
  by: 'alice',
});

const verdict = async (
  list: Uint8Array | undefined,
  more: { now?: number; by?: typeof trust; of?: Uint8Array } = {},
) => {
  const { now = sampleNow, by = trust, of = file } = more;
  const found = await verifyCertificate(of, by, { now, revocations: list });
  return found.reason === undefined ? found.verdict : `${found.verdict}: ${found.reason}`;
};
const listed = (...revocations: Revocation[]) => signRevocations(1, revocations, sampleNow, signer);

describe('a certificate is revoked', () => {
  test('by nobody: valid', async () => expect(await verdict(await listed())).toBe('valid'));

  test('by its id, and not by another', async () => {
    expect(await verdict(await listed(revocation({ certificate_id: 'cert-1' })))).toStartWith(
      'revoked: revoked: policy_error',
    );
    expect(await verdict(await listed(revocation({ certificate_id: 'cert-2' })))).toBe('valid');
  });

  test('by the digest of a verifier that it names (a verifier had a fault)', async () => {
    const digest = sampleInput().labmesh.verifiers[0]?.digest ?? '';
    expect(await verdict(await listed(revocation({ verifier_digest: digest })))).toStartWith('revoked');
    expect(await verdict(await listed(revocation({ verifier_digest: '0'.repeat(64) })))).toBe('valid');
  });

  test('by its key, from a time on: what was logged before stays', async () => {
    const loggedAt = sampleInput().issuedAt;
    expect(await verdict(await listed(revocation({ keyid: own }, loggedAt)))).toStartWith('revoked');
    expect(await verdict(await listed(revocation({ keyid: own }, loggedAt + 1)))).toBe('valid');
    expect(await verdict(await listed(revocation({ keyid: signer.publicKey.keyid })))).toBe('valid');
    // Without the log's word on when it was, it may have been signed by whoever stole the key.
    const unlogged = { ...trust, log: undefined };
    expect(await verdict(await listed(revocation({ keyid: own }, loggedAt + 1)), { by: unlogged })).toStartWith(
      'revoked',
    );
  });

  test('also by a list that is stale by now, and also when it has expired since', async () => {
    const list = await listed(revocation({ certificate_id: 'cert-1' }));
    expect(await verdict(list, { now: sampleNow + 48 * 3_600_000 })).toStartWith('revoked');
  });
});

describe('a list', () => {
  test('is good for 24 hours', async () => {
    const input = { ...sampleInput(), validityHours: undefined };
    const of = await sampleFile(issuer, input);
    const list = await listed();
    expect(await verdict(list, { of, now: sampleNow + 86_399_999 })).toBe('valid');
    expect(await verdict(list, { of, now: sampleNow + 86_400_000 })).toStartWith(
      'revocation_unknown: the revocation list expired',
    );
  });

  test('that is not signed by a key for revocations is none: not by the one for certificates either', async () => {
    const forged = await signRevocations(9, [], sampleNow, issuer.signer);
    expect(await verdict(forged)).toStartWith('revocation_unknown: the revocation list is not good');
    const early = await signRevocations(9, [], sampleNow - 120_000, signer);
    expect(await verdict(early)).toStartWith('revocation_unknown: the revocation list is not good');
  });

  test('changed in any byte is none', async () => {
    const list = await listed(revocation({ certificate_id: 'cert-2' }));
    for (let at = 0; at < list.length; at++) {
      const found = await verdict(list.with(at, (list[at] ?? 0) ^ 1));
      expect([at, found]).toEqual([at, expect.stringContaining('revocation_unknown')]);
    }
  });

  const signed = async (payload: Json, type = revocationsPayloadType) =>
    canonicalBytes(await signEnvelope(type, canonicalBytes(payload), [signer]));

  test('has one form, one target each, and a bound', async () => {
    const head = { number: 1, issued_at: instantText(sampleNow), expires_at: instantText(sampleNow + 1) };
    const one = { reason: 'policy_error', time: instantText(sampleNow), by: 'a' };
    for (const revocations of [
      [one],
      [{ ...one, keyid: 'a', certificate_id: 'b' }],
      [{ ...one, keyid: 'a', reason: 'x' }],
      'x',
    ]) {
      expect(await refusalOf(async () => openRevocations(await signed({ ...head, revocations }), trust))).toBe(
        'REVOCATIONS_BAD',
      );
    }
    const type = 'application/vnd.labmesh.revocation+json';
    expect(await refusalOf(async () => openRevocations(await signed({ ...head, revocations: [] }, type), trust))).toBe(
      'PAYLOAD_TYPE',
    );
    const many = Array.from({ length: 4097 }, () => revocation({ keyid: 'a' }));
    expect(await refusalOf(() => signRevocations(1, many, sampleNow, signer))).toBe('REVOCATIONS_BAD');
    expect((await signRevocation(revocation({ keyid: 'a' }), signer)).length).toBeGreaterThan(100);
  });

  test('whatever it is, it is read or refused by name', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json().map(utf8), fc.uint8Array()), async (bytes) => {
        expect(await refusalOf(() => openRevocations(new Uint8Array(bytes), trust))).toBeDefined();
      }),
    );
  });
});

describe('the list of an issuer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'attest-revocations-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('counts up, keeps what it said, and is for everybody to read', async () => {
    expect(await readRevocations(folder, issuer.ring)).toBeUndefined();
    await writeRevocations(folder, issuer.ring, sampleNow, [revocation({ certificate_id: 'a' })]);
    const bytes = await writeRevocations(folder, issuer.ring, sampleNow + 5, [revocation({ certificate_id: 'b' })]);
    expect(new Uint8Array(readFileSync(join(folder, 'revocations.json')))).toEqual(bytes);
    expect(statSync(join(folder, 'revocations.json')).mode & 0o777).toBe(0o644);
    const list = await readRevocations(folder, issuer.ring);
    expect([list?.number, list?.revocations.map((one) => one.certificate_id)]).toEqual([2, ['a', 'b']]);
  });

  test('goes on when its key is ended in the millisecond of its last list', async () => {
    const { keyid } = keyInForce(issuer.ring, 'revocation', sampleNow + 5);
    const ended = await endKey(issuer.ring, keyid, sampleNow + 5);
    await writeRevocations(folder, ended, sampleNow + 5, [revocation({ keyid })]);
    expect((await readRevocations(folder, ended))?.number).toBe(3);
  });

  test('is not begun anew when it cannot be read: that would take back what it said', async () => {
    writeFileSync(join(folder, 'revocations.json'), '{}');
    expect(await refusalOf(() => writeRevocations(folder, issuer.ring, sampleNow))).toBe('ENVELOPE_BAD');
    expect(readFileSync(join(folder, 'revocations.json'), 'utf8')).toBe('{}');
  });
});
