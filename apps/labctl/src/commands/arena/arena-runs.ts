import { defineOptions } from '@labmesh/kit/options';
import { trajectoryPageSchema, trajectoryStatuses } from '@labmesh/wire/verification/arena-views';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { ago } from '../../terminal/span.ts';
import { renderTable } from '../../terminal/table.ts';

const options = defineOptions({
  status: { type: 'string', flag: 'status', choices: trajectoryStatuses, help: 'only these' },
  limit: { type: 'integer', flag: 'limit', default: 20, min: 1, max: 200, help: 'how many' },
  offset: { type: 'integer', flag: 'offset', default: 0, min: 0, help: 'how many newer ones to pass over' },
  ...apiOptions,
  ...jsonOption,
});

export const arenaRuns = defineCommand({
  name: 'arena runs',
  summary: 'Lists verification runs of the tenant that the API key belongs to, newest first.',
  usage: 'labctl arena runs [--status WORD] [--limit N] [--offset N] [--json]',
  examples: ['labctl arena runs', 'labctl arena runs --status failed'],
  options,
  positionalsMax: 0,
  async run({ values, world }) {
    await using arena = new ArenaClient(findApi(values, world), world);
    const status = values.status === undefined ? '' : `&status=${values.status}`;
    const path = `/api/arena/trajectories?limit=${values.limit}&offset=${values.offset}${status}`;
    const found = await arena.ask({ method: 'GET', path }, trajectoryPageSchema);
    if (values.json) return world.stdout(`${JSON.stringify(found)}\n`);
    const now = world.clock.wall();
    const rows = found.trajectories.map((one) => [
      one.id,
      one.status,
      one.mode,
      one.model,
      one.score === null ? '-' : one.score.toFixed(2),
      one.certificateId === null ? '-' : 'yes',
      ago(one.createdAt, now),
      one.failureReason ?? '',
    ]);
    const headings = ['RUN', 'STATUS', 'MODE', 'MODEL', 'SCORE', 'CERTIFICATE', 'CREATED', 'WHY'];
    const nothing = 'no runs; labctl ask --verify "…" makes one\n';
    world.stdout(renderTable(headings, rows, { columns: world.columns }) || nothing);
    const left = found.total - values.offset - rows.length;
    if (left > 0) world.stderr(`${left} more: --offset ${values.offset + rows.length}\n`);
  },
});
