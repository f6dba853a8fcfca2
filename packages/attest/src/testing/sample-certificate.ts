/** Certificates for tests: nothing was verified here, and they say so by their names. */
import { type CertificateInput, certificateFile, issueCertificate } from '../certificate/issue-certificate.ts';
import { newKeyRing, keyInForce, type KeyRing, trustOf } from '../keys/key-ring.ts';
import type { Signer } from '../keys/signing-key.ts';
import { TransparencyLog } from '../log/transparency-log.ts';
import { sha256Hex } from '../sha256.ts';
import { utf8 } from '../bytes/bytes.ts';
import { memoryDisk } from './memory-disk.ts';

export const sampleNow = Date.parse('2026-03-01T12:00:00.000Z');
export const sampleResponse = 'def add(a, b):\n    return a + b\n';

const hash = (text: string) => sha256Hex(utf8(text));

type Verifier = CertificateInput['labmesh']['verifiers'][number];

export const sampleVerifier = (name: string, changes: Partial<Verifier> = {}): Verifier => ({
  name,
  version: '1.2.0',
  digest: hash(name),
  status: 'passed',
  hard: true,
  level: null,
  limits: null,
  evidence_sha256: null,
  ...changes,
});

/** An OpenCoder certificate at L1. */
export function sampleInput(changes: Partial<CertificateInput['labmesh']> = {}): CertificateInput {
  const level = 'SANDBOX_L1_NAMESPACE';
  return {
    subjects: {
      response: sampleResponse,
      request: [{ role: 'user', content: 'write add' }],
      trajectory: { messages: 2 },
    },
    verifier: { id: 'https://labmesh.example/verifier/1', policy: { digest: { sha256: hash('policy') } } },
    verifiedAt: sampleNow - 2000,
    issuedAt: sampleNow - 1000,
    validityHours: 24,
    properties: [
      'LABMESH_SYNTAX_OK',
      'LABMESH_EXECUTED_EXIT_0',
      'LABMESH_TESTS_PASSED_HIDDEN',
      'LABMESH_AUDIT_OK',
      'LABMESH_ISOLATION_L1',
    ],
    labmesh: {
      certificate_id: 'cert-1',
      trajectory_id: 'traj-1',
      bracket: 'opencoder',
      status: 'valid',
      issuer: 'OpenCoderBracket',
      model: { id: 'tiny-coder', digest: 'unknown' },
      sampling: [{ temperature: 0.7, seed: 42 }],
      verifiers: [
        sampleVerifier('code_linter', { level }),
        sampleVerifier('leash_verifier', { status: 'skipped' }),
        sampleVerifier('runtime_verifier', { level, limits: { wall_s: 30 }, evidence_sha256: hash('log') }),
      ],
      suite_sha256: hash('suite'),
      tournament: null,
      policy: { cedar: null, opa: null, decisions_root: null },
      execution_proof: {
        execution_id: 'exec-1',
        code_hash: hash(sampleResponse),
        exit_code: 0,
        stdout_hash: hash('out'),
        stderr_hash: hash(''),
        execution_time_ms: 17.5,
        tests_passed: 3,
        tests_total: 3,
        timestamp: '2026-03-01T11:59:57.000Z',
      },
      security_audit: { tool: 'builtin', passed: true, findings_count: 0 },
      compliance_report: null,
      metadata: { code_blocks_count: 1, total_code_size: sampleResponse.length },
      ...changes,
    },
  };
}

/** An OpenCloudInfra certificate. */
export function infraInput(): CertificateInput {
  const level = 'SANDBOX_L1_NAMESPACE';
  return {
    ...sampleInput({
      bracket: 'opencloudinfra',
      status: 'partial',
      issuer: 'OpenCloudInfraBracket',
      verifiers: [
        sampleVerifier('opa_verifier', { level: 'SANDBOX_L0_WASM' }),
        sampleVerifier('terraform_verifier', { level }),
      ],
      suite_sha256: null,
      execution_proof: null,
      security_audit: null,
      compliance_report: {
        report_id: 'report-1',
        scan_time: '2026-03-01T11:59:57.000Z',
        status: 'partial',
        violations: [
          {
            policy_id: 'aws-vpc-no-default-vpc',
            category: 'network',
            severity: 'medium',
            resource_type: 'aws_default_vpc',
            resource_name: 'main',
            message: 'the default VPC is used',
            remediation: null,
            line_number: 3,
          },
        ],
        resources_scanned: 4,
        policies_checked: 6,
        summary: { critical: 0, high: 0, medium: 1, low: 0 },
        metadata: {},
      },
      metadata: undefined,
    }),
    properties: ['LABMESH_INFRA_POLICY_OK', 'LABMESH_TERRAFORM_TFSEC_OK', 'LABMESH_ISOLATION_L0'],
  };
}

export type SampleIssuer = { ring: KeyRing; signer: Signer; log: TransparencyLog };

/** Keys made a minute before `sampleNow`, and a log in memory with some entries of others in it. */
export async function sampleIssuer(othersLogged = 5): Promise<SampleIssuer> {
  const ring = newKeyRing(sampleNow - 60_000, 'labmesh.example/log');
  const log = await TransparencyLog.open({ disk: memoryDisk(), ...ring.log });
  await log.append(Array.from({ length: othersLogged }, (_, index) => utf8(`other ${index}`)));
  return { ring, signer: keyInForce(ring, 'certificate', sampleNow).signer, log };
}

/** Issued, logged, and written as the tenant's file. */
export async function sampleFile(issuer: SampleIssuer, input = sampleInput()): Promise<Uint8Array<ArrayBuffer>> {
  const issued = await issueCertificate(input, [issuer.signer]);
  const { firstIndex } = await issuer.log.append([issued.entry]);
  return certificateFile(issued, await issuer.log.prove(firstIndex));
}

export const sampleTrust = ({ ring }: SampleIssuer) => trustOf(ring);
