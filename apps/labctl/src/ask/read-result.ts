/** The events of a run, as the arena sends them: a line of JSON each, the result or an error last. */
import { LineSplitter } from '@labmesh/kit/line-splitter';
import {
  type ArenaEvent,
  arenaEventSchema,
  arenaLineBytesMost,
  type ArenaResult,
} from '@labmesh/wire/verification/arena-run';
import { parseJson } from '../client/api-error.ts';
import type { Answer } from '../client/http-answer.ts';
import { CommandError } from '../command-error.ts';
import { outcomeExits } from '../exit-codes.ts';
import { safeText } from '../terminal/safe-text.ts';

/** Exit codes of a run without a result. */
const errorExits: Readonly<Record<string, number>> = {
  verification_bad_option: 2,
  verification_inconclusive: outcomeExits.inconclusive,
  verification_unavailable: 6,
  verification_deadline: 7,
};

/** The result of a run; each event before it goes to `onEvent`. @throws CommandError for an error, or no result */
export async function readResult(answer: Answer, onEvent: (event: ArenaEvent) => void): Promise<ArenaResult> {
  const lines = new LineSplitter('arena.line_bytes', arenaLineBytesMost);
  let result: ArenaResult | undefined;
  const take = (line: string) => {
    if (line.trim() === '') return;
    const event = arenaEventSchema.safeParse(parseJson(line)).data;
    if (event === undefined)
      throw new CommandError('the arena sent an event that is not understood', {
        hint: 'gateway, arena and labctl must be of one version; labctl version tells',
      });
    if (event.event === 'error')
      throw new CommandError(`${safeText(event.message)} (${event.code})`, { exitCode: errorExits[event.code] ?? 1 });
    if (event.event === 'result') result = event;
    onEvent(event);
  };
  for await (const bytes of answer.body) for (const line of lines.push(bytes)) take(line);
  take(lines.end());
  if (result !== undefined) return result;
  throw new CommandError('the run broke off before its result', { hint: 'labctl status tells whether the arena runs' });
}
