/** Secrets from a file, from stdin, or from a person who is not shown what they type. Never from the command line. */
import { readFileSync, statSync } from 'node:fs';
import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';

const secretCharsMax = 4_096;

const usage = (problem: string, hint?: string) => new CommandError(problem, { hint, exitCode: exitCodes.usage });

function readFile(path: string, flag: string): string {
  try {
    // A device or a huge file must not be read to its end to learn that it is none.
    if (statSync(path).size > secretCharsMax) throw usage(`${flag}: ${path} is too large`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw usage(`${flag}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
}

/** The first line of a file, or of stdin for `-`. @throws CommandError (exit 2), never with any of the text */
export async function secretFromFile(world: World, path: string, flag: string): Promise<string> {
  const text = path === '-' ? await world.readStdin() : readFile(path, flag);
  const secret = text.split(/\r?\n/, 1)[0]?.trim() ?? '';
  if (secret === '') throw usage(`${flag}: there is nothing in ${path === '-' ? 'stdin' : path}`);
  if (secret.length > secretCharsMax) throw usage(`${flag}: ${path === '-' ? 'stdin' : path} is too large`);
  return secret;
}

/** Asks, hidden. `way`: how to give it where nobody is there. @throws CommandError (exit 2) */
export async function askSecret(world: World, question: string, way: string): Promise<string> {
  if (!world.stdinIsTerminal || !world.stderrIsTerminal) {
    throw usage('nobody is there to be asked', way);
  }
  const secret = await world.ask(question, { hidden: true });
  if (secret === undefined || secret === '') throw usage('nothing was typed', way);
  return secret;
}

/** A new password, typed twice. @throws CommandError */
export async function askNewPassword(world: World, way: string): Promise<string> {
  const first = await askSecret(world, 'New password: ', way);
  if ((await askSecret(world, 'Again: ', way)) === first) return first;
  throw new CommandError('the two are not the same; nothing was changed', { exitCode: exitCodes.failed });
}
