/** One answer through all verifiers, in this process, as the arena does it. */
import { everyVerifier } from '@labmesh/arena/verify/built-in-verifiers';
import { CandidateFault } from '@labmesh/arena/verify/candidate-fault';
import { type CodeBlock, codeBlocks } from '@labmesh/arena/verify/code-blocks';
import { type CandidateInput, makeCandidate } from '@labmesh/arena/verify/make-candidate';
import { openVerification, type VerificationParts } from '@labmesh/arena/verify/open-verification';
import type { VerifySettings } from '@labmesh/arena/verify/verify-settings';
import { silentLogger } from '@labmesh/kit/log';
import type { Suite } from '@labmesh/wire/verification/suite';
import type { Aggregate } from '@labmesh/wire/verification/verdict';
import type { World } from '../command.ts';

export type CheckedAnswer = {
  aggregate: Aggregate;
  /** None for an answer beyond the limits: its verdicts say so. */
  blocks: readonly CodeBlock[];
};

export type CheckParts = {
  names: readonly string[] | undefined;
  /** Those that a bracket needs (BR1). */
  needed?: readonly string[];
  suite: Suite | undefined;
  settings: VerifySettings;
  runner: VerificationParts['runner'];
  world: Pick<World, 'clock' | 'life'>;
};

function blocksOf(candidate: Parameters<typeof codeBlocks>[0]): readonly CodeBlock[] {
  try {
    return codeBlocks(candidate);
  } catch (error) {
    if (error instanceof CandidateFault) return [];
    throw error;
  }
}

/** @throws the signal's reason */
export async function checkAnswer(
  input: CandidateInput,
  { names, needed = [], suite, settings, runner, world }: CheckParts,
): Promise<CheckedAnswer> {
  const candidate = makeCandidate(input);
  // Verdicts say what went wrong, a log beside them would say it twice. The tenant is nobody's: all ends with this process.
  const parts = { verifiers: everyVerifier, settings, runner, clock: world.clock, log: silentLogger };
  const options = { tenant: 'local', names, needed, suite, signal: world.life.signal };
  const [aggregate] = await openVerification(parts).verify([candidate], options);
  if (aggregate === undefined) throw new RangeError('one candidate has one aggregate');
  return { aggregate, blocks: blocksOf(candidate) };
}
