import { defineOptions } from '@labmesh/kit/options';
import { z } from 'zod';
import { oneId } from '../../arena/one-id.ts';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { safeText } from '../../terminal/safe-text.ts';

const resumedSchema = z.object({ id: z.string(), state: z.string() });

export const arenaResume = defineCommand({
  name: 'arena resume',
  summary:
    'Has a run go on that no arena holds any more, as after a crash, without waiting until it is found. What was done ' +
    'is not done again.',
  usage: 'labctl arena resume RUN [--json]',
  examples: ['labctl arena resume 01963a…'],
  options: defineOptions({ ...apiOptions, ...jsonOption }),
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const id = oneId(positionals, 'the id of a run', 'labctl arena runs --status pending lists them');
    await using arena = new ArenaClient(findApi(values, world), world);
    const resumed = await arena.ask({ method: 'POST', path: `/api/arena/tournaments/${id}/resume` }, resumedSchema);
    world.stdout(values.json ? `${JSON.stringify(resumed)}\n` : `it goes on: ${safeText(resumed.state)}\n`);
  },
});
