import { defineOptions } from '@labmesh/kit/options';
import { replaySchema } from '@labmesh/wire/verification/arena-views';
import { oneId } from '../../arena/one-id.ts';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { exitCodes } from '../../exit-codes.ts';
import { safeText } from '../../terminal/safe-text.ts';

export const arenaReplay = defineCommand({
  name: 'arena replay',
  summary:
    'Works out a run a second time from what was recorded: sampling seeds, outcomes from verdicts, the bracket from the ' +
    'matches. Exits 1 when something comes out otherwise.',
  usage: 'labctl arena replay RUN [--json]',
  examples: ['labctl arena replay 01963a…'],
  options: defineOptions({ ...apiOptions, ...jsonOption }),
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const id = oneId(positionals, 'the id of a run', 'labctl arena runs lists them');
    await using arena = new ArenaClient(findApi(values, world), world);
    const replay = await arena.ask({ method: 'GET', path: `/api/arena/trajectories/${id}/replay` }, replaySchema);
    if (values.json) world.stdout(`${JSON.stringify(replay)}\n`);
    else {
      const { seeds, verdicts, outcomes, matches } = replay.checked;
      const what = `${seeds} seeds, ${outcomes} outcomes of ${verdicts} verdicts, ${matches} matches`;
      world.stdout(replay.same ? `the same: ${what}\n` : `not the same (${what}):\n`);
      for (const one of replay.differences) world.stdout(`  ${safeText(one)}\n`);
    }
    return replay.same ? exitCodes.ok : exitCodes.failed;
  },
});
