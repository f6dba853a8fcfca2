/** The program of `sandbox run`, from a file or stdin, as a job. */
import { extname } from 'node:path';
import { jobLanguages, type SandboxJobInput } from '@labmesh/wire/verification/sandbox';
import type { World } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { readNamed } from '../verify/attest-files.ts';

export type JobLanguage = (typeof jobLanguages)[number];

const languageOf: Readonly<Record<string, JobLanguage>> = {
  '.py': 'python',
  '.js': 'javascript',
  '.mjs': 'javascript',
  '.cjs': 'javascript',
  '.ts': 'typescript',
  '.mts': 'typescript',
  '.sh': 'bash',
  '.bash': 'bash',
};

// In the single-file program Bun is what that is made of: it has to be told to act as Bun.
const bunWords = ['/opt/bun', '--no-install', '--no-env-file'];
const bunEnv = { BUN_BE_BUN: '1' };

/** How a language is started when words follow: in the work folder, by the name that the file has there. */
const started: Readonly<Record<JobLanguage, { file: string; words: readonly string[]; env?: Record<string, string> }>> =
  {
    python: { file: 'main.py', words: ['/usr/bin/python3'] },
    bash: { file: 'main.sh', words: ['/usr/bin/bash'] },
    javascript: { file: 'main.mjs', words: bunWords, env: bunEnv },
    typescript: { file: 'main.ts', words: bunWords, env: bunEnv },
  };

const usage = (message: string, hint?: string) => new CommandError(message, { hint, exitCode: exitCodes.usage });

/** @throws CommandError (exit 2): no file, not readable, a language that cannot be told */
export async function readProgram(
  path: string | undefined,
  given: JobLanguage | undefined,
  world: Pick<World, 'readStdin'>,
): Promise<{ language: JobLanguage; code: string }> {
  if (path === undefined) throw usage('which program is missing', 'labctl sandbox run FILE, or - for stdin');
  const language = given ?? languageOf[extname(path).toLowerCase()];
  if (language === undefined)
    throw usage(`the language of ${path} is not known`, `--language ${jobLanguages.join('|')}`);
  if (path === '-') return { language, code: await world.readStdin() };
  return { language, code: new TextDecoder().decode(await readNamed(path, 'the program')) };
}

/** The program and the words for it. Without words it is given as code, which level L0 can run too. */
export function programJob(
  { language, code }: { language: JobLanguage; code: string },
  words: readonly string[],
): SandboxJobInput {
  if (words.length === 0) return { language, code };
  const { file, words: interpreter, env } = started[language];
  const content = Buffer.from(code).toString('base64');
  return { argv: [...interpreter, file, ...words], files: [{ path: file, content }], ...(env && { env }) };
}
