import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { signedHash, signEnvelope } from '../dsse/envelope.ts';
import { utf8 } from '../bytes/bytes.ts';
import { canonicalBytes, type Json } from '../json/canonical-json.ts';
import { keyInForce, trustOf } from '../keys/key-ring.ts';
import { parseEntry } from '../merkle/log-entry.ts';
import { instantText } from '../statement/instant.ts';
import { sampleFile, sampleInput, sampleIssuer, sampleNow } from '../testing/sample-certificate.ts';
import { refusalOf } from '../testing/refusal.ts';
import {
  openRevocations,
  type Revocation,
  revocationsPayloadType,
  revocationEntry,
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
  });

  test('each of it is in the log by the hash of what would be signed of it', async () => {
    const one = revocation({ keyid: 'a' });
    const type = 'application/vnd.labmesh.revocation+json';
    const sha256 = signedHash({ payloadType: type, payload: canonicalBytes(one) });
    expect(parseEntry(revocationEntry(one))).toMatchObject({ kind: 'revocation', id: 'a', sha256, time: one.time });
  });

  test('whatever it is, it is read or refused by name', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json().map(utf8), fc.uint8Array()), async (bytes) => {
        expect(await refusalOf(() => openRevocations(new Uint8Array(bytes), trust))).toBeDefined();
      }),
    );
  });
});
