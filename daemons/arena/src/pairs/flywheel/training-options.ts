/** `[training]` of labmesh.toml. */
import { defineOptions } from '@labmesh/kit/options';
import { datasetLimits } from '@labmesh/wire/verification/datasets';
import type { TrainingSettings } from '../open-preferences.ts';

export const trainingOptions = defineOptions({
  trainingTenants: {
    type: 'string[]',
    file: 'training.tenants',
    placeholder: 'TENANT',
    help: 'tenants whose preference data may be exported; * = all',
  },
  trainingHeldOut: {
    type: 'string[]',
    file: 'training.held_out',
    placeholder: 'FILE',
    help: 'prompts that models are examined with (text, JSON or JSON Lines): no version holds them',
  },
  trainingAuto: {
    type: 'boolean',
    default: false,
    file: 'training.auto',
    help: 'versions that the arena proposes are made at once; otherwise a person approves them',
  },
  trainingBatchPairs: {
    type: 'integer',
    default: 5_000,
    min: 1,
    max: datasetLimits.rowsMost,
    file: 'training.batch_pairs',
    help: 'pairs in no version that make the arena propose one',
  },
  trainingEveryS: {
    type: 'integer',
    default: 60,
    min: 1,
    max: 86_400,
    file: 'training.every_s',
    help: 'time between two looks at ended runs and waiting pairs, seconds',
  },
});

type TrainingValues = {
  trainingTenants: readonly string[];
  trainingHeldOut: readonly string[];
  trainingAuto: boolean;
  trainingBatchPairs: number;
  trainingEveryS: number;
};

export const readTrainingSettings = (values: TrainingValues): TrainingSettings => ({
  tenants: values.trainingTenants,
  heldOut: values.trainingHeldOut,
  auto: values.trainingAuto,
  batchPairs: values.trainingBatchPairs,
  everyMs: values.trainingEveryS * 1_000,
});
