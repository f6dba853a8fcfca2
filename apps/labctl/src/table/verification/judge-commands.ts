import type { CommandEntry } from '../../command.ts';
import { anyCommand as any } from '../any-command.ts';

/** Who compares answers. */
export const judgeCommands: readonly CommandEntry[] = [
  {
    name: 'arena judge list',
    summary: 'list judges with their position bias',
    load: async () => any((await import('../../commands/judge/arena-judge-list.ts')).arenaJudgeList),
  },
  {
    name: 'arena judge check',
    summary: 'try whether answers can talk a judge over',
    load: async () => any((await import('../../commands/judge/arena-judge-check.ts')).arenaJudgeCheck),
  },
  {
    name: 'arena judge tune',
    summary: 'find instructions under which a model judges as people do',
    load: async () => any((await import('../../commands/judge/arena-judge-tune.ts')).arenaJudgeTune),
  },
  {
    name: 'arena judge approve',
    summary: 'put in use what a tuning found',
    load: async () => any((await import('../../commands/judge/arena-judge-approve.ts')).arenaJudgeApprove),
  },
];
