import { datasetSchema } from '@labmesh/wire/verification/datasets';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { datasetFields } from '../../datasets/dataset-fields.ts';
import { readDatasetRef } from '../../datasets/dataset-ref.ts';
import { renderFields } from '../../output/result.ts';

/** The digest and the place in the log are what others compare an export with. */
export const datasetsShow = defineCommand({
  name: 'datasets show',
  summary: 'Shows one version of preference data: what it was made from, its digest, and whether it is still whole.',
  usage: 'labctl datasets show NAME[@NUMBER]|ID [--json]',
  examples: ['labctl datasets show code', 'labctl datasets show code@3 --json'],
  options: { ...apiOptions, ...jsonOption },
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const ref = readDatasetRef(positionals[0]);
    await using arena = new ArenaClient(findApi(values, world), world);
    const path = `/api/arena/datasets/${ref}`;
    const one = await arena.ask({ method: 'GET', path }, datasetSchema);
    world.stdout(values.json ? `${JSON.stringify(one)}\n` : renderFields(datasetFields(one)));
  },
});
