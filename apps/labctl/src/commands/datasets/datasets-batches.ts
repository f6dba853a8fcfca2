import { batchPageSchema } from '@labmesh/wire/verification/datasets';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { moreText, pageOptions, queryOf } from '../../datasets/page-options.ts';
import { renderTable } from '../../terminal/table.ts';

/** PD6. What is decided stays listed: who said yes to what, and what came of it. */
export const datasetsBatches = defineCommand({
  name: 'datasets batches',
  summary:
    'Lists the versions that the arena proposes because many pairs are in none, newest first. labctl datasets approve makes ' +
    'one of them, labctl datasets reject none.',
  usage: 'labctl datasets batches [--limit N] [--cursor TEXT] [--json]',
  examples: [
    'labctl datasets batches',
    'labctl datasets batches --json | jq -r \'.batches[] | select(.state=="proposed").id\'',
  ],
  options: { ...pageOptions, ...apiOptions, ...jsonOption },
  positionalsMax: 0,
  async run({ values, world }) {
    await using arena = new ArenaClient(findApi(values, world), world);
    const path = `/api/arena/batches${queryOf({ limit: values.limit, cursor: values.cursor })}`;
    const found = await arena.ask({ method: 'GET', path }, batchPageSchema);
    if (values.json) return world.stdout(`${JSON.stringify(found)}\n`);
    const rows = found.batches.map((one) => [
      one.id,
      one.state,
      one.pairs,
      one.name,
      one.createdAt,
      one.decidedBy ?? '-',
    ]);
    const headings = ['BATCH', 'STATE', 'PAIRS', 'VERSION', 'PROPOSED', 'BY'];
    world.stdout(renderTable(headings, rows, { columns: world.columns }) || 'nothing was proposed yet\n');
    world.stderr(moreText(found.nextCursor));
  },
});
