import { defineOptions } from '@labmesh/kit/options';
import { suiteListSchema } from '@labmesh/wire/verification/arena-views';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { ago } from '../../terminal/span.ts';
import { renderTable } from '../../terminal/table.ts';

export const arenaSuitesList = defineCommand({
  name: 'arena suites list',
  summary: 'Lists the suites of hidden cases of the tenant. Their cases are never shown again.',
  usage: 'labctl arena suites list [--json]',
  examples: ['labctl arena suites list'],
  options: defineOptions({ ...apiOptions, ...jsonOption }),
  positionalsMax: 0,
  async run({ values, world }) {
    await using arena = new ArenaClient(findApi(values, world), world);
    const found = await arena.ask({ method: 'GET', path: '/api/arena/suites' }, suiteListSchema);
    if (values.json) return world.stdout(`${JSON.stringify(found)}\n`);
    const now = world.clock.wall();
    const rows = found.suites.map((one) => [
      one.id,
      one.language,
      one.cases,
      ago(new Date(one.createdAt).toISOString(), now),
      one.sha256.slice(0, 12),
    ]);
    const nothing = 'no suites; labctl arena suites put FILE uploads one\n';
    world.stdout(
      renderTable(['SUITE', 'LANGUAGE', 'CASES', 'CREATED', 'SHA256'], rows, { columns: world.columns }) || nothing,
    );
  },
});
