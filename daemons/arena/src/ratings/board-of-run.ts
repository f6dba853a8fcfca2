/** On which leaderboard a run's matches count (AR17). */
import type { FinishedRun } from '../contract/finished-run.ts';
import type { Board } from './battle-counts.ts';

/** Task classes of AR18, by bracket; `any` is everything else. */
const taskClasses: ReadonlySet<unknown> = new Set([
  'code_generation',
  'bug_fixing',
  'refactoring',
  'testing',
  'repo_level',
  'provisioning',
  'kubernetes',
  'multi_cloud',
  'cost',
  'security',
  'monitoring',
]);

/** Any other word of a client's would be a board of its own: boards are no place to write to. */
export function boardOfRun({ tenant, block }: Pick<FinishedRun, 'tenant' | 'block'>): Board {
  const task = block.metadata?.['task'];
  return { tenant, bracket: block.bracket, task: taskClasses.has(task) ? (task as string) : 'any' };
}
