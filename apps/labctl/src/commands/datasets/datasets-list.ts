import { datasetPageSchema } from '@labmesh/wire/verification/datasets';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { moreText, pageOptions, queryOf } from '../../datasets/page-options.ts';
import { renderTable } from '../../terminal/table.ts';

/** Newest first, a page at a time: a script follows `nextCursor`. What is tainted stays listed, so that nobody wonders. */
export const datasetsList = defineCommand({
  name: 'datasets list',
  summary: 'Lists the versions of preference data of the tenant that the API key belongs to, newest first.',
  usage: 'labctl datasets list [--limit N] [--cursor TEXT] [--json]',
  examples: ['labctl datasets list', "labctl datasets list --json | jq -r '.datasets[].sha256'"],
  options: { ...pageOptions, ...apiOptions, ...jsonOption },
  positionalsMax: 0,
  async run({ values, world }) {
    await using arena = new ArenaClient(findApi(values, world), world);
    const path = `/api/arena/datasets${queryOf({ limit: values.limit, cursor: values.cursor })}`;
    const found = await arena.ask({ method: 'GET', path }, datasetPageSchema);
    if (values.json) return world.stdout(`${JSON.stringify(found)}\n`);
    const rows = found.datasets.map((one) => [
      `${one.name}@${one.number}`,
      one.state,
      one.count,
      one.train,
      one.test,
      one.createdAt,
      one.logIndex ?? '-',
      // Enough to tell versions apart by eye; --json has all of it.
      one.sha256.slice(0, 12),
    ]);
    const headings = ['VERSION', 'STATE', 'PAIRS', 'TRAIN', 'TEST', 'CREATED', 'LOG', 'SHA256'];
    world.stdout(
      renderTable(headings, rows, { columns: world.columns }) || 'no versions; labctl datasets create makes one\n',
    );
    // Not on stdout: a pipe gets rows and nothing else.
    world.stderr(moreText(found.nextCursor));
  },
});
