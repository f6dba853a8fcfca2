/** Settings of runs, decided: what `arena-options.ts` reads from `[arena]`. */
import type { RoutingName } from '@labmesh/wire/routing';
import type { methodChoices } from '@labmesh/wire/verification/verification-block';
import { type EarlyStopSettings, earlyStopDefaults } from '../generate/early-stop.ts';
import type { Strategy } from '../generate/sampling-plan.ts';
import type { Prices } from './budget.ts';

export const feedbackFormats = ['structured', 'natural', 'minimal'] as const;
export type FeedbackFormat = (typeof feedbackFormats)[number];
export const correctionTimes = ['none_valid', 'always'] as const;

export type RunSettings = {
  /** AR1. */
  shadow: {
    variations: number;
    /** As written: numbers, or one `a..b`. */
    temperatures: readonly string[];
    strategy: Strategy;
    /** How the gateway chooses an endpoint for each call; absent = as it does for everybody. */
    routing?: RoutingName | undefined;
    /** Generation of all variations. */
    timeoutMs: number;
    maxTokens: number;
    /** null = left to the engine. */
    topP: number | null;
    topK: number | null;
    /** Valid answers that make a run a success. */
    minValid: number;
    /** Variations side by side, else one after the other. */
    parallel: boolean;
    /** What prompt_perturbation adds. */
    suffixes: readonly string[];
    /** Look whether engines honour seeds (AR2) that are not on machines of the operator's, too: somebody may be paid. */
    seedProbe: boolean;
  };
  earlyStop: EarlyStopSettings;
  correction: {
    attempts: number;
    timeoutMs: number;
    temperature: number;
    /** Verifiers whose failure is worth another try. */
    triggers: readonly string[];
    format: FeedbackFormat;
    /** `none_valid`: only while no answer is valid, unless the request asks for corrections. */
    when: (typeof correctionTimes)[number];
  };
  method: (typeof methodChoices)[number];
  /** RP8. */
  limits: {
    answerTokens: number;
    variations: number;
    runMs: number;
    tenantRuns: number;
    queueRuns: number;
    /** Runs of this process at once. */
    atOnce: number;
  };
  prices: Prices;
  /** Tenants whose texts are kept (P7); `*` = all. */
  capture: readonly string[];
  /** Of a person's vote on leaderboards, beside 1 of a match (AR17); 0 = none. */
  humanWeight: number;
};

export const runDefaults: RunSettings = {
  shadow: {
    variations: 5,
    temperatures: ['0.1', '0.7', '1.0'],
    strategy: 'temperature_sweep',
    timeoutMs: 60_000,
    maxTokens: 4_096,
    topP: 0.95,
    topK: 50,
    minValid: 1,
    parallel: true,
    suffixes: [
      'Think the problem through before you answer.',
      'Mind edge cases and invalid input.',
      'Prefer the simplest answer that is correct.',
    ],
    seedProbe: false,
  },
  earlyStop: earlyStopDefaults,
  correction: {
    attempts: 2,
    timeoutMs: 30_000,
    temperature: 0.3,
    triggers: ['leash_verifier', 'opa_verifier', 'code_linter', 'runtime_verifier'],
    format: 'structured',
    when: 'none_valid',
  },
  method: 'auto',
  limits: { answerTokens: 8_192, variations: 5, runMs: 120_000, tenantRuns: 10, queueRuns: 1_000, atOnce: 8 },
  prices: { inputNano: 0, outputNano: 0, models: {} },
  capture: [],
  humanWeight: 1,
};

export const keepsTexts = (settings: RunSettings, tenant: string): boolean =>
  settings.capture.some((one) => one === '*' || one === tenant);
