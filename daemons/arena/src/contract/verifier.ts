/** The plugin contract of verifiers (V5, V6). */
import type { SandboxLevel, SandboxRunner } from '@labmesh/wire/verification/sandbox';
import type { Suite } from '@labmesh/wire/verification/suite';
import type { Verdict } from '@labmesh/wire/verification/verdict';
import type { z } from 'zod';
import type { Candidate } from './candidate.ts';

/** 0 text, 1 parse, 2 tool, 3 execution: run in this order; a hard fail skips the higher ones of that candidate. */
export type VerifierClass = 0 | 1 | 2 | 3;

/** What a verifier finds; who it is, its digest and its time are added by the pipeline. */
export type Finding = Pick<Verdict, 'status' | 'message' | 'details'> & {
  scoreModifier?: number;
  level?: SandboxLevel | null;
  evidenceSha256?: string;
  code?: string;
  /** Properties that a pass grants in a certificate, without LABMESH_ (CT2), such as SYNTAX_OK. */
  grants?: readonly string[];
};

export type VerifierContext<C> = {
  config: C;
  runner: SandboxRunner;
  /** The suite that the request named: only runtime_verifier reads it. */
  suite: Suite | undefined;
  signal: AbortSignal;
};

export type Verifier<C = unknown> = {
  name: string;
  version: string;
  description: string;
  class: VerifierClass;
  /** null: runs no candidate code and no parser over it outside this process. */
  minLevel: SandboxLevel | null;
  hard: boolean;
  /** Runs when a request names none and settings say nothing; absent = yes. */
  byDefault?: boolean;
  configSchema: z.ZodType<C>;
  /** A throw is `error` under this verifier's name. */
  verify: (candidate: Candidate, context: VerifierContext<C>) => Promise<Finding>;
  /** One process for all; same order as the candidates. */
  verifyBatch?: (candidates: readonly Candidate[], context: VerifierContext<C>) => Promise<Finding[]>;
};
