import { defineOptions } from '@labmesh/kit/options';
import { judgesSchema, type JudgesView } from '@labmesh/wire/verification/judge-views';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { renderTable } from '../../terminal/table.ts';

const percent = (share: number) => `${Math.round(share * 100)} %`;

const meanOf = (mean: { mean: number } | undefined) => mean?.mean.toFixed(3) ?? '-';

/** Models that were tuned or are told something else; nothing when there are none. */
function instructionsText({ tunings, approved }: JudgesView, columns: number | undefined): string {
  const models = [...new Set([...tunings, ...approved].map(({ model }) => model))].toSorted();
  const rows = models.map((model) => {
    const tuning = tunings.find((one) => one.model === model);
    const use = approved.find((one) => one.model === model);
    return [
      model,
      use?.prompt ?? 'usual',
      tuning?.state ?? '-',
      meanOf(tuning?.present?.heldOut),
      meanOf(tuning?.best?.heldOut),
      tuning?.best?.prompt ?? '-',
    ];
  });
  const headings = ['MODEL', 'IN USE', 'TUNING', 'BEFORE', 'FOUND', 'FOUND DIGEST'];
  return rows.length === 0 ? '' : `\n${renderTable(headings, rows, { columns })}`;
}

/** AR14: the first-position win rate of each judge, with its interval; AR13: what answers that talk to it did. */
export const arenaJudgeList = defineCommand({
  name: 'arena judge list',
  summary:
    'Lists who compared answers: how often what a judge saw first won, with its 95 % interval, and whether answers that talk ' +
    'to a judge can turn it, where that was tried (arena judge check), what tunings found, and what is in use of it.',
  usage: 'labctl arena judge list [--json]',
  examples: ['labctl arena judge list'],
  options: defineOptions({ ...apiOptions, ...jsonOption }),
  positionalsMax: 0,
  async run({ values, world }) {
    await using arena = new ArenaClient(findApi(values, world), world);
    const found = await arena.ask({ method: 'GET', path: '/api/arena/judges' }, judgesSchema);
    if (values.json) return world.stdout(`${JSON.stringify(found)}\n`);
    const { checks } = found;
    const rows = found.judges.map(({ judge, calls, voided, position: { rate, low, high, state } }) => [
      judge,
      calls,
      voided,
      rate === null ? '-' : percent(rate),
      rate === null ? '-' : `${percent(low)} … ${percent(high)}`,
      state,
    ]);
    // Two tables: judges by the name that matches were played under, checks by the model that was tried.
    const headings = ['JUDGE', 'CALLS', 'VOID', 'FIRST WINS', '95 %', 'POSITION'];
    world.stdout(renderTable(headings, rows, { columns: world.columns }) || 'no judge was asked yet\n');
    world.stdout(instructionsText(found, world.columns));
    if (checks.length === 0) return undefined;
    const checked = checks.map((one) => [
      one.model,
      one.state,
      `${one.flipped.length} of ${one.decided}`,
      one.voided,
      one.calls,
      one.endedAt ?? '-',
    ]);
    const table = renderTable(['MODEL', 'INJECTION', 'TURNED', 'VOID', 'CALLS', 'TRIED'], checked, {
      columns: world.columns,
    });
    return world.stdout(`\n${table}`);
  },
});
