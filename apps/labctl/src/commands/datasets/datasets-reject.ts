import { batchSchema } from '@labmesh/wire/verification/datasets';
import { oneId } from '../../arena/one-id.ts';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { batchFields } from '../../datasets/batch-fields.ts';
import { renderFields } from '../../output/result.ts';

/** PD6. It deletes nothing: labctl datasets create --pending takes the pairs later. */
export const datasetsReject = defineCommand({
  name: 'datasets reject',
  summary: 'Turns a proposed version down. Its pairs stay; only new ones make the arena propose again.',
  usage: 'labctl datasets reject BATCH [--json]',
  examples: ['labctl datasets reject 0199a…'],
  options: { ...apiOptions, ...jsonOption },
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const id = oneId(positionals, 'the id of a batch', 'labctl datasets batches lists them');
    await using arena = new ArenaClient(findApi(values, world), world);
    const batch = await arena.ask({ method: 'POST', path: `/api/arena/batches/${id}/reject` }, batchSchema);
    world.stdout(values.json ? `${JSON.stringify(batch)}\n` : renderFields(batchFields(batch)));
  },
});
