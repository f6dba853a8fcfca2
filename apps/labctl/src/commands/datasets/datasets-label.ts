import { failureCategories, type GiveLabelInput, labelGivenSchema } from '@labmesh/wire/verification/labels';
import { oneId } from '../../arena/one-id.ts';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { CommandError } from '../../command-error.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { consensusFields } from '../../datasets/consensus-fields.ts';
import { exitCodes } from '../../exit-codes.ts';
import { renderFields } from '../../output/result.ts';

/** @throws CommandError (exit 2) */
function readIndex(given: string | undefined): number {
  if (given !== undefined && /^\d{1,3}$/.test(given)) return Number(given);
  throw new CommandError('name two answers of the run by their numbers, the better one first', {
    hint: 'labctl arena show RUN shows them',
    exitCode: exitCodes.usage,
  });
}

/** PD2, EX2: gold is what people agree on. Exit code 5 for a run of another tenant, or whose texts are not kept. */
export const datasetsLabel = defineCommand({
  name: 'datasets label',
  summary:
    'Says which of two answers of a run is better. When people agree, weighed by how sure they are, the two become a gold ' +
    'pair. Each API key has one word on two answers, and may change it.',
  usage: 'labctl datasets label RUN BETTER WORSE [--tie] [--confidence N] [--category C --because TEXT] [--json]',
  examples: [
    'labctl datasets label 0199… 2 0 --confidence 0.9',
    "labctl datasets label 0199… 2 0 --category logic_error --because 'forgets zero'",
    'labctl datasets label 0199… 2 0 --tie',
  ],
  options: {
    tie: { type: 'boolean', flag: 'tie', default: false, help: 'neither is better' },
    confidence: { type: 'number', flag: 'confidence', default: 1, min: 0, max: 1, help: 'how sure you are; default 1' },
    category: {
      type: 'string',
      flag: 'category',
      choices: failureCategories,
      help: 'what is wrong with the worse one',
    },
    because: { type: 'string', flag: 'because', placeholder: 'TEXT', help: 'in words; with --category' },
    severity: { type: 'integer', flag: 'severity', default: 5, min: 1, max: 10, help: 'of what is wrong; 10 is worst' },
    ...apiOptions,
    ...jsonOption,
  },
  positionalsMax: 3,
  async run({ values, positionals, world }) {
    const runId = oneId(positionals, 'the id of a run', 'labctl arena runs lists them');
    const [a, b] = [readIndex(positionals[1]), readIndex(positionals[2])];
    const { category, because, severity, confidence } = values;
    if (because !== undefined && category === undefined) {
      throw new CommandError('--because needs a --category', { exitCode: exitCodes.usage });
    }
    const rationales = category === undefined ? [] : [{ category, description: because ?? '', severity }];
    const said: GiveLabelInput = { runId, a, b, winner: values.tie ? 'tie' : 'a', confidence, rationales };
    await using arena = new ArenaClient(findApi(values, world), world);
    const given = await arena.ask({ method: 'POST', path: '/api/arena/labels', json: said }, labelGivenSchema);
    world.stdout(values.json ? `${JSON.stringify(given)}\n` : renderFields(consensusFields(given.consensus)));
  },
});
