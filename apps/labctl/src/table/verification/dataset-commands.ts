import type { CommandEntry } from '../../command.ts';
import { anyCommand as any } from '../any-command.ts';

/** What runs of the arena taught, as data to train with. Pairs are made of runs, and of what people say of their answers. */
export const datasetCommands: readonly CommandEntry[] = [
  {
    name: 'datasets list',
    summary: 'list versions of preference data',
    load: async () => any((await import('../../commands/datasets/datasets-list.ts')).datasetsList),
  },
  {
    name: 'datasets show',
    summary: 'show a version',
    load: async () => any((await import('../../commands/datasets/datasets-show.ts')).datasetsShow),
  },
  {
    name: 'datasets create',
    summary: 'freeze pairs into a version',
    load: async () => any((await import('../../commands/datasets/datasets-create.ts')).datasetsCreate),
  },
  {
    name: 'datasets export',
    summary: 'write a version for a trainer',
    load: async () => any((await import('../../commands/datasets/datasets-export.ts')).datasetsExport),
  },
  {
    name: 'datasets stats',
    summary: 'count the preference pairs',
    load: async () => any((await import('../../commands/datasets/datasets-stats.ts')).datasetsStats),
  },
  {
    name: 'datasets triplets',
    summary: 'list the preference pairs',
    load: async () => any((await import('../../commands/datasets/datasets-triplets.ts')).datasetsTriplets),
  },
  {
    name: 'datasets batches',
    summary: 'list the versions that the arena proposes',
    load: async () => any((await import('../../commands/datasets/datasets-batches.ts')).datasetsBatches),
  },
  {
    name: 'datasets approve',
    summary: 'make a proposed version',
    load: async () => any((await import('../../commands/datasets/datasets-approve.ts')).datasetsApprove),
  },
  {
    name: 'datasets reject',
    summary: 'turn a proposed version down',
    load: async () => any((await import('../../commands/datasets/datasets-reject.ts')).datasetsReject),
  },
  {
    name: 'datasets stage',
    summary: 'tell what became of a version in training',
    load: async () => any((await import('../../commands/datasets/datasets-stage.ts')).datasetsStage),
  },
  {
    name: 'datasets forget',
    summary: 'delete preference pairs for good',
    load: async () => any((await import('../../commands/datasets/datasets-forget.ts')).datasetsForget),
  },
  {
    name: 'datasets label',
    summary: 'say which of two answers is better',
    load: async () => any((await import('../../commands/datasets/datasets-label.ts')).datasetsLabel),
  },
  {
    name: 'datasets labels',
    summary: 'list what people said of answers',
    load: async () => any((await import('../../commands/datasets/datasets-labels.ts')).datasetsLabels),
  },
];
