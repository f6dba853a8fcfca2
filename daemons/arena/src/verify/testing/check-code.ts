/** Asks runtime_verifier about one program, as a run would. */
import type { SandboxRunner } from '@labmesh/wire/verification/sandbox';
import type { Suite } from '@labmesh/wire/verification/suite';
import type { Finding } from '../../contract/verifier.ts';
import { makeCandidate } from '../make-candidate.ts';
import { runtimeVerifier } from '../runtime/runtime-verifier.ts';
import { testRunner } from './test-runner.ts';

export type CheckOptions = {
  suite?: Suite;
  config?: Record<string, unknown>;
  runner?: SandboxRunner;
  signal?: AbortSignal;
  metadata?: Record<string, unknown>;
};

const never = new AbortController().signal;

export function checkAnswer(answer: string, options: CheckOptions = {}): Promise<Finding> {
  const { suite, config, runner, signal = never, metadata } = options;
  const candidate = makeCandidate({ messages: [], answer, metadata });
  const context = { config: runtimeVerifier.configSchema.parse(config ?? {}), suite, signal };
  return runtimeVerifier.verify(candidate, { ...context, runner: runner ?? testRunner });
}

export const fenced = (language: string, code: string) => `\`\`\`${language}\n${code}\n\`\`\`\n`;

export const checkCode = (language: string, code: string, options: CheckOptions = {}) =>
  checkAnswer(fenced(language, code), options);
