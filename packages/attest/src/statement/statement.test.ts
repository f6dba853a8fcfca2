import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { AttestRefused } from '../attest-refused.ts';
import { issueCertificate, type CertificateInput } from '../certificate/issue-certificate.ts';
import { canonicalBytes, type Json } from '../json/canonical-json.ts';
import { generateSigner } from '../keys/signing-key.ts';
import { refusalOf } from '../testing/refusal.ts';
import { infraInput, sampleInput, sampleVerifier } from '../testing/sample-certificate.ts';
import { parseStatement, readStatement } from './statement.ts';

const signer = generateSigner();

const level = 'SANDBOX_L1_NAMESPACE';
type Labmesh = CertificateInput['labmesh'];

/** What is said of an OpenCoder certificate with these changes. */
const codeOf = (changes: Partial<Labmesh>, properties?: readonly string[]) => {
  const input = sampleInput(changes);
  return refusalOf(() => issueCertificate({ ...input, properties: properties ?? input.properties }, [signer]));
};
const with_ = (...more: Labmesh['verifiers']) => ({ verifiers: [...sampleInput().labmesh.verifiers, ...more] });

describe('a statement', () => {
  test('is the in-toto form, canonical, with its fields where the specification has them', async () => {
    const { statement } = await issueCertificate(sampleInput(), [signer]);
    expect(Object.keys(statement).toSorted()).toEqual(['_type', 'predicate', 'predicateType', 'subject']);
    expect(statement._type).toBe('https://in-toto.io/Statement/v1');
    expect(statement.predicateType).toBe('https://in-toto.io/attestation/svr/v0.1');
    expect(statement.subject.map(({ name }) => name)).toEqual(['response', 'request', 'trajectory']);
    expect(Object.keys(statement.predicate).toSorted()).toEqual(['labmesh', 'properties', 'timeCreated', 'verifier']);
    expect(parseStatement(canonicalBytes(statement))).toEqual(statement);
  });

  test('is read with fields that nobody knows, and refused without one that has to be there', async () => {
    const { statement } = await issueCertificate(sampleInput(), [signer]);
    const more = { ...statement, more: 1, predicate: { ...statement.predicate, more: { a: [1] } } };
    expect(readStatement(more)).toEqual(more);
    for (const path of [
      ['subject'],
      ['predicate', 'properties'],
      ['predicate', 'labmesh', 'salt_sha256'],
      ['predicate', 'labmesh', 'suite_sha256'],
    ]) {
      const cut = structuredClone(statement) as { [key: string]: unknown };
      const holder = path.slice(0, -1).reduce((at, key) => at[key] as { [key: string]: unknown }, cut);
      delete holder[path.at(-1) ?? ''];
      expect([path, await refusalOf(() => readStatement(cut))]).toEqual([path, 'STATEMENT_BAD']);
    }
  });

  test('of anything is read or refused by name', async () => {
    const statement = (await issueCertificate(sampleInput(), [signer])).statement as Json;
    const paths: string[][] = [];
    const walk = (value: Json, path: string[]) => {
      paths.push(path);
      if (typeof value === 'object' && value !== null)
        for (const [key, one] of Object.entries(value)) walk(one as Json, [...path, key]);
    };
    walk(statement, []);
    fc.assert(
      fc.property(fc.constantFrom(...paths.slice(1)), fc.jsonValue(), (path, value) => {
        const changed = structuredClone(statement) as { [key: string]: unknown };
        const holder = path.slice(0, -1).reduce((at, key) => at[key] as { [key: string]: unknown }, changed);
        holder[path.at(-1) ?? ''] = value;
        try {
          readStatement(changed);
        } catch (error) {
          expect(error).toBeInstanceOf(AttestRefused);
        }
      }),
      { numRuns: 1500 },
    );
  });
});

describe('a claim that the rest does not bear out is neither signed nor believed', () => {
  test('the sample is', async () => expect(await codeOf({})).toBeUndefined());

  const belied: [string, Partial<Labmesh>, string[]?][] = [
    ['a hard verifier failed', with_(sampleVerifier('opa_verifier', { status: 'failed', level }))],
    ['a hard verifier could not check', with_(sampleVerifier('safety_filter', { status: 'error' }))],
    ['no hard one passed', { verifiers: sampleInput().labmesh.verifiers.map((one) => ({ ...one, hard: false })) }],
    ['code was parsed at no stated level', with_(sampleVerifier('json_schema'))],
    [
      'code ran at no stated level',
      { verifiers: [sampleVerifier('code_linter', { level }), sampleVerifier('runtime_verifier')] },
    ],
    ['a property without its verifier', {}, ['LABMESH_TOOLS_OK', 'LABMESH_ISOLATION_L1']],
    ['a property of one that was skipped', {}, ['LABMESH_NETWORK_POLICY_OK', 'LABMESH_ISOLATION_L1']],
    [
      'a property of one that failed softly',
      with_(sampleVerifier('safety_filter', { status: 'failed', hard: false })),
      ['LABMESH_SAFETY_OK', 'LABMESH_ISOLATION_L1'],
    ],
    ['hidden tests without a suite', { suite_sha256: null }],
    ['a property twice', {}, ['LABMESH_SYNTAX_OK', 'LABMESH_SYNTAX_OK', 'LABMESH_ISOLATION_L1']],
    ['a level above the lowest used', with_(sampleVerifier('safety_filter', { level: 'SANDBOX_L0_WASM' }))],
    ['no level though one was used', {}, ['LABMESH_SYNTAX_OK']],
    ['two levels', {}, ['LABMESH_ISOLATION_L1', 'LABMESH_ISOLATION_L2']],
    ['OpenCoder without an execution', { execution_proof: null }, ['LABMESH_ISOLATION_L1']],
    ['OpenCoder without an audit', { security_audit: null }, ['LABMESH_ISOLATION_L1']],
    ['an audit that failed', { security_audit: { tool: 'x', passed: false, findings_count: 1 } }],
    ['another bracket’s status', { status: 'compliant' }],
    ['OpenCloudInfra without a report', { bracket: 'opencloudinfra', status: 'compliant' }],
  ];
  test.each(belied.map(([name, changes, properties]) => [name, { changes, properties }] as const))(
    '%s',
    async (_, { changes, properties }) => expect(await codeOf(changes, properties)).toBe('CLAIM_UNSUPPORTED'),
  );

  test('an exit code that was not 0', async () => {
    const proof = { ...sampleInput().labmesh.execution_proof, exit_code: 1 } as Labmesh['execution_proof'];
    expect(await codeOf({ execution_proof: proof }, ['LABMESH_ISOLATION_L1'])).toBe('CLAIM_UNSUPPORTED');
    expect(await codeOf({ execution_proof: proof, bracket: 'none' })).toBe('CLAIM_UNSUPPORTED');
  });

  test('a report that says something else than the status', async () => {
    const input = infraInput();
    const labmesh = { ...input.labmesh, status: 'compliant' } as Labmesh;
    expect(await refusalOf(() => issueCertificate({ ...input, labmesh }, [signer]))).toBe('CLAIM_UNSUPPORTED');
    expect(await refusalOf(() => issueCertificate(input, [signer]))).toBeUndefined();
  });

  test('times in the wrong order, and subjects missing or twice', async () => {
    const input = sampleInput();
    expect(await refusalOf(() => issueCertificate({ ...input, verifiedAt: input.issuedAt + 1 }, [signer]))).toBe(
      'CLAIM_UNSUPPORTED',
    );
    expect(await refusalOf(() => issueCertificate({ ...input, validityHours: 0 }, [signer]))).toBe('CLAIM_UNSUPPORTED');
    const { statement } = await issueCertificate(input, [signer]);
    const [response, request, trajectory] = statement.subject;
    for (const subject of [
      [response, request],
      [response, response, request, trajectory],
    ]) {
      expect(await refusalOf(() => readStatement({ ...statement, subject }))).toBe('CLAIM_UNSUPPORTED');
    }
  });

  test('failed, invalid or pending has no statement at all', async () => {
    for (const status of ['invalid', 'failed', 'pending', 'expired', 'non_compliant']) {
      expect(await codeOf({ status: status as 'valid' })).toBe('STATEMENT_BAD');
    }
  });
});
