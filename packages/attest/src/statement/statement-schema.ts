/**
 * The statement that is signed (spec CT1): in-toto Statement v1 with a Simple Verification Result, and what SVR leaves
 * open (model, verifiers, levels, evidence) in `predicate.labmesh`. Unknown fields are kept and passed over.
 */
import { z } from 'zod';
import { instant } from './instant.ts';
import { isolationLevels } from './properties.ts';

export const statementType = 'https://in-toto.io/Statement/v1';
export const predicateType = 'https://in-toto.io/attestation/svr/v0.1';
export const statementPayloadType = 'application/vnd.in-toto+json';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'no SHA-256 in lower-case hex');
const digest = z.looseObject({ sha256 });
const name = z.string().min(1).max(200);

const verifier = z.looseObject({
  name,
  version: z.string().max(200),
  /** Of the verifier's code and settings, so that a fault found later can be traced to certificates. */
  digest: sha256,
  status: z.enum(['passed', 'failed', 'skipped', 'error']),
  hard: z.boolean(),
  /** Null when it ran nothing of the candidate's. */
  level: z.enum(isolationLevels).nullable(),
  limits: z.record(z.string(), z.json()).nullable(),
  evidence_sha256: sha256.nullable(),
});

const executionProof = z.looseObject({
  execution_id: name,
  code_hash: sha256,
  exit_code: z.int(),
  stdout_hash: sha256,
  stderr_hash: sha256,
  execution_time_ms: z.number().nonnegative(),
  tests_passed: z.int().nonnegative(),
  tests_total: z.int().nonnegative(),
  timestamp: instant,
});

const severity = z.enum(['critical', 'high', 'medium', 'low']);
const complianceReport = z.looseObject({
  report_id: name,
  scan_time: instant,
  status: z.enum(['compliant', 'non_compliant', 'partial', 'unknown']),
  violations: z
    .array(
      z.looseObject({
        policy_id: name,
        category: z.enum(['encryption', 'access_control', 'network', 'logging', 'data_protection', 'cost', 'tagging']),
        severity,
        resource_type: z.string(),
        resource_name: z.string(),
        message: z.string(),
        remediation: z.string().nullable(),
        line_number: z.int().nonnegative().nullable(),
      }),
    )
    .max(1000),
  resources_scanned: z.int().nonnegative(),
  policies_checked: z.int().nonnegative(),
  summary: z.record(severity, z.int().nonnegative()),
  metadata: z.record(z.string(), z.json()),
});

const labmesh = z.looseObject({
  certificate_id: name,
  trajectory_id: name,
  bracket: z.enum(['none', 'opencoder', 'opencloudinfra']),
  /** `valid`; of OpenCloudInfra `compliant` or `partial`. Nothing else is ever signed. */
  status: z.enum(['valid', 'compliant', 'partial']),
  issuer: name,
  issued_at: instant,
  expires_at: instant.nullable(),
  /** `digest` is "unknown" when it is not known, never a guess. */
  model: z.looseObject({ id: name, digest: z.union([z.literal('unknown'), sha256]) }),
  sampling: z.array(z.json()).max(16),
  verifiers: z.array(verifier).min(1).max(64),
  suite_sha256: sha256.nullable(),
  tournament: z
    .looseObject({
      method: name,
      judge: name,
      prompt_sha256: sha256.nullable(),
      both_orders: z.boolean(),
      match_root: sha256.nullable(),
    })
    .nullable(),
  policy: z.looseObject({ cedar: sha256.nullable(), opa: sha256.nullable(), decisions_root: sha256.nullable() }),
  execution_proof: executionProof.nullable(),
  security_audit: z.looseObject({ tool: name, passed: z.boolean(), findings_count: z.int().nonnegative() }).nullable(),
  compliance_report: complianceReport.nullable(),
  /** Of the answer's code, for the functional view; absent elsewhere. */
  metadata: z.record(z.string(), z.json()).optional(),
  /** Ties the bundle's salt to what was signed: a hash of 16 random bytes tells nothing of them. */
  salt_sha256: sha256,
});

export const statementSchema = z.looseObject({
  _type: z.literal(statementType),
  subject: z.array(z.looseObject({ name, digest })).min(1).max(16),
  predicateType: z.literal(predicateType),
  predicate: z.looseObject({
    verifier: z.looseObject({ id: z.url(), policy: z.looseObject({ digest }) }),
    timeCreated: instant,
    properties: z.array(name).max(64),
    labmesh,
  }),
});

export type Statement = z.infer<typeof statementSchema>;
