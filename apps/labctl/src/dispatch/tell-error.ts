/** A failed command's last words, for the person and for the program that called it. */
import { OptionsError } from '@labmesh/kit/options';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { World } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { exitCodeOf, settingsExitCode } from '../exit-codes.ts';
import { safeText } from '../terminal/safe-text.ts';
import { splitRest, wantsJson } from './argv.ts';

/** What went wrong as a person has to read it; undefined for what nobody foresaw. */
export function foreseen(error: unknown): CommandError | undefined {
  if (error instanceof CommandError) return error;
  if (error instanceof OptionsError) {
    return new CommandError(error.message, { exitCode: settingsExitCode(error.exitCode) });
  }
  if (!(error instanceof FleetError)) return undefined;
  const { message, hint, code, status } = error;
  return new CommandError(`${message} (${code})`, { hint, code, exitCode: exitCodeOf(code, status) });
}

/** Tells it to the person (stderr, CT-9) and, with --json, to the program (stdout). */
export function tell(error: CommandError, argv: readonly string[], world: World): number {
  const { message, hint, code, requestId } = error;
  const verbose = splitRest(argv).own.some((word) => word === '--verbose' || word === '-v');
  const lines = [`error: ${safeText(message)}`];
  if (hint !== undefined) lines.push(`hint: ${safeText(hint)}`);
  if (verbose && requestId !== undefined) lines.push(`request: ${safeText(requestId)}`);
  world.stderr(`${lines.join('\n')}\n`);
  if (wantsJson(argv)) world.stdout(`${JSON.stringify({ error: { code, message, hint, requestId } })}\n`);
  return error.exitCode;
}
