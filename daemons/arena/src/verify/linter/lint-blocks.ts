/**
 * Blocks of several candidates through one parser process (verification V8). A block that kills the parser is tried once
 * alone: when it does so again it is to blame, and the others go on without it.
 */
import type { SandboxLevel, SandboxRunner } from '@labmesh/wire/verification/sandbox';
import { jobExit } from '../programs/job-exit.ts';
import { lowest } from '../programs/lowest.ts';
import { type LintBlock, lintMinLevel, type LintRecord, type LintTool } from './lint-tools.ts';

export type LintTask = LintBlock & { candidate: number };
export type LintResult = { record: LintRecord } | { error: { code: string; message: string } };

export type LintAsk = { tool: LintTool; runner: SandboxRunner; timeoutMs: number; signal: AbortSignal };

const died = (why: string): LintRecord => ({
  error: `the parser does not survive it (${why})`,
  imports: [],
  warnings: [],
});

const refused: LintRecord = { error: 'a NUL character, which no script may hold', imports: [], warnings: [] };

type Pass =
  | { records: LintRecord[]; level: SandboxLevel | null; why: string }
  | { error: { code: string; message: string } };

async function pass(tasks: readonly LintTask[], { tool, runner, timeoutMs, signal }: LintAsk): Promise<Pass> {
  const blocks = tasks.map(({ language, code }) => ({ language, code }));
  const limits = { wallMs: timeoutMs, cpuMs: timeoutMs };
  const result = await runner.run({ ...tool.job(blocks), minLevel: lintMinLevel, limits }, signal);
  const exit = jobExit(result, lintMinLevel);
  if (exit.kind === 'error') return { error: { code: exit.code, message: exit.message } };
  const records = tool.read(Buffer.from(result.stdout, 'base64').toString('utf8'));
  if (records === undefined)
    return { error: { code: 'TOOL_MISSING', message: `${tool.name} does not run in the sandbox` } };
  // Whose record is whose cannot be told any more.
  if (records.length > tasks.length) {
    return { error: { code: 'LINT_CONFUSED', message: `${tool.name} gave more records than there are blocks` } };
  }
  const why = exit.kind === 'limit' ? exit.message : 'it ended before the end';
  return { records, level: result.level, why };
}

/**
 * A result for each task, in order. After a death the other blocks of that candidate are not looked at: it has failed.
 * @throws what the runner rejects with.
 */
export async function lintBlocks(
  tasks: readonly LintTask[],
  ask: LintAsk,
): Promise<{ results: LintResult[]; level: SandboxLevel | null }> {
  const results = new Map<LintTask, LintResult>();
  const levels: (SandboxLevel | null)[] = [];
  const isRefused = ({ code }: LintTask) => ask.tool.separator !== undefined && code.includes(ask.tool.separator);
  for (const task of tasks.filter(isRefused)) results.set(task, { record: refused });
  let open = tasks.filter((task) => !isRefused(task));
  let alone = false;
  while (open.length > 0) {
    const part = alone ? open.slice(0, 1) : open;
    const seen = await pass(part, ask);
    if ('error' in seen) {
      for (const task of open) results.set(task, { error: seen.error });
      break;
    }
    levels.push(seen.level);
    for (const [at, record] of seen.records.entries()) results.set(part[at] as LintTask, { record });
    const suspect = part[seen.records.length];
    open = open.slice(seen.records.length);
    if (suspect === undefined) alone = false;
    else if (part.length > 1) alone = true;
    else {
      const record = died(seen.why);
      for (const task of open.filter(({ candidate }) => candidate === suspect.candidate)) results.set(task, { record });
      open = open.filter(({ candidate }) => candidate !== suspect.candidate);
      alone = false;
    }
  }
  const none: LintResult = { error: { code: 'LINT_INCOMPLETE', message: 'not every block was looked at' } };
  return { results: tasks.map((task) => results.get(task) ?? none), level: lowest(levels) };
}
