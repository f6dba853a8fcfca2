import { trajectorySchema } from '@labmesh/wire/verification/arena-views';
import { defineOptions } from '@labmesh/kit/options';
import { runText } from '../../arena/run-text.ts';
import { oneId } from '../../arena/one-id.ts';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';

export const arenaShow = defineCommand({
  name: 'arena show',
  summary: 'Shows a run: variations with their sampling values, every verdict, matches, and what was signed.',
  usage: 'labctl arena show RUN [--json]',
  examples: ['labctl arena show 01963a…', "labctl arena show 01963a… --json | jq '.candidates[].verdicts'"],
  options: defineOptions({ ...apiOptions, ...jsonOption }),
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const id = oneId(positionals, 'the id of a run', 'labctl arena runs lists them');
    await using arena = new ArenaClient(findApi(values, world), world);
    const run = await arena.ask({ method: 'GET', path: `/api/arena/trajectories/${id}` }, trajectorySchema);
    world.stdout(values.json ? `${JSON.stringify(run)}\n` : runText(run, world.columns));
  },
});
