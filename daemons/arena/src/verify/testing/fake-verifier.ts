import { z } from 'zod';
import type { Candidate } from '../../contract/candidate.ts';
import type { Finding, Verifier, VerifierContext } from '../../contract/verifier.ts';
import { defineVerifier } from '../define-verifier.ts';

const configSchema = z.strictObject({ limit: z.int().min(0).default(1) });
export type FakeConfig = z.infer<typeof configSchema>;
type Rest = Partial<Omit<Verifier<FakeConfig>, 'configSchema' | 'verify'>>;

/** A verifier of class 0 that passes everything, or does what the test says. */
export const fakeVerifier = (
  name: string,
  verify: (candidate: Candidate, context: VerifierContext<FakeConfig>) => Finding | Promise<Finding> = () =>
    found('passed'),
  rest: Rest = {},
): Verifier =>
  defineVerifier<FakeConfig>({
    name,
    version: '1.0.0',
    description: 'a fake',
    class: 0,
    minLevel: null,
    hard: true,
    configSchema,
    verify: async (candidate, context) => verify(candidate, context),
    ...rest,
  });

export const found = (status: Finding['status'], more: Partial<Finding> = {}): Finding => ({
  status,
  message: status,
  details: {},
  ...more,
});
