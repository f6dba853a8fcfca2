import { defineOptions } from '@labmesh/kit/options';
import { leaderboardSchema } from '@labmesh/wire/verification/arena-views';
import { brackets } from '@labmesh/wire/verification/verification-block';
import { boardText } from '../../arena/board-text.ts';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';

const options = defineOptions({
  bracket: { type: 'string', flag: 'bracket', default: 'none', choices: brackets, help: 'which bracket' },
  task: { type: 'string', flag: 'task', default: 'any', help: 'task class, such as code_generation' },
  style: {
    type: 'boolean',
    flag: 'style',
    default: false,
    help: 'at equal style: what length and markdown of answers explain is taken from nobody’s strength',
  },
  ...apiOptions,
  ...jsonOption,
});

export const arenaLeaderboard = defineCommand({
  name: 'arena leaderboard',
  summary:
    'Ranks models by the matches of their answers and the votes of people (labctl datasets label): Bradley-Terry ratings ' +
    'with 95 % intervals. A rank counts only those that are better beyond both intervals. There is none below 30 battles.',
  usage: 'labctl arena leaderboard [--bracket NAME] [--task CLASS] [--style] [--json]',
  examples: [
    'labctl arena leaderboard',
    'labctl arena leaderboard --bracket opencoder',
    'labctl arena leaderboard --style',
  ],
  options,
  positionalsMax: 0,
  async run({ values, world }) {
    await using arena = new ArenaClient(findApi(values, world), world);
    const { bracket, task, style } = values;
    const path = `/api/arena/leaderboard?bracket=${bracket}&task=${encodeURIComponent(task)}${style ? '&style=true' : ''}`;
    const board = await arena.ask({ method: 'GET', path }, leaderboardSchema);
    if (values.json) return world.stdout(`${JSON.stringify(board)}\n`);
    return world.stdout(boardText(board, world.columns));
  },
});
