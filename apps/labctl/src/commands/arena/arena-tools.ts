import { defineOptions } from '@labmesh/kit/options';
import { toolServerListSchema } from '@labmesh/wire/verification/tools/tool-use';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { safeText } from '../../terminal/safe-text.ts';
import { renderTable } from '../../terminal/table.ts';

/**
 * AR18. Names and descriptions are the words of servers, and of whoever wrote what they serve: they are made safe for the
 * terminal like everything that comes from outside.
 */
export const arenaTools = defineCommand({
  name: 'arena tools',
  summary: 'Lists the tool servers and what candidates may call: labctl ask --verify --tools NAMES.',
  usage: 'labctl arena tools [--json]',
  examples: ['labctl arena tools'],
  options: defineOptions({ ...apiOptions, ...jsonOption }),
  positionalsMax: 0,
  async run({ values, world }) {
    await using arena = new ArenaClient(findApi(values, world), world);
    const found = await arena.ask({ method: 'GET', path: '/api/arena/tools' }, toolServerListSchema);
    if (values.json) return world.stdout(`${JSON.stringify(found)}\n`);
    if (found.servers.length === 0) return world.stdout('no tool servers: arena.tools.servers names them\n');
    // A server that cannot be asked has a line of its own, or nobody would see that it is there.
    const rows = found.servers.flatMap(({ name, status, reason, tools }) => [
      ...(tools.length === 0 ? [[`${name}/*`, status, safeText(reason ?? 'it has no tools')]] : []),
      ...tools.map((tool) => [
        safeText(`${name}/${tool.name}`),
        tool.blocked === null ? status : 'blocked',
        safeText(tool.blocked ?? tool.description),
      ]),
    ]);
    world.stdout(renderTable(['TOOL', 'STATE', 'WHAT'], rows, { columns: world.columns }));
    // Tools of a server that is away are listed as they were: the reason has no line there.
    for (const { name, reason, tools } of found.servers) {
      if (reason !== null && tools.length > 0) world.stdout(`${name}: ${safeText(reason)}\n`);
    }
  },
});
