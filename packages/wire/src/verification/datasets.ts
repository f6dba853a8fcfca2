/**
 * Preference data over HTTP (verification PD1-PD5): what `/api/arena/triplets` and `/api/arena/datasets` give, camelCase
 * like that API, and an export as a stream of lines that a client turns into a folder.
 */
import { z } from 'zod';
import { exportFormats, tripletQualities, tripletSources, tripletStages, tripletStatuses } from './preference.ts';

export const datasetLimits = {
  /** Rows of one version. */
  rowsMost: 100_000,
  /** Of the canonical rows of one version together: they are sorted in memory. */
  bytesMost: 256 * 1024 * 1024,
  /** Versions of one tenant. */
  versionsMost: 1_000,
  /** Items of one page. */
  pageMost: 200,
  /** A triplet as it is stored; larger ones are not made. */
  tripletBytesMost: 512 * 1024,
  /** Bytes of one event of an export. */
  exportBytesMost: 1024 * 1024,
  /** Messages of a conversation with its answer. */
  messagesMost: 50,
} as const;

export const datasetNameField = z
  .string()
  .max(63)
  .regex(/^[a-z0-9][a-z0-9_-]*$/, 'is lower case letters, digits, dashes and underscores');

const instantField = z.iso.datetime();
export const datasetFiltersSchema = z.strictObject({
  minConfidence: z.number().min(0).max(1).default(0.6),
  qualities: z.array(z.enum(tripletQualities)).min(1).max(tripletQualities.length).optional(),
  sources: z.array(z.enum(tripletSources)).min(1).max(tripletSources.length).optional(),
  messagesMost: z.int().min(2).max(datasetLimits.messagesMost).default(datasetLimits.messagesMost),
  requireRationale: z.boolean().default(false),
  /** Made at this moment or later; before this one. UTC. */
  since: instantField.optional(),
  until: instantField.optional(),
  /** Only pairs that are in no version yet. */
  pending: z.boolean().optional(),
});
export type DatasetFilters = z.infer<typeof datasetFiltersSchema>;

export const createDatasetSchema = z.strictObject({
  name: datasetNameField,
  filters: datasetFiltersSchema.prefault({}),
});
export type CreateDataset = z.infer<typeof createDatasetSchema>;
/** As it is sent: filters that are left out take their defaults where they arrive. */
export type CreateDatasetInput = z.input<typeof createDatasetSchema>;

/** `tainted`: rows of it were deleted since; it is no longer exported. */
export const datasetStates = ['frozen', 'tainted'] as const;
export const datasetParts = ['train', 'test'] as const;
export type DatasetPart = (typeof datasetParts)[number];

/** As of its pairs (PD6); a version is never `pending`. */
export const datasetStages = tripletStages.filter((stage) => stage !== 'pending');
/** What a training run says of the version that it learns from. */
export const trainingStages = ['training', 'completed', 'failed'] as const;
export const stageDatasetSchema = z.strictObject({ stage: z.enum(trainingStages) });
export type StageDataset = z.infer<typeof stageDatasetSchema>;

export const datasetSchema = z.object({
  id: z.string(),
  name: datasetNameField,
  /** Versions of a name count from 1. */
  number: z.int(),
  /** Hex SHA-256 over the rows in canonical JSON, sorted by their bytes, each with a line end. */
  sha256: z.string(),
  count: z.int(),
  train: z.int(),
  test: z.int(),
  filters: datasetFiltersSchema,
  /** Id of the key that asked for it. */
  author: z.string(),
  state: z.enum(datasetStates),
  stage: z.enum(datasetStages),
  /** Place in the transparency log; null while it is not logged. */
  logIndex: z.int().nullable(),
  createdAt: z.string(),
});
export type Dataset = z.infer<typeof datasetSchema>;
export const datasetPageSchema = z.object({ datasets: z.array(datasetSchema), nextCursor: z.string().nullable() });
export type DatasetPage = z.infer<typeof datasetPageSchema>;

/** Without texts; GET /api/arena/triplets/ID gives them. */
export const tripletSummarySchema = z.object({
  id: z.string(),
  runId: z.string(),
  certificateId: z.string().nullable(),
  quality: z.enum(tripletQualities),
  source: z.enum(tripletSources),
  status: z.enum(tripletStatuses),
  stage: z.enum(tripletStages),
  confidence: z.number(),
  createdAt: z.string(),
});
export type TripletSummary = z.infer<typeof tripletSummarySchema>;
export const tripletPageSchema = z.object({
  triplets: z.array(tripletSummarySchema),
  nextCursor: z.string().nullable(),
});
export type TripletPage = z.infer<typeof tripletPageSchema>;

export const tripletStatsSchema = z.object({
  total: z.int(),
  qualities: z.record(z.enum(tripletQualities), z.int()),
  sources: z.record(z.enum(tripletSources), z.int()),
  stages: z.record(z.enum(tripletStages), z.int()),
  /** Ended runs that were not looked at for pairs yet, and those whose rows could not be read. */
  runs: z.object({ waiting: z.int(), failed: z.int() }),
  /** null without any. */
  meanConfidence: z.number().nullable(),
  newestAt: z.string().nullable(),
  datasets: z.int(),
  /** The tenant is in `training.tenants`: its versions may be exported. */
  trainingAllowed: z.boolean(),
});
export type TripletStats = z.infer<typeof tripletStatsSchema>;

export const tripletsRemovedSchema = z.object({ removed: z.int(), taintedDatasets: z.int() });
export type TripletsRemoved = z.infer<typeof tripletsRemovedSchema>;

/**
 * A version that the arena proposes because enough pairs are waiting (PD6). `proposed` waits for a person, `approved` for
 * the version; then it is `frozen`, or `failed` with the code of why none could be made.
 */
export const batchStates = ['proposed', 'approved', 'frozen', 'rejected', 'failed'] as const;
export const batchSchema = z.object({
  id: z.string(),
  state: z.enum(batchStates),
  /** That were waiting when it was proposed. */
  pairs: z.int(),
  /** Of the version. */
  name: datasetNameField,
  datasetId: z.string().nullable(),
  fault: z.string().nullable(),
  /** Id of the key that decided; `auto` with training.auto. */
  decidedBy: z.string().nullable(),
  decidedAt: z.string().nullable(),
  createdAt: z.string(),
});
export type Batch = z.infer<typeof batchSchema>;
export const batchPageSchema = z.object({ batches: z.array(batchSchema), nextCursor: z.string().nullable() });
/** `name`: of the version that is made; `batch` unless told. */
export const approveBatchSchema = z.strictObject({ name: datasetNameField.optional() });

/** A file of an export: no folder, no way up. */
const exportFileField = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,99}$/);
const sha256Field = z.string().regex(/^[0-9a-f]{64}$/);

/**
 * `GET /api/arena/datasets/ID/export`: one JSON object a line. A `file` opens the next file and ends the one before; each
 * `line` is a line of it, or each `bytes` the next of its bytes. The last one is `end` or `error`: a stream without either broke off.
 */
export const exportEventSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('start'), dataset: datasetSchema, format: z.enum(exportFormats) }),
  z.object({ event: z.literal('file'), name: exportFileField, part: z.enum(datasetParts) }),
  /** Without its line end. */
  z.object({ event: z.literal('line'), text: z.string() }),
  /** Of a file that has no lines. `rows`: of the rows that these bytes begin, none was counted before. */
  z.object({
    event: z.literal('bytes'),
    base64: z.base64().max(4 * Math.ceil(datasetLimits.exportBytesMost / 3)),
    rows: z.int().min(0),
  }),
  z.object({
    event: z.literal('end'),
    files: z.array(
      z.object({
        name: exportFileField,
        part: z.enum(datasetParts),
        rows: z.int(),
        bytes: z.int(),
        sha256: sha256Field,
      }),
    ),
    /** Rows that the format cannot hold, by reason. */
    refused: z.record(z.string(), z.int()),
    /** For dataset_info.json; null for formats of other trainers. */
    datasetInfo: z.record(z.string(), z.unknown()).nullable(),
  }),
  z.object({ event: z.literal('error'), code: z.string(), message: z.string() }),
]);
export type ExportEvent = z.infer<typeof exportEventSchema>;
export type ExportEnd = Extract<ExportEvent, { event: 'end' }>;
