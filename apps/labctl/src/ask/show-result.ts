import type { ArenaResult } from '@labmesh/wire/verification/arena-run';
import type { World } from '../command.ts';
import { paint } from '../terminal/paint.ts';
import { answerForEyes, reportLines } from './run-lines.ts';

/** The answer alone on stdout, and only one that nothing speaks against. */
export function showResult(result: ArenaResult, savedAs: string | undefined, world: World): void {
  const { answer, report } = result;
  if (answer !== null && (report.status === 'valid' || report.status === 'unchecked')) {
    const text =
      typeof answer.content === 'string' ? answer.content : JSON.stringify(answer.content ?? answer.tool_calls);
    // By the terminal and not by its colours: NO_COLOR is no wish for what moves the cursor.
    world.stdout(`${world.columns === undefined ? text : answerForEyes(text)}\n`);
  }
  for (const line of reportLines(result, paint(world.colourErr), savedAs)) world.stderr(`${line}\n`);
}
