/**
 * What a certificate says of a run (verification CT1, CT2): taken from the verdicts of the answer that was chosen, and of
 * nothing else. A claim that no passed verdict bears out is not made.
 */
import type { CertificateInput } from '@labmesh/attest/certificate/issue-certificate';
import { canonicalBytes, type Json } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import { isolationProperty, lowestLevel, properties } from '@labmesh/attest/statement/properties';
import type { ChatMessage } from '@labmesh/wire/openai';
import type { SandboxLevel } from '@labmesh/wire/verification/sandbox';
import type { Verdict } from '@labmesh/wire/verification/verdict';
import { z } from 'zod';
import type { FinishedAnswer, FinishedRun } from '../contract/finished-run.ts';
import { codeMetadata } from './code-metadata.ts';

type Labmesh = CertificateInput['labmesh'];

/** Text is certified as text, so that `labctl cert verify --response FILE` compares a file; anything else as a message. */
function responseOf(answer: ChatMessage): Json {
  const { content, tool_calls: calls } = answer;
  return typeof content === 'string' && (calls ?? []).length === 0 ? content : plain(answer);
}

/** Why a run that is valid gets no certificate; `reason` is shown to who asked. */
export type Uncertified = { reason: string };

export const certificateId = (runId: string) => `cert-${runId}`;

/** Values that a client or a plugin gave, as JSON: what JSON cannot say is gone. */
const plain = (value: unknown): Json => JSON.parse(JSON.stringify(value ?? null)) as Json;
const hashOf = (value: unknown) => sha256Hex(canonicalBytes(plain(value)));

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** How runtime_verifier tells of what it ran; its details hold more. */
const executionSchema = z.object({
  execution_id: z.string().min(1).max(200),
  code_hash: sha256,
  exit_code: z.int(),
  stdout_hash: sha256,
  stderr_hash: sha256,
  execution_time_ms: z.number().min(0),
  tests_passed: z.int().min(0),
  tests_total: z.int().min(0),
  timestamp: z.string(),
});
const auditSchema = z.object({ tool: z.string().min(1).max(200), findings_count: z.int().min(0) });

const passedOf = (verdicts: readonly Verdict[], name: string) =>
  verdicts.find((one) => one.pluginName === name && one.status === 'passed');

function executionProof(verdicts: readonly Verdict[]): Labmesh['execution_proof'] {
  const parsed = executionSchema.safeParse(passedOf(verdicts, 'runtime_verifier')?.details['execution']);
  return parsed.success ? parsed.data : null;
}

function securityAudit(verdicts: readonly Verdict[]): Labmesh['security_audit'] {
  const parsed = auditSchema.safeParse(passedOf(verdicts, 'security_audit')?.details);
  return parsed.success ? { ...parsed.data, passed: true } : null;
}

const verifierOf = ({ pluginName, version, digest, status, hard, level, details, evidenceSha256 }: Verdict) => ({
  name: pluginName,
  version,
  digest,
  status,
  hard,
  level,
  limits: z.record(z.string(), z.json()).safeParse(details['limits']).data ?? null,
  evidence_sha256: evidenceSha256,
});

/** Policies of hosts and infrastructure are not looked at yet: the fields say so. */
const noPolicy = { cedar: null, opa: null, decisions_root: null };

function tournamentOf({ tournament }: FinishedRun): Labmesh['tournament'] {
  if (tournament === null) return null;
  const { method, judge, promptSha256, matches, legs } = tournament;
  return {
    method,
    judge,
    prompt_sha256: promptSha256,
    both_orders: legs.some(({ leg }) => leg === 'ba'),
    match_root: matches.length === 0 ? null : hashOf({ matches, legs }),
  };
}

/** Names of properties with their head, only those that the table knows and the passed checks grant. */
function propertiesOf(answer: FinishedAnswer, audit: Labmesh['security_audit'], level: SandboxLevel | undefined) {
  const granted = answer.grants.map((name) => `LABMESH_${name}`).filter((name) => Object.hasOwn(properties, name));
  const borne = granted.filter((name) => name !== 'LABMESH_AUDIT_OK' || audit !== null);
  return [...new Set(borne)].toSorted().concat(level === undefined ? [] : [isolationProperty(level)]);
}

/** What BR1 asks for beyond `valid`. */
function missingForOpenCoder(
  labmesh: Pick<Labmesh, 'execution_proof' | 'security_audit'>,
  verdicts: readonly Verdict[],
): string | undefined {
  if (labmesh.execution_proof === null) {
    // Hashes of what it printed for hidden arguments would let anybody try out what they are.
    return passedOf(verdicts, 'runtime_verifier') === undefined
      ? 'No code blocks found: nothing of the answer was executed'
      : 'the script was run with the arguments of its cases only: there is no execution that may be shown';
  }
  if (labmesh.execution_proof.exit_code !== 0) return 'the execution did not end with exit code 0';
  return labmesh.security_audit === null ? 'the security audit did not run' : undefined;
}

export type IssuerSettings = {
  /** URI of who verified. */
  verifierId: string;
  /** Hours; plain addition (BR1). */
  validityHours: number;
};

/** @param now Unix ms */
export function statementOfRun(
  run: FinishedRun,
  { verifierId, validityHours }: IssuerSettings,
  now: number,
): CertificateInput | Uncertified {
  const winner = run.chosen === null ? undefined : run.candidates.find((one) => one.index === run.chosen);
  const answer = winner?.final;
  if (winner === undefined || answer === undefined || answer === null || run.outcome !== 'valid') {
    return { reason: `the run is ${run.outcome}: only a valid answer is certified` };
  }
  if (answer.aggregate.outcome !== 'valid') return { reason: 'the answer chosen is not valid' };
  const verdicts = answer.aggregate.results;
  const verifiers = verdicts.map(verifierOf);
  const { bracket } = run.block;
  const proof = executionProof(verdicts);
  const audit = securityAudit(verdicts);
  const missing =
    bracket === 'opencoder'
      ? missingForOpenCoder({ execution_proof: proof, security_audit: audit }, verdicts)
      : undefined;
  if (missing !== undefined) return { reason: missing };
  const level = lowestLevel(
    verdicts.flatMap((one) => (one.level === null || one.status === 'skipped' ? [] : [one.level])),
  );
  const tournament = tournamentOf(run);
  const policy = {
    verifiers: verifiers.map(({ name, version, digest, hard }) => ({ name, version, digest, hard })),
    bracket,
  };
  return {
    subjects: {
      response: responseOf(answer.answer),
      request: plain(run.request),
      trajectory: plain({ run: run.id, candidates: run.candidates.map((one) => one.final?.digest ?? null) }),
    },
    verifier: { id: verifierId, policy: { digest: { sha256: hashOf(policy) } } },
    verifiedAt: Math.min(run.finishedAt, now),
    issuedAt: now,
    validityHours,
    properties: propertiesOf(answer, audit, level),
    labmesh: {
      certificate_id: certificateId(run.id),
      trajectory_id: run.id,
      bracket,
      status: 'valid',
      issuer: bracket === 'opencoder' ? 'OpenCoderBracket' : 'labmesh-arena',
      // Engines do not tell a digest of what they run; a guess would be a claim.
      model: { id: winner.model.slice(0, 200) || 'unknown', digest: 'unknown' },
      sampling: [{ ...winner.sampling, index: winner.index, of: run.candidates.length }],
      verifiers,
      suite_sha256: run.suiteSha256,
      tournament,
      policy: noPolicy,
      execution_proof: proof,
      security_audit: audit,
      compliance_report: null,
      metadata: codeMetadata(run, answer),
    },
  };
}
