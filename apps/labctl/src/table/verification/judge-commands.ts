import type { CommandEntry } from '../../command.ts';
import { anyCommand as any } from '../any-command.ts';

/** Who compares answers. */
export const judgeCommands: readonly CommandEntry[] = [
  {
    name: 'arena judge list',
    summary: 'list judges with their position bias',
    load: async () => any((await import('../../commands/arena/arena-judge-list.ts')).arenaJudgeList),
  },
  {
    name: 'arena judge check',
    summary: 'try whether answers can talk a judge over',
    load: async () => any((await import('../../commands/arena/arena-judge-check.ts')).arenaJudgeCheck),
  },
];
