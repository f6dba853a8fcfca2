/**
 * What each variation is asked with (AR1-AR3). Everything follows from the run's id and its plan, so that a run that is
 * looked at again gives the same values (P5).
 */
import { sha256 } from '@labmesh/attest/sha256';
import type { strategies } from '@labmesh/wire/verification/verification-block';
import type { Sampling } from '../contract/finished-run.ts';

export type Strategy = (typeof strategies)[number];

export type SamplingRequest = {
  runId: string;
  strategy: Strategy;
  variations: number;
  temperatures: readonly number[];
  /** Of the request; used where a strategy varies something else. */
  temperature: number | null;
  topP: number | null;
  topK: number | null;
  /** Instructions that `prompt_perturbation` adds, beside none. */
  suffixes: readonly string[];
  /** The request's first; `model_ensemble` takes them in turn. */
  models: readonly [string, ...string[]];
};

const topKs = [10, 30, 50, 100] as const;
const topPs = [0.8, 0.9, 0.95, 0.99] as const;

/** First 31 bits of SHA-256(run_id ‖ what): a seed that every engine takes. */
export function seedOf(runId: string, what: number | string): number {
  const hash = sha256(new TextEncoder().encode(`${runId}${what}`));
  return new DataView(hash.buffer).getUint32(0) >>> 1;
}

/** AR2: variation i of n takes T[ceil(i(k−1)/(n−1))]; a lone one the first. `temperatures` has one at least. */
export function temperatureOf(index: number, variations: number, temperatures: readonly number[]): number {
  const at = variations <= 1 ? 0 : Math.ceil((index * (temperatures.length - 1)) / (variations - 1));
  return temperatures[at] ?? 0;
}

const turn = <T>(values: readonly T[], index: number): T => values[index % values.length] as T;

/** One Sampling a variation. */
export function samplingPlan(request: SamplingRequest): Sampling[] {
  const { runId, strategy, variations, temperatures, suffixes, models } = request;
  const uses = (...names: Strategy[]) => strategy === 'combined' || names.includes(strategy);
  const sweeps = uses('temperature_sweep', 'prompt_perturbation', 'model_ensemble');
  // A strategy that varies something else leaves the temperature alone: the caller's, else the middle one.
  const steady = request.temperature ?? (temperatures[temperatures.length >> 1] as number);
  return Array.from({ length: variations }, (_, index) => ({
    model: uses('model_ensemble') ? turn(models, index) : models[0],
    temperature: sweeps ? temperatureOf(index, variations, temperatures) : steady,
    topP: uses('nucleus_variation') ? turn(topPs, index) : request.topP,
    topK: uses('top_k_variation') ? turn(topKs, index) : request.topK,
    seed: seedOf(runId, index),
    suffix: uses('prompt_perturbation') ? turn([null, ...suffixes], index) : null,
  }));
}
