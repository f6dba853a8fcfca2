import { tripletPageSchema } from '@labmesh/wire/verification/datasets';
import { tripletQualities, tripletSources } from '@labmesh/wire/verification/preference';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { moreText, pageOptions, queryOf } from '../../datasets/page-options.ts';
import { renderTable } from '../../terminal/table.ts';

/** Which pairs there are, not what is in them: a terminal's history is no place for prompts. */
export const datasetsTriplets = defineCommand({
  name: 'datasets triplets',
  summary: 'Lists the preference pairs of the tenant, without their texts.',
  usage: 'labctl datasets triplets [--quality Q] [--source S] [--run ID] [--limit N] [--cursor TEXT] [--json]',
  examples: ['labctl datasets triplets --quality silver', 'labctl datasets triplets --run 0199…'],
  options: {
    quality: { type: 'string', flag: 'quality', choices: tripletQualities, help: 'only these' },
    source: { type: 'string', flag: 'source', choices: tripletSources, help: 'only these' },
    ofRun: { type: 'string', flag: 'run', placeholder: 'ID', help: 'only those of a run' },
    ...pageOptions,
    ...apiOptions,
    ...jsonOption,
  },
  positionalsMax: 0,
  async run({ values, world }) {
    await using arena = new ArenaClient(findApi(values, world), world);
    const { quality, source, ofRun: run, limit, cursor } = values;
    const path = `/api/arena/triplets${queryOf({ quality, source, run, limit, cursor })}`;
    const found = await arena.ask({ method: 'GET', path }, tripletPageSchema);
    if (values.json) return world.stdout(`${JSON.stringify(found)}\n`);
    const rows = found.triplets.map((one) => [
      // Digests, whose first characters tell them apart by eye; --json has them whole.
      one.id.slice(0, 16),
      one.quality,
      one.source,
      one.confidence.toFixed(2),
      one.runId,
      one.createdAt,
    ]);
    const headings = ['ID', 'QUALITY', 'SOURCE', 'CONFIDENCE', 'RUN', 'CREATED'];
    world.stdout(renderTable(headings, rows, { columns: world.columns }) || 'no pairs\n');
    world.stderr(moreText(found.nextCursor));
  },
});
