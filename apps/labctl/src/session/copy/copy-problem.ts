import { CommandError } from '../../command-error.ts';
import { channelProblem, endingOf } from '../channel-problem.ts';
import { dialProblem } from '../dial-problem.ts';
import { type Copied, CopyFailed, type copyIn, type CopyParts, type CopyPlan } from './copy-session.ts';

/** Why a copy failed, as a person has to read it. `where`: the address of labd; `now`: wall ms. */
export function copyProblem(
  error: unknown,
  verb: 'copy-in' | 'copy-out',
  { server, local }: CopyPlan,
  where: string,
  now: number,
): CommandError {
  if (error instanceof CopyFailed) {
    const { code, hint, cause } = error;
    return new CommandError(`${local}: ${error.message} (${code})`, { code, hint, cause });
  }
  const ending = endingOf(error);
  if (ending === undefined) return dialProblem(where, error);
  return channelProblem(ending, { verb, target: `server/${server}`, now });
}

/** A part that does not fit is gone when it was found out; the second try is from the start. */
export async function copyAgain(run: typeof copyIn, plan: CopyPlan, parts: CopyParts): Promise<Copied> {
  try {
    return await run(plan, parts);
  } catch (error) {
    const ending = error instanceof CopyFailed ? error.ending : endingOf(error);
    if (ending?.reason !== 'checksum' || parts.signal.aborted) throw error;
    return run({ ...plan }, parts);
  }
}
