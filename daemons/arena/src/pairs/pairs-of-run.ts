/**
 * Preference pairs of a finished run (verification PD1, PD2), as a pure function of it:
 *
 *     winner > each loser that failed a hard verifier     verification      silver   1.0 / -1.0, confidence 1
 *     winner > each valid loser, gap of 0.1 or more       tournament        bronze   scores of the bracket
 *     a verified correction > the answer it mended        self_correction   silver   confidence 0.9
 *     what people prefer > the other one                  human, hybrid     gold     see review/
 *
 * By itself only what is valid is chosen; inconclusive and unchecked answers are on neither side (V4). Texts of a tenant without
 * capture make no pairs (P7).
 */
import { canonicalJson } from '@labmesh/attest/json/canonical-json';
import { datasetLimits } from '@labmesh/wire/verification/datasets';
import type { Triplet } from '@labmesh/wire/verification/preference';
import type { FinishedAnswer, FinishedCandidate, FinishedRun } from '../contract/finished-run.ts';
import { failureReasons, isProvenInvalid, isProvenValid, passedNames } from './evidence.ts';
import { trainableMessage } from './trainable-message.ts';
import { tripletId } from './triplet-id.ts';

/** Least gap of two scores of a bracket, 0-1. */
const gapLeast = 0.1;
const correctionConfidence = 0.9;
/** Of a judge's words; they are a model's output. */
const rationaleCharsMost = 2_000;

/** Why a pair was not made. */
export type LeftOut =
  | 'capture_off'
  | 'no_valid_winner'
  | 'no_answer'
  | 'not_valid'
  | 'not_proven'
  | 'small_gap'
  | 'same_answer'
  | 'too_long'
  | 'too_large'
  | 'uses_tools'
  | 'unencodable';
export type PairsOfRun = {
  /** With their canonical JSON, which is what is stored. */
  pairs: { triplet: Triplet; text: string }[];
  leftOut: Partial<Record<LeftOut, number>>;
};

type Side = { index: number; model: string; answer: FinishedAnswer; usesTools: boolean };
export type Claim = Pick<
  Triplet,
  'confidence' | 'quality' | 'source' | 'rationale' | 'chosen_score' | 'rejected_score'
> & {
  /** Beside what verifiers said of the rejected answer. */
  reasons?: readonly string[];
  more?: Record<string, unknown>;
};

/** PD2. Rounded, so that 0.7 - 0.6 is 0.1 on every machine. */
const confidenceOf = (gap: number) => Math.min(Math.round((gap + 0.5) * 1e6) / 1e6, 1);

class Making {
  readonly #run: FinishedRun;
  readonly #certificateId: string | null;
  readonly #made = new Map<string, { triplet: Triplet; text: string }>();
  readonly #leftOut: PairsOfRun['leftOut'] = {};

  constructor(run: FinishedRun, certificateId: string | null) {
    this.#run = run;
    this.#certificateId = certificateId;
  }

  get result(): PairsOfRun {
    return { pairs: [...this.#made.values()], leftOut: this.#leftOut };
  }

  leave(reason: LeftOut): void {
    this.#leftOut[reason] = (this.#leftOut[reason] ?? 0) + 1;
  }

  pair(chosen: Side, rejected: Side, claim: Claim): void {
    const { request } = this.#run;
    // What the tools said is not in the prompt: a model would learn to make it up.
    if (chosen.usesTools || rejected.usesTools) return this.leave('uses_tools');
    if (chosen.answer.digest === rejected.answer.digest) return this.leave('same_answer');
    if (request.messages.length + 1 > datasetLimits.messagesMost) return this.leave('too_long');
    let made: { triplet: Triplet; text: string };
    try {
      const triplet = this.#triplet(chosen, rejected, claim);
      made = { triplet, text: canonicalJson(triplet) };
    } catch {
      // A lone surrogate or nesting without end in what a model or client wrote.
      return this.leave('unencodable');
    }
    if (Buffer.byteLength(made.text) > datasetLimits.tripletBytesMost) return this.leave('too_large');
    if (this.#made.has(made.triplet.id)) return this.leave('same_answer');
    this.#made.set(made.triplet.id, made);
  }

  #triplet(chosen: Side, rejected: Side, { more, reasons = [], ...claim }: Claim): Triplet {
    const run = this.#run;
    const tools = run.request.tools ?? [];
    const texts = {
      tenant: run.tenant,
      input: run.request.messages.map(trainableMessage),
      chosen: [trainableMessage(chosen.answer.answer)],
      rejected: [trainableMessage(rejected.answer.answer)],
    };
    return {
      id: tripletId({ ...texts, source: claim.source }),
      ...texts,
      ...claim,
      failure_reasons: [...failureReasons(rejected.answer, run.suiteSha256 !== null), ...reasons],
      status: 'active',
      run_id: run.id,
      certificate_id: this.#certificateId,
      created_at: new Date(run.finishedAt).toISOString(),
      metadata: {
        model: run.request.model,
        chosen: { index: chosen.index, model: chosen.model, digest: chosen.answer.digest },
        rejected: { index: rejected.index, model: rejected.model, digest: rejected.answer.digest },
        suite_sha256: run.suiteSha256,
        ...(tools.length > 0 && { tools }),
        ...more,
      },
    };
  }
}

const sideOf = ({ index, model, usesTools = false }: FinishedCandidate, answer: FinishedAnswer): Side => ({
  index,
  model,
  answer,
  usesTools,
});

/** What the judge said of the two, in whichever order; null without words. */
function judgeWords({ tournament }: FinishedRun, a: number, b: number): string | null {
  const legs = tournament?.legs.filter((leg) => (leg.a === a && leg.b === b) || (leg.a === b && leg.b === a)) ?? [];
  const words = legs.find(({ rationale }) => rationale !== null && rationale.trim() !== '')?.rationale;
  return words?.slice(0, rationaleCharsMost).toWellFormed() ?? null;
}

function againstLoser(making: Making, run: FinishedRun, winner: FinishedCandidate, loser: FinishedCandidate): void {
  const [best, other] = [winner.final, loser.final];
  if (best === null || other === null) return;
  const [chosen, rejected] = [sideOf(winner, best), sideOf(loser, other)];
  if (isProvenInvalid(other)) {
    const rationale = `passed ${passedNames(best).join(', ')}; the other answer did not verify`;
    const scores = { chosen_score: 1, rejected_score: -1, confidence: confidenceOf(2) };
    return making.pair(chosen, rejected, { ...scores, quality: 'silver', source: 'verification', rationale });
  }
  if (!isProvenValid(other)) return making.leave('not_proven');
  const { tournament } = run;
  const gap = winner.score - loser.score;
  // Scores are sums of floats: 0.1 - 1e-17 is a gap of 0.1.
  if (tournament === null || !(gap >= gapLeast - 1e-9)) return making.leave('small_gap');
  making.pair(chosen, rejected, {
    chosen_score: winner.score,
    rejected_score: loser.score,
    confidence: confidenceOf(gap),
    quality: 'bronze',
    source: 'tournament',
    rationale: judgeWords(run, winner.index, loser.index),
    more: { method: tournament.method, judge: tournament.judge, judge_kind: tournament.judgeKind },
  });
}

/** AR8's record of the attempts, as metadata. The feedback of a run with a suite stays out of data sets (V20). */
const chainOf = ({ corrections }: FinishedCandidate, hidden: boolean) => ({
  attempts: corrections.length,
  failure_types: [...new Set(corrections.flatMap(({ failures }) => failures))],
  correction_chain: corrections.map(({ attempt, failures, prompt, success, latencyMs }) => ({
    attempt_number: attempt,
    failures,
    // Made of rows, the run has no words of it any more.
    prompt: hidden || prompt.content === null ? null : trainableMessage(prompt),
    success,
    latency_ms: latencyMs,
  })),
});

function correction(making: Making, run: FinishedRun, candidate: FinishedCandidate): void {
  const { original, final, corrections } = candidate;
  const mended = corrections.some(({ result }) => result !== null && result.digest === final?.digest);
  if (original === null || final === null || !mended) return;
  if (!isProvenValid(final) || !isProvenInvalid(original)) return making.leave('not_proven');
  making.pair(sideOf(candidate, final), sideOf(candidate, original), {
    chosen_score: 1,
    rejected_score: -1,
    confidence: correctionConfidence,
    quality: 'silver',
    source: 'self_correction',
    rationale: `corrected: passed ${passedNames(final).join(', ')}`,
    more: { chain: chainOf(candidate, run.suiteSha256 !== null) },
  });
}

/** `certificateId`: the run's, when it has one. */
export function pairsOfRun(run: FinishedRun, certificateId: string | null): PairsOfRun {
  const making = new Making(run, certificateId);
  if (!run.keepsTexts) {
    making.leave('capture_off');
    return making.result;
  }
  // First: the same two answers as winner and loser would say less.
  for (const candidate of run.candidates) if (candidate.sameAs === null) correction(making, run, candidate);
  const winner = run.outcome === 'valid' ? run.candidates.find(({ index }) => index === run.chosen) : undefined;
  const best = winner?.final ?? undefined;
  if (winner !== undefined && best !== undefined && isProvenValid(best)) {
    for (const loser of run.candidates) if (loser !== winner) againstLoser(making, run, winner, loser);
  } else making.leave('no_valid_winner');
  return making.result;
}

/**
 * The pair of two answers that somebody outside the run compared; none when one of them is missing, they are equal, or a
 * hard verifier failed the one that is to be chosen.
 */
export function pairOfTwo(
  run: FinishedRun,
  certificateId: string | null,
  { chosen, rejected, claim }: { chosen: number; rejected: number; claim: Claim },
): PairsOfRun {
  const making = new Making(run, certificateId);
  const sides = [chosen, rejected].map((at) => {
    const candidate = run.candidates.find(({ index }) => index === at);
    return candidate?.final ? sideOf(candidate, candidate.final) : undefined;
  });
  const [better, worse] = sides;
  if (!run.keepsTexts) making.leave('capture_off');
  else if (better === undefined || worse === undefined) making.leave('no_answer');
  else if (isProvenInvalid(better.answer)) making.leave('not_valid');
  else making.pair(better, worse, claim);
  return making.result;
}
