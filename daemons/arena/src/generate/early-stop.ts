/** When the variations still under way are ended (AR5, AR6). A pure function, asked after each thing that happens. */

export const stopReasons = [
  'hard_verification_failure',
  'quality_threshold_met',
  'sufficient_valid',
  'budget_exceeded',
  'timeout',
  'all_failed',
  'user_requested',
] as const;
export type StopReason = (typeof stopReasons)[number];

export type EarlyStopSettings = {
  /**
   * Lets a good answer end its healthy siblings. Off by default: a tournament wants them all. The other reasons always
   * hold.
   */
  enabled: boolean;
  qualityThreshold: number;
  minValid: number;
  maxTokens: number;
  /** Enough valid answers will do, however good. */
  aggressive: boolean;
  /** Streams that are about to end get this long after the decision. */
  delayMs: number;
};

export const earlyStopDefaults: EarlyStopSettings = {
  enabled: false,
  qualityThreshold: 0.9,
  minValid: 1,
  maxTokens: 100_000,
  aggressive: false,
  delayMs: 100,
};

export type Progress = {
  /** Combined score modifiers of the answers found valid so far. */
  validScores: readonly number[];
  /** Variations that gave no answer, or an invalid one. */
  failed: number;
  variations: number;
  /** Of prompts and answers, streams under way estimated. */
  tokens: number;
  timedOut: boolean;
  /** Whoever asked has gone. */
  abandoned: boolean;
};

/** The reason to end all that is under way; undefined = go on. */
export function decideStop(progress: Progress, settings: EarlyStopSettings): StopReason | undefined {
  const { validScores, failed, variations } = progress;
  if (progress.abandoned) return 'user_requested';
  if (progress.timedOut) return 'timeout';
  if (progress.tokens >= settings.maxTokens) return 'budget_exceeded';
  if (failed >= variations) return 'all_failed';
  if (!settings.enabled || validScores.length < Math.max(1, settings.minValid)) return undefined;
  if (Math.max(...validScores) >= settings.qualityThreshold) return 'quality_threshold_met';
  return settings.aggressive ? 'sufficient_valid' : undefined;
}

/** Thrown into streams that are ended; what a candidate's row names as its reason. */
export class Stopped extends Error {
  readonly reason: StopReason;

  constructor(reason: StopReason) {
    super(`ended early: ${reason}`);
    this.name = 'Stopped';
    this.reason = reason;
  }
}
