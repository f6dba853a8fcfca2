import { defineOptions } from '@labmesh/kit/options';
import { leaderboardSchema } from '@labmesh/wire/verification/arena-views';
import { brackets } from '@labmesh/wire/verification/verification-block';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { safeText } from '../../terminal/safe-text.ts';
import { renderTable } from '../../terminal/table.ts';

const options = defineOptions({
  bracket: { type: 'string', flag: 'bracket', default: 'none', choices: brackets, help: 'which bracket' },
  task: { type: 'string', flag: 'task', default: 'any', help: 'task class, such as code_generation' },
  ...apiOptions,
  ...jsonOption,
});

export const arenaLeaderboard = defineCommand({
  name: 'arena leaderboard',
  summary:
    'Ranks models by the matches of their answers: Bradley-Terry ratings with 95 % intervals. A rank counts only those ' +
    'that are better beyond both intervals.',
  usage: 'labctl arena leaderboard [--bracket NAME] [--task CLASS] [--json]',
  examples: ['labctl arena leaderboard', 'labctl arena leaderboard --bracket opencoder'],
  options,
  positionalsMax: 0,
  async run({ values, world }) {
    await using arena = new ArenaClient(findApi(values, world), world);
    const path = `/api/arena/leaderboard?bracket=${values.bracket}&task=${encodeURIComponent(values.task)}`;
    const board = await arena.ask({ method: 'GET', path }, leaderboardSchema);
    if (values.json) return world.stdout(`${JSON.stringify(board)}\n`);
    if (board.rows.length === 0) {
      return world.stdout(`no leaderboard yet: ${board.battles} battles of at least ${board.battlesNeeded}\n`);
    }
    const rows = board.rows.map((one) => [
      one.rank,
      one.player,
      Math.round(one.rating),
      `${Math.round(one.lower)} … ${Math.round(one.upper)}`,
      one.battles,
    ]);
    world.stdout(renderTable(['RANK', 'MODEL', 'RATING', '95 %', 'BATTLES'], rows, { columns: world.columns }));
    const { leverage } = board;
    if (leverage === undefined || leverage === null || leverage.battles === null) return undefined;
    const lead = `without ${leverage.battles} of ${leverage.of} battles ${leverage.overtaker ?? 'another'} would be first`;
    return world.stdout(`${safeText(lead)}\n`);
  },
});
