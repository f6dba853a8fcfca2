import { defineOptions } from '@labmesh/kit/options';
import { verifierListSchema } from '@labmesh/wire/verification/arena-views';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { renderTable } from '../../terminal/table.ts';

export const arenaVerifiers = defineCommand({
  name: 'arena verifiers',
  summary: 'Lists the verifiers: what each checks, the least isolation it asks for, whether it can work now.',
  usage: 'labctl arena verifiers [--json]',
  examples: ['labctl arena verifiers'],
  options: defineOptions({ ...apiOptions, ...jsonOption }),
  positionalsMax: 0,
  async run({ values, world }) {
    await using arena = new ArenaClient(findApi(values, world), world);
    const found = await arena.ask({ method: 'GET', path: '/api/arena/verifiers' }, verifierListSchema);
    if (values.json) return world.stdout(`${JSON.stringify(found)}\n`);
    const rows = found.verifiers.map((one) => [
      one.name,
      one.enabled ? (one.hard ? 'hard' : 'soft') : 'off',
      one.status,
      one.minLevel ?? '-',
      one.checks,
      one.p50Ms === null ? '-' : one.p50Ms.toFixed(1),
      one.p95Ms === null ? '-' : one.p95Ms.toFixed(1),
      one.reason ?? one.description,
    ]);
    const headings = ['NAME', 'USE', 'STATUS', 'ISOLATION', 'CHECKS', 'P50 MS', 'P95 MS', 'WHAT'];
    world.stdout(renderTable(headings, rows, { columns: world.columns }));
  },
});
