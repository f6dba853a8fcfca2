import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import { createPublicKey, verify } from 'node:crypto';
import { sampleInput, sampleIssuer, sampleTrust } from '../testing/sample-certificate.ts';
import { issueCertificate } from './issue-certificate.ts';
import { jwksOf, summaryBytesMax, summaryJws } from './summary-jws.ts';

/** As any JWT library does it: by the key set alone. */
function check(jws: string, jwks: ReturnType<typeof jwksOf>): Record<string, unknown> | undefined {
  const [header = '', payload = '', signature = ''] = jws.split('.');
  const { kid, alg } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string; alg: string };
  const jwk = jwks.keys.find((key) => key.kid === kid);
  if (jwk === undefined || alg !== 'EdDSA') return undefined;
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  const isGood = verify(null, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'));
  return isGood ? (JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>) : undefined;
}

test('a summary is checked by the key set alone, and fits into a header', async () => {
  const issuer = await sampleIssuer();
  const { statement } = await issueCertificate(sampleInput(), [issuer.signer]);
  const jws = await summaryJws(statement, issuer.signer, 7);
  const jwks = jwksOf(sampleTrust(issuer));
  expect(jws.length).toBeLessThanOrEqual(summaryBytesMax);
  expect(check(jws, jwks)).toMatchObject({
    iss: 'https://labmesh.example/verifier/1',
    cid: 'cert-1',
    status: 'valid',
    iso: 'L1',
    log_index: 7,
    props: ['SYNTAX_OK', 'EXECUTED_EXIT_0', 'TESTS_PASSED_HIDDEN', 'AUDIT_OK', 'ISOLATION_L1'],
  });
  for (let at = 0; at < jws.length; at += 7) {
    const other = `${jws.slice(0, at)}${jws[at] === 'A' ? 'B' : 'A'}${jws.slice(at + 1)}`;
    const seen = (() => {
      try {
        return check(other, jwks);
      } catch {
        return undefined;
      }
    })();
    expect(seen).toBeUndefined();
  }
});

test('keys that revoke are not in the set; no index means not logged yet', async () => {
  const issuer = await sampleIssuer();
  const jwks = jwksOf(sampleTrust(issuer));
  expect(jwks.keys.map(({ kid }) => kid)).toEqual([issuer.signer.publicKey.keyid]);
  const { statement } = await issueCertificate(sampleInput(), [issuer.signer]);
  expect(check(await summaryJws(statement, issuer.signer, undefined), jwks)).toMatchObject({ log_index: null });
});

test('what does not fit is refused', async () => {
  const issuer = await sampleIssuer();
  const input = {
    ...sampleInput(),
    verifier: { ...sampleInput().verifier, id: `https://${'a'.repeat(900)}.example/` },
  };
  const { statement } = await issueCertificate(input, [issuer.signer]);
  expect(await thrower(summaryJws(statement, issuer.signer, 1))).toThrow('1024 bytes');
});
