/** The question before something is destroyed (CT-7). */
import type { World } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { safeText } from '../terminal/safe-text.ts';

export type Confirmation = {
  /** What is about to happen: `delete server/web-1 and revoke its certificate`. */
  action: string;
  /** What has to be typed, the name of the thing. */
  name: string;
  /** --yes. */
  yes: boolean;
};

/**
 * Goes on when the person types the name, or said --yes before. @throws CommandError: exit 2 where nobody can be
 * asked, exit 1 when the answer is another
 */
export async function confirm(world: World, { action, name, yes }: Confirmation): Promise<void> {
  if (yes) return;
  if (!world.stdinIsTerminal || !world.stderrIsTerminal) {
    throw new CommandError(`this would ${action}, and nobody is there to be asked`, {
      hint: 'add --yes to do it without a question, or --dry-run to see what it would do',
      exitCode: exitCodes.usage,
    });
  }
  const answer = await world.ask(`This will ${safeText(action)}.\nType ${safeText(name)} to go on: `);
  if (answer?.trim() === name) return;
  throw new CommandError('not confirmed, nothing was done', { exitCode: exitCodes.failed });
}
