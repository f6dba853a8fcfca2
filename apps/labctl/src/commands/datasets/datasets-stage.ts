import { datasetSchema, trainingStages } from '@labmesh/wire/verification/datasets';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { CommandError } from '../../command-error.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { datasetFields } from '../../datasets/dataset-fields.ts';
import { readDatasetRef } from '../../datasets/dataset-ref.ts';
import { exitCodes } from '../../exit-codes.ts';
import { renderFields } from '../../output/result.ts';

/** @throws CommandError (exit 2) */
function readStage(given: string | undefined): (typeof trainingStages)[number] {
  const stage = trainingStages.find((one) => one === given);
  if (stage !== undefined) return stage;
  throw new CommandError(`say what became of it: ${trainingStages.join(', ')}`, {
    hint: 'labctl datasets stage code@1 training',
    exitCode: exitCodes.usage,
  });
}

/** PD6. The trainer runs elsewhere: a line before and after it keeps the figures right. Exit code 8 out of order. */
export const datasetsStage = defineCommand({
  name: 'datasets stage',
  summary:
    'Tells what became of an exported version: training, completed or failed. The version and its pairs are counted there.',
  usage: 'labctl datasets stage NAME[@NUMBER]|ID training|completed|failed [--json]',
  examples: ['labctl datasets stage code@1 training', 'labctl datasets stage code@1 completed'],
  options: { ...apiOptions, ...jsonOption },
  positionalsMax: 2,
  async run({ values, positionals, world }) {
    const [ref, stage] = [readDatasetRef(positionals[0]), readStage(positionals[1])];
    await using arena = new ArenaClient(findApi(values, world), world);
    const path = `/api/arena/datasets/${ref}/stage`;
    const one = await arena.ask({ method: 'POST', path, json: { stage } }, datasetSchema);
    world.stdout(values.json ? `${JSON.stringify(one)}\n` : renderFields(datasetFields(one)));
  },
});
