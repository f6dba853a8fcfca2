import { batchSchema } from '@labmesh/wire/verification/datasets';
import { oneId } from '../../arena/one-id.ts';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { batchFields } from '../../datasets/batch-fields.ts';
import { readDatasetName } from '../../datasets/dataset-ref.ts';
import { renderFields } from '../../output/result.ts';

/** PD6: a person approves. Exit code 8 when it was decided before, or no pair is left for it. */
export const datasetsApprove = defineCommand({
  name: 'datasets approve',
  summary: 'Freezes the pairs that are in no version into the version that a batch proposes.',
  usage: 'labctl datasets approve BATCH [--name NAME] [--json]',
  examples: ['labctl datasets approve 0199a…', 'labctl datasets approve 0199a… --name code'],
  options: {
    name: { type: 'string', flag: 'name', placeholder: 'NAME', help: 'of the version; default batch' },
    ...apiOptions,
    ...jsonOption,
  },
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const id = oneId(positionals, 'the id of a batch', 'labctl datasets batches lists them');
    const json = values.name === undefined ? {} : { name: readDatasetName(values.name) };
    await using arena = new ArenaClient(findApi(values, world), world);
    const batch = await arena.ask({ method: 'POST', path: `/api/arena/batches/${id}/approve`, json }, batchSchema);
    world.stdout(values.json ? `${JSON.stringify(batch)}\n` : renderFields(batchFields(batch)));
  },
});
