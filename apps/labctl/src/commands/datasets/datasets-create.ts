import { type CreateDatasetInput, datasetSchema } from '@labmesh/wire/verification/datasets';
import { tripletQualities, tripletSources } from '@labmesh/wire/verification/preference';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { readDatasetName } from '../../datasets/dataset-ref.ts';
import { datasetFields } from '../../datasets/dataset-fields.ts';
import { parseInstant } from '../../grammar/instant.ts';
import { renderFields } from '../../output/result.ts';

/** A flag that was not given is an empty list. */
const someOf = <T>(given: T[]): T[] | undefined => (given.length === 0 ? undefined : [...new Set(given)]);

/**
 * PD3. The arena chooses: filters go over as they were given, and what was left out of them is its default. Exit code 8
 * when no pair fits, or as many versions are kept as may be.
 */
export const datasetsCreate = defineCommand({
  name: 'datasets create',
  summary:
    'Freezes the pairs that fit the filters into a new version, with a digest over them. Pairs that share 13 words in a ' +
    'row with a hidden test case stay out. A name may have many versions; they are numbered.',
  usage:
    'labctl datasets create NAME [--min-confidence N] [--quality Q] [--source S] [--since TIME] [--pending] [--json]',
  examples: ['labctl datasets create code', 'labctl datasets create code --quality gold --quality silver --since 7d'],
  options: {
    minConfidence: { type: 'number', flag: 'min-confidence', min: 0, max: 1, help: 'least confidence; default 0.6' },
    quality: { type: 'string[]', flag: 'quality', choices: tripletQualities, help: 'only these; may be repeated' },
    source: { type: 'string[]', flag: 'source', choices: tripletSources, help: 'only these; may be repeated' },
    messagesMost: { type: 'integer', flag: 'max-messages', min: 2, max: 50, help: 'longest conversation; default 50' },
    requireRationale: { type: 'boolean', flag: 'require-rationale', default: false, help: 'only pairs that say why' },
    since: {
      type: 'string',
      flag: 'since',
      placeholder: 'TIME',
      help: 'made at a moment or later, or a span such as 7d',
    },
    until: { type: 'string', flag: 'until', placeholder: 'TIME', help: 'made before it' },
    pending: { type: 'boolean', flag: 'pending', default: false, help: 'only pairs that are in no version yet' },
    ...apiOptions,
    ...jsonOption,
  },
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const name = readDatasetName(positionals[0]);
    const now = world.clock.wall();
    const moment = (flag: string, text: string | undefined) =>
      text === undefined ? undefined : parseInstant(text, { flag, spans: 'ago', now });
    const wanted: CreateDatasetInput = {
      name,
      filters: {
        minConfidence: values.minConfidence,
        qualities: someOf(values.quality),
        sources: someOf(values.source),
        messagesMost: values.messagesMost,
        requireRationale: values.requireRationale,
        since: moment('--since', values.since),
        until: moment('--until', values.until),
        ...(values.pending && { pending: true }),
      },
    };
    await using arena = new ArenaClient(findApi(values, world), world);
    const made = await arena.ask({ method: 'POST', path: '/api/arena/datasets', json: wanted }, datasetSchema);
    world.stdout(values.json ? `${JSON.stringify(made)}\n` : renderFields(datasetFields(made)));
  },
});
