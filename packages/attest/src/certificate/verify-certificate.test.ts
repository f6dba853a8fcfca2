import { describe, expect, test } from 'bun:test';
import { pae, signEnvelope } from '../dsse/envelope.ts';
import { canonicalBytes, type Json } from '../json/canonical-json.ts';
import { generateSigner, type Signer } from '../keys/signing-key.ts';
import { type Trust, trustInKey, type TrustedKey } from '../keys/trust.ts';
import { entryBytes } from '../merkle/log-entry.ts';
import { sha256Hex } from '../sha256.ts';
import { statementPayloadType } from '../statement/statement-schema.ts';
import {
  infraInput,
  sampleFile,
  sampleInput,
  sampleIssuer,
  sampleNow,
  sampleResponse,
  sampleTrust,
  sampleVerifier,
} from '../testing/sample-certificate.ts';
import { bundleBytes } from './bundle.ts';
import { type CertificateInput, certificateFile, issueCertificate } from './issue-certificate.ts';
import { verifyCertificate, type VerifyOptions } from './verify-certificate.ts';

const options: VerifyOptions = { now: sampleNow, revocationsUnknown: true };
const issuer = await sampleIssuer();
const trust = sampleTrust(issuer);
const byKey = trustInKey(issuer.signer.publicKey);
const file = await sampleFile(issuer);

const report = (bytes: Uint8Array, by: Trust = trust, more: Partial<VerifyOptions> = {}) =>
  verifyCertificate(bytes, by, { ...options, ...more });
const codeOf = async (...args: Parameters<typeof report>) => (await report(...args)).code;

describe('what is told of a valid certificate', () => {
  test('what was proven, by which verifier in which version, at which level', async () => {
    const found = await report(file);
    expect(found).toMatchObject({ verdict: 'valid', reason: undefined, isolation: 'SANDBOX_L1_NAMESPACE' });
    expect(found.certificate).toMatchObject({ id: 'cert-1', model: { id: 'tiny-coder', digest: 'unknown' } });
    expect(found.signedBy).toEqual([issuer.signer.publicKey.keyid]);
    expect(found.log).toMatchObject({ origin: 'labmesh.example/log', index: 5, size: 6 });
    expect(found.proven.map(({ property }) => property)).toEqual([
      'LABMESH_SYNTAX_OK',
      'LABMESH_EXECUTED_EXIT_0',
      'LABMESH_TESTS_PASSED_HIDDEN',
      'LABMESH_AUDIT_OK',
    ]);
    expect(found.proven[2]?.verifiers).toEqual([
      expect.objectContaining({ name: 'runtime_verifier', version: '1.2.0', level: 'SANDBOX_L1_NAMESPACE' }),
    ]);
  });

  test('and what was not', async () => {
    const { notProven } = await report(file);
    for (const part of [
      'that the answer is right',
      'correctness beyond the hidden cases of suite',
      'the model digest is unknown',
      'what leash_verifier checks: it found nothing to check',
      'isolation above SANDBOX_L1_NAMESPACE',
      'that it was not revoked',
      'no response was compared',
      'not checked: the JSON holds to the schema asked for',
    ]) {
      expect(notProven.join('\n')).toContain(part);
    }
    expect(notProven.join('\n')).not.toContain('not checked: the code parses');
  });

  test('with one key and no log, that no log was asked', async () => {
    const found = await report(file, byKey);
    expect([found.verdict, found.log]).toEqual(['valid', undefined]);
    expect(found.notProven).toContain('that it is in a transparency log: no log is trusted here');
  });

  test('an unknown property is passed on as unknown, and proves nothing', async () => {
    const input = { ...sampleInput(), properties: [...sampleInput().properties, 'OTHER_THING'] };
    const found = await report(await sampleFile(issuer, input));
    expect(found.proven.map(({ property }) => property)).not.toContain('OTHER_THING');
    expect(found.notProven).toContain('OTHER_THING: a property that is unknown here');
  });

  test('of infrastructure too', async () => {
    const found = await report(await sampleFile(issuer, infraInput()));
    expect([found.verdict, found.isolation]).toEqual(['valid', 'SANDBOX_L0_WASM']);
  });
});

describe('the response', () => {
  test('is compared by the salt', async () => {
    const found = await report(file, trust, { response: sampleResponse });
    expect([found.verdict, found.notProven.some((one) => one.includes('no response was compared'))]).toEqual([
      'valid',
      false,
    ]);
    for (const other of [`${sampleResponse} `, '', sampleResponse.trim(), [sampleResponse]]) {
      expect(await codeOf(file, trust, { response: other })).toBe('RESPONSE_DIFFERS');
    }
  });

  test('cannot be compared with what is made public, nor guessed from it', async () => {
    const issued = await issueCertificate(sampleInput(), [issuer.signer]);
    const open = certificateFile(issued, undefined, 'everybody');
    expect(new TextDecoder().decode(open)).not.toContain(issued.salt.toHex());
    expect(await codeOf(open, byKey, { response: sampleResponse })).toBe('SALT_BAD');
    const again = await issueCertificate(sampleInput(), [issuer.signer]);
    expect(again.statement.subject[0]?.digest).not.toEqual(issued.statement.subject[0]?.digest as never);
  });
});

describe('the log cannot be left out', () => {
  test('where one is trusted, a certificate without proof is refused', async () => {
    const issued = await issueCertificate(sampleInput(), [issuer.signer]);
    expect(await codeOf(certificateFile(issued, undefined))).toBe('LOG_PROOF_MISSING');
    expect((await report(certificateFile(issued, undefined), byKey)).verdict).toBe('valid');
  });

  type Entry = Parameters<typeof entryBytes>[0];
  const time = '2026-03-01T12:00:00.000Z';
  /** A certificate with the proof of an entry that is as it should be but for `changes`. */
  const logged = async (changes: Partial<Entry>) => {
    const issued = await issueCertificate(sampleInput(), [issuer.signer]);
    const sha256 = sha256Hex(pae(issued.dsse.payloadType, Uint8Array.fromBase64(issued.dsse.payload)));
    const entry = entryBytes({ v: 1, kind: 'certificate', id: 'cert-1', sha256, time, ...changes });
    const { firstIndex } = await issuer.log.append([entry]);
    return certificateFile(issued, await issuer.log.prove(firstIndex));
  };

  test('a proof of something else is none: another hash, id or kind', async () => {
    expect(await codeOf(await logged({}))).toBeUndefined();
    for (const change of [{ sha256: '0'.repeat(64) }, { id: 'cert-9' }, { kind: 'audit' }] as const) {
      expect([change, await codeOf(await logged(change))]).toEqual([change, 'LOG_PROOF_BAD']);
    }
  });

  test('a proof of what is no entry at all is none', async () => {
    const issued = await issueCertificate(sampleInput(), [issuer.signer]);
    const { firstIndex } = await issuer.log.append([new TextEncoder().encode('no entry')]);
    expect(await codeOf(certificateFile(issued, await issuer.log.prove(firstIndex)))).toBe('JSON_BAD');
  });

  test('one that was logged long after it says it was issued was dated back', async () => {
    for (const [shiftMs, code] of [
      [0, undefined],
      [-86_400_000 + 60_000, undefined],
      [-86_400_000 - 60_000, 'LOG_PROOF_BAD'],
      [400_000, 'LOG_PROOF_BAD'],
    ] as const) {
      const input = { ...sampleInput(), issuedAt: sampleNow - 1000 + shiftMs, verifiedAt: sampleNow - 2000 + shiftMs };
      const issued = await issueCertificate({ ...input, validityHours: undefined }, [issuer.signer]);
      const hash = sha256Hex(pae(issued.dsse.payloadType, Uint8Array.fromBase64(issued.dsse.payload)));
      const entry = entryBytes({ v: 1, kind: 'certificate', id: 'cert-1', sha256: hash, time });
      const { firstIndex } = await issuer.log.append([entry]);
      const bytes = certificateFile(issued, await issuer.log.prove(firstIndex));
      const open = { ...trust, keys: trust.keys.map((key) => ({ ...key, notBefore: 0 })) };
      expect([shiftMs, await codeOf(bytes, open, { now: sampleNow + 86_400_000 })]).toEqual([shiftMs, code]);
    }
  });

  test('a proof of another log, also one of the same name, is none', async () => {
    const other = await sampleIssuer();
    const bytes = await sampleFile({ ...other, signer: issuer.signer });
    expect(await codeOf(bytes)).toBe('SIGNATURE_BAD');
  });
});

describe('keys', () => {
  const signed = (...signers: Signer[]) =>
    issueCertificate(sampleInput(), signers).then((issued) => certificateFile(issued, undefined));
  const key = (signer: Signer, changes: Partial<TrustedKey> = {}): TrustedKey => ({
    ...(trustInKey(signer.publicKey).keys[0] as TrustedKey),
    ...changes,
  });
  const [one, two] = [generateSigner(), generateSigner()];
  const by = (keys: TrustedKey[], threshold = 1): Trust => ({ keys, log: undefined, threshold });

  test('an untrusted one, or one for another use, signs nothing', async () => {
    expect(await codeOf(await signed(two), by([key(one)]))).toBe('SIGNATURE_BAD');
    expect(await codeOf(await signed(one), by([key(one, { usage: 'revocation' }), key(two)]))).toBe('SIGNATURE_BAD');
  });

  test('the time of issue has to be in the time of the key', async () => {
    const issuedAt = sampleInput().issuedAt;
    for (const [notBefore, notAfter, code] of [
      [issuedAt, undefined, undefined],
      [issuedAt, issuedAt + 1, undefined],
      [issuedAt + 1, undefined, 'KEY_WINDOW'],
      [0, issuedAt, 'KEY_WINDOW'],
    ] as const) {
      expect(await codeOf(await signed(one), by([key(one, { notBefore, notAfter })]))).toBe(code as never);
    }
  });

  test('two of two have to have signed, and both in their time', async () => {
    const both = [key(one), key(two)];
    expect(await codeOf(await signed(one, two), by(both, 2))).toBeUndefined();
    expect(await codeOf(await signed(one, one), by(both, 2))).toBe('SIGNATURE_BAD');
    expect(await codeOf(await signed(one, two), by([key(one), key(two, { notAfter: 1 })], 2))).toBe('KEY_WINDOW');
  });

  test('a keyid that is not its key’s is refused, though the signature holds', async () => {
    const { dsse, salt } = await issueCertificate(sampleInput(), [one]);
    const renamed = dsse.signatures.map((signature) => ({ ...signature, keyid: two.publicKey.keyid }));
    expect(await codeOf(bundleBytes({ dsse: { ...dsse, signatures: renamed }, salt }), by([key(one)]))).toBe(
      'SIGNATURE_BAD',
    );
  });
});

describe('signed by the right key and yet refused', () => {
  const file = async (statement: Json, type = statementPayloadType) =>
    bundleBytes({ dsse: await signEnvelope(type, canonicalBytes(statement), [issuer.signer]) });
  const good = async () => (await issueCertificate(sampleInput(), [issuer.signer])).statement as Json;

  test('another payload type, though the payload is a statement', async () => {
    expect(await codeOf(await file(await good()), byKey)).toBeUndefined();
    for (const type of [
      'application/json',
      'application/vnd.in-toto+JSON',
      'application/vnd.labmesh.revocation+json',
    ]) {
      expect(await codeOf(await file(await good(), type), byKey)).toBe('PAYLOAD_TYPE');
    }
  });

  test('another document of ours under the type of a statement', async () => {
    expect(await codeOf(await file({ number: 1, revocations: [] }), byKey)).toBe('STATEMENT_BAD');
  });

  test('a payload that is not canonical', async () => {
    const bytes = new TextEncoder().encode(JSON.stringify(await good(), null, 1));
    const dsse = await signEnvelope(statementPayloadType, bytes, [issuer.signer]);
    expect(await codeOf(bundleBytes({ dsse }), byKey)).toBe('JSON_NOT_CANONICAL');
  });

  test('base64 in the other alphabet: the bytes are the same, the file is not ours', async () => {
    const { dsse } = await issueCertificate(sampleInput(), [issuer.signer]);
    const sig = (dsse.signatures[0]?.sig ?? '').replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    const other = { ...dsse, signatures: dsse.signatures.map((one) => ({ ...one, sig })) };
    expect(await codeOf(bundleBytes({ dsse: other }), byKey)).toBe('BUNDLE_BAD');
  });
});

describe('time', () => {
  const end = sampleInput().issuedAt + 24 * 3_600_000;
  test('it expires to the millisecond, and nothing is proven from then on', async () => {
    expect((await report(file, trust, { now: end - 1 })).verdict).toBe('valid');
    const found = await report(file, trust, { now: end });
    expect([found.verdict, found.proven]).toEqual(['expired', []]);
    expect(found.certificate?.id).toBe('cert-1');
  });

  test('one from the future is refused, five minutes are forgiven', async () => {
    expect((await report(file, trust, { now: sampleNow - 300_000 })).verdict).toBe('valid');
    expect(await codeOf(file, trust, { now: sampleNow - 400_000 })).toBe('KEY_WINDOW');
  });

  test('validity is plain addition of hours, over every month end', async () => {
    for (let hour = 0; hour < 24 * 366; hour += 7) {
      const issuedAt = Date.UTC(2024, 0, 1, hour);
      const input: CertificateInput = { ...sampleInput(), issuedAt, verifiedAt: issuedAt, validityHours: 24 };
      const { labmesh } = (await issueCertificate(input, [issuer.signer])).statement.predicate;
      expect(Date.parse(labmesh.expires_at ?? '') - Date.parse(labmesh.issued_at)).toBe(86_400_000);
    }
  });
});

test('without word on revocations the verdict is that, unless the caller takes it on himself', async () => {
  const found = await report(file, trust, { revocationsUnknown: false });
  expect([found.verdict, found.reason]).toEqual(['revocation_unknown', 'no revocation list was given']);
  expect(found.proven.length).toBeGreaterThan(0);
});

test('a verifier that did not pass is told', async () => {
  const verifiers = [
    ...sampleInput().labmesh.verifiers,
    sampleVerifier('safety_filter', { status: 'error', hard: false }),
    sampleVerifier('json_schema', { status: 'failed', hard: false, level: 'SANDBOX_L2_USERKERNEL' }),
  ];
  const { notProven } = await report(await sampleFile(issuer, sampleInput({ verifiers })));
  expect(notProven).toContain('what safety_filter checks: it could not check');
  expect(notProven).toContain('what json_schema checks: it failed, and was not asked to pass');
});
