/** Decides how a run will go, before its first call: recorded, so that it goes on the same way anywhere (P5). */
import type { RunOffer } from '@labmesh/wire/verification/arena-run';
import { verificationLimits, type VerificationBlock } from '@labmesh/wire/verification/verification-block';
import type { Sampling } from '../contract/finished-run.ts';
import type { Judge } from '../contract/judge.ts';
import { judgeWarnings } from '../judges/judge-warnings.ts';
import { readTemperatures } from '../generate/read-temperatures.ts';
import { samplingPlan } from '../generate/sampling-plan.ts';
import { answerTokens } from '../generate/variation-request.ts';
import type { RunPlan } from '../rows/run-plan.ts';
import { nanoOfUsd } from './budget.ts';
import { RunFault } from './run-fault.ts';
import type { RunSettings } from './run-settings.ts';

type Known = { runId: string; judge: Judge; suiteSha256: string | null };

const badOption = (field: string, text: string) =>
  new RunFault('verification_bad_option', `verification.${field}: ${text}`, { field: `verification.${field}` });

const least = (...values: (number | undefined)[]): number | null => {
  const given = values.filter((value) => value !== undefined);
  return given.length === 0 ? null : Math.min(...given);
};

/** An answer that is there already is looked at and nothing is generated, save in shadow mode: it leads the field then. */
export const isGiven = ({ answer, mode }: RunOffer): boolean => answer !== undefined && mode !== 'shadow';

/** A key may have a right to more than everybody (RP8). */
function variationsOf({ block, variationsMost = 0 }: RunOffer, settings: RunSettings): number {
  const most = Math.min(Math.max(settings.limits.variations, variationsMost), verificationLimits.variationsMost);
  if ((block.variations ?? 1) > most) {
    throw badOption('variations', `this arena makes at most ${most}, or what the key was made with (--variations)`);
  }
  return block.variations ?? Math.min(settings.shadow.variations, most);
}

/** Sampling of the client's own answer, as far as its request tells. */
function givenSampling({ request }: RunOffer): Sampling {
  const topK = request['top_k'];
  return {
    model: request.model,
    temperature: request.temperature ?? null,
    topP: request.top_p ?? null,
    topK: typeof topK === 'number' ? topK : null,
    seed: request.seed ?? null,
    suffix: null,
  };
}

function samplingsOf(offer: RunOffer, settings: RunSettings, runId: string): Sampling[] {
  const { request, block, answer } = offer;
  if (isGiven(offer)) return [givenSampling(offer)];
  const { shadow } = settings;
  const variations = variationsOf(offer, settings);
  const temperatures = block.temperatures ?? readTemperatures(shadow.temperatures, variations);
  if (temperatures === undefined) throw new RangeError('the temperatures setting was not checked');
  const given = givenSampling(offer);
  const planned = samplingPlan({
    runId,
    strategy: block.strategy ?? shadow.strategy,
    variations,
    temperatures,
    temperature: given.temperature,
    topP: given.topP ?? shadow.topP,
    topK: given.topK ?? shadow.topK,
    suffixes: shadow.suffixes,
    models: [request.model, ...(block.models ?? [])],
  });
  return answer === undefined ? planned : [given, ...planned.slice(1)];
}

function correctionsOf(block: VerificationBlock, offer: RunOffer, settings: RunSettings) {
  const { correction } = block;
  const { attempts, when } = settings.correction;
  const asked = typeof correction === 'number' ? correction : correction === false ? 0 : attempts;
  return {
    corrections: isGiven(offer) ? 0 : Math.min(asked, verificationLimits.correctionMost),
    // Whoever asks for corrections in so many words wants them, valid answers beside or not.
    correctsAlways: when === 'always' || correction === true || typeof correction === 'number',
  };
}

/** @throws RunFault verification_bad_option for what this arena does not do. */
export function planRun(offer: RunOffer, settings: RunSettings, known: Known): RunPlan {
  const { block, request, mode } = offer;
  if (mode === 'audit' && offer.answer === undefined) {
    throw new RunFault('verification_bad_option', 'audit looks at an answer, and none was given', { field: 'answer' });
  }
  const samplings = samplingsOf(offer, settings, known.runId);
  const { name, kind, promptSha256, instructions } = known.judge;
  const models = samplings.map(({ model }) => model);
  return {
    strategy: block.strategy ?? settings.shadow.strategy,
    samplings,
    method: block.method ?? settings.method,
    judge: { name, kind, promptSha256, ...(instructions && { instructions }) },
    maxTokens: answerTokens(request, settings.shadow.maxTokens, settings.limits.answerTokens),
    ...correctionsOf(block, offer, settings),
    suiteSha256: known.suiteSha256,
    budget: {
      tokens: Math.min(settings.earlyStop.maxTokens, block.budget?.tokens ?? Infinity),
      nanoUsd:
        least(block.budget?.usd, block.max_cost_usd) === null
          ? null
          : nanoOfUsd(least(block.budget?.usd, block.max_cost_usd) ?? 0),
      judgeCalls: block.budget?.judge_calls ?? null,
    },
    warnings: judgeWarnings(known.judge, models),
  };
}
