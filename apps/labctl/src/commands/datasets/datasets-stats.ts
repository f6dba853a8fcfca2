import { tripletStatsSchema } from '@labmesh/wire/verification/datasets';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { renderFields } from '../../output/result.ts';

/** Figures of the tenant alone; what is not known is shown as a dash, never as 0. */
export const datasetsStats = defineCommand({
  name: 'datasets stats',
  summary: 'Counts the preference pairs of the tenant by quality, source and how far they came.',
  usage: 'labctl datasets stats [--json]',
  examples: ['labctl datasets stats'],
  options: { ...apiOptions, ...jsonOption },
  positionalsMax: 0,
  async run({ values, world }) {
    await using arena = new ArenaClient(findApi(values, world), world);
    const stats = await arena.ask({ method: 'GET', path: '/api/arena/triplets/stats' }, tripletStatsSchema);
    if (values.json) return world.stdout(`${JSON.stringify(stats)}\n`);
    const fields: [string, unknown][] = [
      ['Pairs', stats.total],
      ['Qualities', stats.qualities],
      ['Sources', stats.sources],
      ['Stages', stats.stages],
      ['Runs to look at', stats.runs.waiting],
      ['Runs unreadable', stats.runs.failed],
      ['Mean confidence', stats.meanConfidence === null ? null : Number(stats.meanConfidence.toFixed(3))],
      ['Newest', stats.newestAt],
      ['Versions', stats.datasets],
      // Told before anyone makes a version for nothing; the export asks again.
      ['Export', stats.trainingAllowed ? 'allowed' : 'not allowed: the tenant is not in training.tenants'],
    ];
    world.stdout(renderFields(fields));
  },
});
