/** The events of a run, as the arena sends them: a line of JSON each, the result or an error last. */
import { readLines } from '@labmesh/kit/line-splitter';
import { parseJson } from '@labmesh/kit/parse-json';
import {
  type ArenaEvent,
  arenaEventSchema,
  arenaLineBytesMost,
  type ArenaResult,
} from '@labmesh/wire/verification/arena-run';
import { errorOfAnswer } from '../client/api-error.ts';
import { type Answer, readText } from '../client/http-answer.ts';
import { CommandError } from '../command-error.ts';
import { outcomeExits } from '../exit-codes.ts';
import { safeText } from '../terminal/safe-text.ts';

/** Exit codes of a run without a result: the outcome's where an error stands for one, else as commands end. */
const errorExits: Readonly<Record<string, number>> = {
  verification_bad_option: 2,
  verification_inconclusive: outcomeExits.inconclusive,
  verification_unavailable: 6,
  verification_deadline: 7,
};

/** The result of a run; each event before it goes to `onEvent`. @throws CommandError for a refusal, an error, or no result */
export async function readResult(answer: Answer, onEvent: (event: ArenaEvent) => void): Promise<ArenaResult> {
  if (answer.status >= 400) throw errorOfAnswer(answer.status, await readText(answer));
  let result: ArenaResult | undefined;
  for await (const line of readLines(answer.body, 'arena.line_bytes', arenaLineBytesMost)) {
    const event = arenaEventSchema.safeParse(parseJson(line)).data;
    if (event === undefined)
      // Skipped, it might be the one that says the answer is invalid.
      throw new CommandError('the arena sent an event that is not understood', {
        hint: 'gateway, arena and labctl must be of one version; labctl version tells',
      });
    if (event.event === 'error')
      throw new CommandError(`${safeText(event.message)} (${event.code})`, { exitCode: errorExits[event.code] ?? 1 });
    if (event.event === 'result') result = event;
    onEvent(event);
  }
  if (result !== undefined) return result;
  throw new CommandError('the run broke off before its result', { hint: 'labctl status tells whether the arena runs' });
}
