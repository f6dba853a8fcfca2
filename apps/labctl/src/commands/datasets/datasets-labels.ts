import { labelPageSchema } from '@labmesh/wire/verification/labels';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { moreText, pageOptions, queryOf } from '../../datasets/page-options.ts';
import { renderTable } from '../../terminal/table.ts';

/** Who said what. Reasons in words are in --json alone: they may quote answers. */
export const datasetsLabels = defineCommand({
  name: 'datasets labels',
  summary: 'Lists what people said of answers of the tenant, newest first.',
  usage: 'labctl datasets labels [--run ID] [--limit N] [--cursor TEXT] [--json]',
  examples: ['labctl datasets labels --run 0199…'],
  options: {
    ofRun: { type: 'string', flag: 'run', placeholder: 'ID', help: 'only those of a run' },
    ...pageOptions,
    ...apiOptions,
    ...jsonOption,
  },
  positionalsMax: 0,
  async run({ values, world }) {
    await using arena = new ArenaClient(findApi(values, world), world);
    const path = `/api/arena/labels${queryOf({ run: values.ofRun, limit: values.limit, cursor: values.cursor })}`;
    const found = await arena.ask({ method: 'GET', path }, labelPageSchema);
    if (values.json) return world.stdout(`${JSON.stringify(found)}\n`);
    const better = { a: (one: { a: number }) => one.a, b: (one: { b: number }) => one.b, tie: () => 'tie' };
    const rows = found.labels.map((one) => [
      one.runId,
      `${one.a}, ${one.b}`,
      better[one.winner](one),
      one.confidence.toFixed(2),
      one.reviewer,
      one.createdAt,
    ]);
    const headings = ['RUN', 'ANSWERS', 'BETTER', 'CONFIDENCE', 'REVIEWER', 'SAID'];
    world.stdout(renderTable(headings, rows, { columns: world.columns }) || 'nobody said anything yet\n');
    world.stderr(moreText(found.nextCursor));
  },
});
