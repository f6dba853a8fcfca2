/** The two certificate forms of the original design, against files that were looked at (acceptance 5). */
import { describe, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CertificateInput, issueCertificate } from '../certificate/issue-certificate.ts';
import { generateSigner } from '../keys/signing-key.ts';
import { infraInput, sampleInput, sampleNow, sampleVerifier } from '../testing/sample-certificate.ts';
import { complianceView } from './compliance-view.ts';
import { functionalView } from './functional-view.ts';

const signer = generateSigner();

const statementOf = async (input: CertificateInput) => (await issueCertificate(input, [signer])).statement;

/** `UPDATE_GOLDEN=1 bun test …` writes them anew. */
function expectGolden(name: string, value: unknown): void {
  const path = join(import.meta.dir, 'testdata', name);
  const text = `${JSON.stringify(value, null, 2)}\n`;
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, text);
  expect(text).toBe(readFileSync(path, 'utf8'));
}

describe('the functional view', () => {
  test('is its golden file', async () => {
    expectGolden('functional.golden.json', functionalView(await statementOf(sampleInput()), sampleNow));
  });

  test('has hashes of 16 characters, and expires', async () => {
    const statement = await statementOf(sampleInput());
    const view = functionalView(statement, sampleNow);
    expect(view.execution_proof?.code_hash).toBe(
      statement.predicate.labmesh.execution_proof?.code_hash.slice(0, 16) ?? '',
    );
    expect(functionalView(statement, sampleNow + 24 * 3_600_000).status).toBe('expired');
    expect(functionalView(await statementOf({ ...sampleInput(), validityHours: undefined }), 1e15).status).toBe(
      'valid',
    );
  });

  test('without what a bracket does not have', async () => {
    const verifiers = [sampleVerifier('safety_filter'), sampleVerifier('leash_verifier')];
    const input = sampleInput({
      bracket: 'none',
      verifiers,
      execution_proof: null,
      security_audit: null,
      metadata: undefined,
    });
    const view = functionalView(await statementOf({ ...input, properties: [] }), sampleNow);
    expect(view).toMatchObject({
      execution_proof: null,
      security_audit: null,
      network_policy_check: true,
      metadata: {},
    });
    const alone = { ...input, labmesh: { ...input.labmesh, verifiers: verifiers.slice(0, 1) }, properties: [] };
    expect(functionalView(await statementOf(alone), sampleNow).network_policy_check).toBe(false);
  });
});

describe('the compliance view', () => {
  test('is its golden file', async () => {
    expectGolden('compliance.golden.json', complianceView(await statementOf(infraInput())));
  });

  test('says null of what was not run, and false of what failed and did not have to pass', async () => {
    const input = infraInput();
    const level = 'SANDBOX_L1_NAMESPACE';
    const of = async (...verifiers: CertificateInput['labmesh']['verifiers']) => {
      const labmesh = { ...input.labmesh, verifiers };
      const { opa_passed, tfsec_passed } = complianceView(
        await statementOf({ ...input, labmesh, properties: ['LABMESH_ISOLATION_L1'] }),
      );
      return [opa_passed, tfsec_passed];
    };
    const terraform = sampleVerifier('terraform_verifier', { level });
    expect(await of(terraform)).toEqual([null, null]);
    const soft = { hard: false, level } as const;
    expect(
      await of(
        terraform,
        sampleVerifier('opa_verifier', { ...soft, status: 'failed' }),
        sampleVerifier('tfsec', { ...soft, status: 'failed' }),
      ),
    ).toEqual([false, false]);
    expect(await of(terraform, sampleVerifier('opa_verifier', { ...soft, status: 'skipped' }))).toEqual([null, null]);
  });

  test('of a certificate of another bracket there is nothing to tell', async () => {
    expect(complianceView(await statementOf(sampleInput()))).toMatchObject({
      status: 'unknown',
      compliance_report: null,
    });
  });
});
