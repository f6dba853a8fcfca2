/** An answer with verification, through the gateway: variations and verdicts as they come, then the answer. */
import { HttpPool } from '@labmesh/kit/http/client';
import type { ArenaEvent } from '@labmesh/wire/verification/arena-run';
import { type Api, besideApi } from '../client/api-access.ts';
import { askApi } from '../client/http-answer.ts';
import type { World } from '../command.ts';
import { outcomeExits } from '../exit-codes.ts';
import { paint } from '../terminal/paint.ts';
import { chatRequest, type QuestionValues } from './question.ts';
import { readResult } from './read-result.ts';
import { runLine } from './run-lines.ts';
import { saveCertificate } from './save-certificate.ts';
import { showResult } from './show-result.ts';

export type VerifyValues = QuestionValues & {
  suite?: string | undefined;
  variations?: number | undefined;
  verifier?: string | undefined;
  bracket?: string | undefined;
  tools?: string | undefined;
  priority?: string | undefined;
  cert?: string | undefined;
};

/** Gives the exit code: the outcome's. @throws CommandError, AnswerError */
export async function askVerified(api: Api, prompt: string, values: VerifyValues, world: World): Promise<number> {
  await using pool = new HttpPool();
  const { signal } = world.life;
  const { suite, variations, verifier, bracket, tools, priority } = values;
  // Only what was said: the gateway and the key have defaults of their own.
  const verification = {
    ...(suite !== undefined && { suite }),
    ...(variations !== undefined && { variations }),
    ...(verifier !== undefined && { verifiers: verifier.split(',') }),
    ...(bracket !== undefined && { bracket }),
    ...(tools !== undefined && { tools: tools.split(',') }),
    ...(priority !== undefined && { priority }),
  };
  const json = { ...(await chatRequest(pool, api, prompt, values, signal)), verification };
  const request = { method: 'POST', path: besideApi(api, '/api/arena/runs'), key: api.key, json };
  const answer = await askApi(pool, api, request, signal);
  const colours = paint(world.colourErr);
  const result = await readResult(answer, (event) => {
    const line = values.json ? undefined : runLine(event, colours);
    if (line !== undefined) world.stderr(`${line}\n`);
    const lowered = loweredTo(event, priority);
    if (lowered !== undefined)
      world.stderr(`note: this key may ask for ${lowered} at most (labctl keys create --priority)\n`);
  });
  const { report } = result;
  // No certificate is no fault of the command: only some outcomes have one, and the last lines say so.
  if (values.cert !== undefined && report.certificate_id !== null)
    await saveCertificate(pool, api, report.certificate_id, values.cert, signal);
  if (values.json) world.stdout(`${JSON.stringify(result)}\n`);
  else showResult(result, values.cert, world);
  return outcomeExits[report.status];
}

/** The class that a run waits in where it is not the one that was asked for. */
function loweredTo(event: ArenaEvent, asked: string | undefined): string | undefined {
  if (event.event !== 'accepted' || event.cached || asked === undefined || event.priority === asked) return undefined;
  return event.priority;
}
