/** One verifier on some candidates: retries of errors, crashes under the right name, an end when the caller goes. */
import type { Logger } from '@labmesh/kit/log';
import type { Verdict } from '@labmesh/wire/verification/verdict';
import type { Candidate } from '../../contract/candidate.ts';
import type { Finding, VerifierContext } from '../../contract/verifier.ts';
import { CandidateFault } from '../candidate-fault.ts';
import { answerToolCalls } from '../candidate-text.ts';
import { codeBlocks } from '../code-blocks.ts';
import { endedBy } from './ended-by.ts';
import { type ActiveVerifier, verdictOf } from './finding-verdict.ts';

export type AttemptParts = {
  context: Omit<VerifierContext<unknown>, 'config'>;
  errorRetries: number;
  now: () => number;
  log: Logger;
};

const faultFinding = (fault: CandidateFault): Finding => ({
  status: 'failed',
  message: fault.message,
  details: {},
  code: fault.code,
});

/** Every verifier fails a candidate that passes a limit, whether it would look at the part or not (V7). */
function limitFinding(candidate: Candidate): Finding | undefined {
  try {
    codeBlocks(candidate);
    answerToolCalls(candidate);
    return undefined;
  } catch (error) {
    if (error instanceof CandidateFault) return faultFinding(error);
    throw error;
  }
}

/** Codes are words of ours and of the system; messages of strange errors may hold the answer, so they stay unread. */
function crashFinding(error: unknown): Finding {
  const raw: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  const code = typeof raw === 'string' && /^[A-Z][A-Z0-9_]{2,40}$/.test(raw) ? raw : 'VERIFIER_CRASHED';
  return { status: 'error', message: `the check could not be made (${code})`, details: {}, code };
}

function logCrash(log: Logger, name: string, error: unknown): void {
  const frames = error instanceof Error ? (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line)) : [];
  const type = error instanceof Error ? error.name : typeof error;
  log.warn('a verifier crashed', { verifier: name, type, at: frames.slice(0, 5) });
}

/** As many findings as candidates; a throw is the finding of all of them. */
async function findings(parts: AttemptParts, active: ActiveVerifier, of: readonly Candidate[]): Promise<Finding[]> {
  const { verifier, config } = active;
  const context = { ...parts.context, config };
  const { signal } = context;
  const all = async () => {
    const [first] = of;
    if (verifier.verifyBatch === undefined && of.length === 1 && first !== undefined) {
      return [await verifier.verify(first, context)];
    }
    if (verifier.verifyBatch === undefined) return Promise.all(of.map((one) => verifier.verify(one, context)));
    const found = await verifier.verifyBatch(of, context);
    if (found.length !== of.length) throw new RangeError('a batch gave another number of findings');
    return found;
  };
  try {
    return await endedBy(signal, all());
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CandidateFault && of.length === 1) return [faultFinding(error)];
    logCrash(parts.log, verifier.name, error);
    return of.map(() => crashFinding(error));
  }
}

/** A finding that makes no verdict is a crash too. */
function toVerdict(parts: AttemptParts, active: ActiveVerifier, finding: Finding, durationMs: number): Verdict {
  try {
    return verdictOf(active, finding, durationMs);
  } catch (error) {
    logCrash(parts.log, active.verifier.name, error);
    return verdictOf(active, crashFinding(error), durationMs);
  }
}

/**
 * The verdicts of one verifier, in the order of the candidates. Errors are tried again `errorRetries` times.
 * @throws the signal's reason
 */
export async function attempt(
  parts: AttemptParts,
  active: ActiveVerifier,
  candidates: readonly Candidate[],
): Promise<Verdict[]> {
  const verdicts = new Map<Candidate, Verdict>();
  for (const candidate of candidates) {
    const refused = limitFinding(candidate);
    if (refused !== undefined) verdicts.set(candidate, toVerdict(parts, active, refused, 0));
  }
  let open = candidates.filter((candidate) => !verdicts.has(candidate));
  for (let tries = 0; open.length > 0 && tries <= parts.errorRetries; tries++) {
    const began = parts.now();
    const found = await findings(parts, active, open);
    const tookMs = parts.now() - began;
    open.forEach((candidate, index) => {
      const finding = found[index] ?? crashFinding(undefined);
      verdicts.set(candidate, toVerdict(parts, active, finding, tookMs));
    });
    open = open.filter((candidate) => verdicts.get(candidate)?.status === 'error');
  }
  return candidates.map((candidate) => verdicts.get(candidate)).filter((verdict) => verdict !== undefined);
}
