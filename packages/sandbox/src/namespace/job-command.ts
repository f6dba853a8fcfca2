/** What a job's code becomes: a file and the words that run it. */
import type { SandboxJob } from '@labmesh/wire/verification/sandbox';
import { JobRefused } from '../sandbox-result.ts';
import { clashingPath, type InputFile } from './staged-files.ts';

const wordsBytesMax = 1024 * 1024;
export const bunInside = '/opt/bun';
const bunWords = [bunInside, '--no-install', '--no-env-file'];

type Way = { tool: string; path: string; words: readonly string[] };
const ways: Readonly<Record<NonNullable<SandboxJob['language']>, Way>> = {
  python: { tool: 'python', path: 'main.py', words: ['/usr/bin/python3'] },
  javascript: { tool: 'bun', path: 'main.js', words: bunWords },
  typescript: { tool: 'bun', path: 'main.ts', words: bunWords },
  bash: { tool: 'bash', path: 'main.sh', words: ['/usr/bin/bash'] },
};

/** `tool` is what must be there inside; undefined when the job names its own program. */
export type JobCommand = { argv: readonly string[]; files: InputFile[]; tool: string | undefined };

const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));

export function jobCommand({ argv, language, code, files }: SandboxJob): JobCommand {
  const given = files.map(({ path, content }) => ({ path, content: bytes(content) }));
  if (argv !== undefined) return { argv, files: given, tool: undefined };
  const way = ways[language ?? 'bash'];
  const main = { path: way.path, content: new TextEncoder().encode(code) };
  return { argv: [...way.words, `/tmp/${way.path}`], files: [main, ...given], tool: way.tool };
}

/**
 * `tools` are those of the sandboxes here.
 * @throws JobRefused when the job cannot be run by anybody.
 */
export function checkJob(
  job: SandboxJob,
  { argv, files, tool }: JobCommand,
  tools: Readonly<Record<string, string>>,
): void {
  if (tool !== undefined && tools[tool] === undefined) {
    throw new JobRefused('TOOL_MISSING', `there is no ${tool} in sandboxes of this machine`);
  }
  const clash = clashingPath(files.map(({ path }) => path));
  if (clash !== undefined) throw new JobRefused('JOB_INVALID', 'two files of the job cannot lie beside each other');
  const words = [...argv, ...Object.entries(job.env).flat()];
  if (words.some((word) => word.includes('\0'))) throw new JobRefused('JOB_INVALID', 'a word holds a NUL character');
  const size = words.reduce((sum, word) => sum + Buffer.byteLength(word) + 1, 0);
  if (size > wordsBytesMax) throw new JobRefused('JOB_INVALID', `argv and env have more than ${wordsBytesMax} bytes`);
}
