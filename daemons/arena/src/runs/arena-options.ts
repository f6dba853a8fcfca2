/** `[arena]` of labmesh.toml as far as runs go (AR1, AR5, AR7, RP8), and the two documented variables. */
import { defineOptions, OptionsError } from '@labmesh/kit/options';
import type { OptionValues } from '@labmesh/kit/options/option-def';
import { routingNames } from '@labmesh/wire/routing';
import { methodChoices, strategies, verificationLimits } from '@labmesh/wire/verification/verification-block';
import { readTemperatures } from '../generate/read-temperatures.ts';
import type { Prices } from './budget.ts';
import { correctionTimes, feedbackFormats, runDefaults, type RunSettings } from './run-settings.ts';

const { shadow, earlyStop, correction, limits } = runDefaults;

const shadowOptions = defineOptions({
  variations: {
    type: 'integer',
    default: shadow.variations,
    min: 1,
    max: verificationLimits.variationsMost,
    env: 'SHADOW_LOOP_VARIATIONS',
    file: 'arena.shadow.variations',
    help: 'answers that are generated for a request that names no number',
  },
  temperatures: {
    type: 'string[]',
    numbers: true,
    default: shadow.temperatures,
    env: 'SHADOW_LOOP_TEMPERATURE_RANGE',
    file: 'arena.shadow.temperatures',
    help: 'temperatures of variations: a list, or a..b for even steps',
  },
  strategy: {
    type: 'string',
    default: shadow.strategy,
    choices: strategies,
    file: 'arena.shadow.strategy',
    help: 'what variations differ in',
  },
  routing: {
    type: 'string',
    choices: routingNames,
    file: 'arena.shadow.routing',
    placeholder: 'NAME',
    help: "how the gateway chooses an endpoint for each call of the arena; default: the gateway's way",
  },
  generateS: {
    type: 'number',
    default: shadow.timeoutMs / 1000,
    min: 0.1,
    max: verificationLimits.waitMs / 1000,
    file: 'arena.shadow.timeout_s',
    help: 'longest time in which variations are generated',
  },
  maxTokens: {
    type: 'integer',
    default: shadow.maxTokens,
    min: 1,
    file: 'arena.shadow.max_tokens',
    help: 'tokens of an answer whose request names no number',
  },
  topP: {
    type: 'number',
    default: shadow.topP ?? 1,
    min: 0,
    max: 1,
    file: 'arena.shadow.top_p',
    help: 'top_p of variations; 0 leaves it to the engine',
  },
  topK: {
    type: 'integer',
    default: shadow.topK ?? 0,
    min: 0,
    file: 'arena.shadow.top_k',
    help: 'top_k of variations; 0 leaves it to the engine',
  },
  minValid: {
    type: 'integer',
    default: shadow.minValid,
    min: 1,
    file: 'arena.shadow.min_valid',
    help: 'valid answers that make a run a success',
  },
  parallel: {
    type: 'boolean',
    default: shadow.parallel,
    file: 'arena.shadow.parallel',
    help: 'generate variations side by side',
  },
  suffixes: {
    type: 'string[]',
    default: shadow.suffixes,
    file: 'arena.shadow.suffixes',
    help: 'what prompt_perturbation adds to the prompt, beside nothing',
  },
  seedProbe: {
    type: 'boolean',
    default: shadow.seedProbe,
    file: 'arena.shadow.seed_probe',
    help: 'find out whether engines honour seeds that are not on machines of your own, too: 15 paid tokens each and week',
  },
});

const earlyStopOptions = defineOptions({
  stopEnabled: {
    type: 'boolean',
    default: earlyStop.enabled,
    file: 'arena.early_stop.enabled',
    help: 'let a good answer end variations that are still being generated; the tournament then has fewer',
  },
  qualityThreshold: {
    type: 'number',
    default: earlyStop.qualityThreshold,
    min: 0,
    max: 1,
    file: 'arena.early_stop.quality_threshold',
    help: 'score of a valid answer that is good enough',
  },
  stopMinValid: {
    type: 'integer',
    default: earlyStop.minValid,
    min: 1,
    file: 'arena.early_stop.min_valid_before_termination',
    help: 'valid answers that there must be before others are ended',
  },
  maxTokenBudget: {
    type: 'integer',
    default: earlyStop.maxTokens,
    min: 1,
    file: 'arena.early_stop.max_token_budget',
    help: 'tokens of all calls of a run together',
  },
  terminationDelayMs: {
    type: 'integer',
    default: earlyStop.delayMs,
    min: 0,
    max: 10_000,
    file: 'arena.early_stop.termination_delay_ms',
    help: 'time that streams about to end get after a good answer',
  },
  aggressiveMode: {
    type: 'boolean',
    default: earlyStop.aggressive,
    file: 'arena.early_stop.aggressive_mode',
    help: 'end others as soon as enough answers are valid, however good',
  },
});

const correctionOptions = defineOptions({
  correctionAttempts: {
    type: 'integer',
    default: correction.attempts,
    min: 0,
    max: verificationLimits.correctionMost,
    file: 'arena.correction.max_correction_attempts',
    help: 'times that a model may mend an invalid answer',
  },
  correctionS: {
    type: 'number',
    default: correction.timeoutMs / 1000,
    min: 0.1,
    file: 'arena.correction.timeout_s',
    help: 'longest time of one attempt',
  },
  correctionTemperature: {
    type: 'number',
    default: correction.temperature,
    min: 0,
    max: 2,
    file: 'arena.correction.temperature',
    help: 'temperature of corrections',
  },
  correctionTriggers: {
    type: 'string[]',
    default: correction.triggers,
    file: 'arena.correction.triggers',
    help: 'verifiers whose failure is worth another try',
  },
  feedbackFormat: {
    type: 'string',
    default: correction.format,
    choices: feedbackFormats,
    file: 'arena.correction.format',
    help: 'how failures are told to the model',
  },
  correctionWhen: {
    type: 'string',
    default: correction.when,
    choices: correctionTimes,
    file: 'arena.correction.when',
    help: 'mend invalid answers always, or only while none is valid',
  },
});

const limitOptions = defineOptions({
  method: {
    type: 'string',
    default: runDefaults.method,
    choices: methodChoices,
    file: 'arena.method',
    help: 'tournament among valid answers',
  },
  answerTokensMost: {
    type: 'integer',
    default: limits.answerTokens,
    min: 1,
    file: 'arena.limits.tokens',
    help: 'most tokens of one answer',
  },
  variationsMost: {
    type: 'integer',
    default: limits.variations,
    min: 1,
    max: verificationLimits.variationsMost,
    file: 'arena.limits.variations',
    help: 'most variations that a request may ask for',
  },
  runS: {
    type: 'number',
    default: limits.runMs / 1000,
    min: 0.1,
    max: 3_600,
    file: 'arena.limits.run_s',
    help: 'longest time of a run, waiting included',
  },
  tenantRuns: {
    type: 'integer',
    default: limits.tenantRuns,
    min: 1,
    file: 'arena.limits.tenant_runs',
    help: 'runs of a tenant at once, waiting ones included',
  },
  queueMax: {
    type: 'integer',
    default: limits.queueRuns,
    min: 1,
    file: 'arena.queue_max',
    help: 'runs of all tenants at once, waiting ones included',
  },
  runsAtOnce: {
    type: 'integer',
    default: limits.atOnce,
    min: 1,
    file: 'arena.runs_at_once',
    help: 'runs that this process works on at once',
  },
  inputNano: {
    type: 'integer',
    default: 0,
    min: 0,
    file: 'arena.prices.input_nano_usd',
    help: 'price of a prompt token in 1e-9 USD',
  },
  outputNano: {
    type: 'integer',
    default: 0,
    min: 0,
    file: 'arena.prices.output_nano_usd',
    help: 'price of an answer token in 1e-9 USD',
  },
  modelPrices: {
    type: 'string[]',
    file: 'arena.prices.models',
    placeholder: 'MODEL=IN:OUT',
    help: 'models with prices of their own, as MODEL=IN:OUT in 1e-9 USD a token',
  },
  humanWeight: {
    type: 'number',
    default: runDefaults.humanWeight,
    min: 0,
    max: 1_000,
    file: 'arena.human_weight',
    help: 'what a vote of a person (labctl datasets label) counts on leaderboards, beside 1 of a match; 0 = nothing',
  },
  capture: {
    type: 'string[]',
    file: 'arena.capture',
    placeholder: 'TENANT',
    help: 'tenants whose prompts and answers are kept for preference data; * = all',
  },
});

export const arenaRunOptions = { ...shadowOptions, ...earlyStopOptions, ...correctionOptions, ...limitOptions };
export type ArenaRunOptions = OptionValues<typeof arenaRunOptions>;

const fault = (source: string, key: string, found: readonly string[], expected: string) =>
  new OptionsError({ source, key, found: JSON.stringify(found), expected, exitCode: 3 });

function readModelPrices(words: readonly string[], source: string): Prices['models'] {
  const prices = words.map((word) => {
    const [, model, input, output] = /^(.{1,256})=(\d{1,12}):(\d{1,12})$/.exec(word) ?? [];
    if (model === undefined) throw fault(source, 'arena.prices.models', [word], 'MODEL=IN:OUT with whole 1e-9 USD');
    return [model, { inputNano: Number(input), outputNano: Number(output) }] as const;
  });
  return Object.fromEntries(prices);
}

/**
 * The settings behind the options' values; `sources` as parseOptions gives them.
 * @throws OptionsError (exit 3): temperatures or prices that are none
 */
export function readRunSettings(values: ArenaRunOptions, sources: Partial<Record<string, string>> = {}): RunSettings {
  const { variations, temperatures, strategy, routing, maxTokens, minValid, parallel, suffixes, seedProbe } = values;
  const temperatureSource = sources['temperatures'] ?? 'arena.shadow.temperatures';
  if (readTemperatures(temperatures, variations) === undefined) {
    throw fault(temperatureSource, 'arena.shadow.temperatures', temperatures, '1 to 16 numbers 0–2, or a range a..b');
  }
  return {
    shadow: {
      variations,
      temperatures,
      strategy,
      routing,
      maxTokens,
      minValid,
      parallel,
      suffixes,
      seedProbe,
      timeoutMs: values.generateS * 1000,
      topP: values.topP === 0 ? null : values.topP,
      topK: values.topK === 0 ? null : values.topK,
    },
    earlyStop: {
      enabled: values.stopEnabled,
      qualityThreshold: values.qualityThreshold,
      minValid: values.stopMinValid,
      maxTokens: values.maxTokenBudget,
      aggressive: values.aggressiveMode,
      delayMs: values.terminationDelayMs,
    },
    correction: {
      attempts: values.correctionAttempts,
      timeoutMs: values.correctionS * 1000,
      temperature: values.correctionTemperature,
      triggers: values.correctionTriggers,
      format: values.feedbackFormat,
      when: values.correctionWhen,
    },
    method: values.method,
    limits: {
      answerTokens: values.answerTokensMost,
      variations: values.variationsMost,
      runMs: values.runS * 1000,
      tenantRuns: values.tenantRuns,
      queueRuns: values.queueMax,
      atOnce: values.runsAtOnce,
    },
    prices: {
      inputNano: values.inputNano,
      outputNano: values.outputNano,
      models: readModelPrices(values.modelPrices, sources['modelPrices'] ?? 'arena.prices.models'),
    },
    capture: values.capture,
    humanWeight: values.humanWeight,
  };
}
