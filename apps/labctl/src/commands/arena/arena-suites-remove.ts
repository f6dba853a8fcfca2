import { defineOptions } from '@labmesh/kit/options';
import { oneId } from '../../arena/one-id.ts';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';

export const arenaSuitesRemove = defineCommand({
  name: 'arena suites remove',
  summary: 'Removes a suite. Certificates that name its digest stay valid.',
  usage: 'labctl arena suites remove ID',
  examples: ['labctl arena suites remove add'],
  options: defineOptions({ ...apiOptions, ...jsonOption }),
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const id = oneId(positionals, 'the id of a suite', 'labctl arena suites list lists them');
    await using arena = new ArenaClient(findApi(values, world), world);
    await arena.text({ method: 'DELETE', path: `/api/arena/suites/${id}` });
    world.stdout(values.json ? `${JSON.stringify({ id })}\n` : `removed: ${id}\n`);
  },
});
