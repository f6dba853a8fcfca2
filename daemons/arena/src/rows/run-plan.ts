/** What a run decided at its start, and its row as it is first written. */
import type { ArenaRunsTable } from '@labmesh/store/arena-tables';
import type { methodChoices, strategies } from '@labmesh/wire/verification/verification-block';
import type { Insertable } from 'kysely';
import type { Sampling } from '../contract/finished-run.ts';
import type { ModelInstructions } from '../contract/judge.ts';
import type { OfferedTool } from '../contract/offered-tool.ts';

/** Recorded before the first call: a run that goes on elsewhere keeps to it, whatever the settings are there. */
export type RunPlan = {
  strategy: (typeof strategies)[number];
  samplings: readonly Sampling[];
  method: (typeof methodChoices)[number];
  /** `instructions`: of models that are not told the usual. */
  judge: { name: string; kind: string; promptSha256: string | null; instructions?: readonly ModelInstructions[] };
  /** Tokens of one answer. */
  maxTokens: number;
  corrections: number;
  /** Also when a valid answer is there already. */
  correctsAlways: boolean;
  suiteSha256: string | null;
  /** Of all calls together. */
  budget: { tokens: number; nanoUsd: number | null; judgeCalls: number | null };
  warnings: readonly string[];
  /** All variations can be generated again from their seeds (AR2); null = not known, absent = nobody looked. */
  replayable?: boolean | null;
  /** Offered to the models, as they were listed then (AR18). */
  tools?: readonly OfferedTool[];
  /** What finding that out cost this run. */
  seedProbe?: { tokensIn: number; tokensOut: number; costNano: number };
};

export type RunFields = Omit<Insertable<ArenaRunsTable>, 'lease_owner' | 'lease_until' | 'revision'>;
