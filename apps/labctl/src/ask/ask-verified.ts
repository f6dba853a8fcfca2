/** An answer with verification, through the gateway: variations and verdicts as they come, then the answer. */
import { HttpPool } from '@labmesh/kit/http/client';
import { writeWholeFile } from '@labmesh/kit/saved-file';
import type { ArenaResult } from '@labmesh/wire/verification/arena-run';
import type { Api } from '../client/api-access.ts';
import { errorOfAnswer } from '../client/api-error.ts';
import { askApi, readText } from '../client/http-answer.ts';
import type { World } from '../command.ts';
import { outcomeExits } from '../exit-codes.ts';
import { paint } from '../terminal/paint.ts';
import { firstModel, messagesOf, type QuestionValues, samplingOf } from './question.ts';
import { readResult } from './read-result.ts';
import { answerForEyes, reportLines, runLine } from './run-lines.ts';

export type VerifyValues = QuestionValues & {
  suite?: string | undefined;
  variations?: number | undefined;
  verifier?: string | undefined;
  cert?: string | undefined;
};

/** The arena's routes stand beside the API, not below it. */
const besideApi = (api: Api, path: string) => `${api.prefix.replace(/\/v1$/, '')}${path}`;

/** Gives the exit code: the outcome's. @throws CommandError, AnswerError */
export async function askVerified(api: Api, prompt: string, values: VerifyValues, world: World): Promise<number> {
  await using pool = new HttpPool();
  const { signal } = world.life;
  const { suite, variations, verifier } = values;
  const verification = {
    ...(suite !== undefined && { suite }),
    ...(variations !== undefined && { variations }),
    ...(verifier !== undefined && { verifiers: verifier.split(',') }),
  };
  const model = values.model ?? (await firstModel(pool, api, signal));
  const json = { model, messages: messagesOf(prompt, values), ...samplingOf(values), verification };
  const request = { method: 'POST', path: besideApi(api, '/api/arena/runs'), key: api.key, json };
  const answer = await askApi(pool, api, request, signal);
  if (answer.status >= 400) throw errorOfAnswer(answer.status, await readText(answer));
  const colours = paint(world.colourErr);
  const result = await readResult(answer, (event) => {
    const line = values.json ? undefined : runLine(event, colours);
    if (line !== undefined) world.stderr(`${line}\n`);
  });
  const { report } = result;
  if (values.cert !== undefined && report.certificate_id !== null)
    await saveCertificate(pool, api, report.certificate_id, values.cert, signal);
  if (values.json) world.stdout(`${JSON.stringify(result)}\n`);
  else show(result, values, world);
  return outcomeExits[report.status];
}

/** The answer alone on stdout, and only one that nothing speaks against. */
function show(result: ArenaResult, values: VerifyValues, world: World): void {
  const { answer, report } = result;
  if (answer !== null && (report.status === 'valid' || report.status === 'unchecked')) {
    const text =
      typeof answer.content === 'string' ? answer.content : JSON.stringify(answer.content ?? answer.tool_calls);
    // By the terminal and not by its colours: NO_COLOR is no wish for what moves the cursor.
    world.stdout(`${world.columns === undefined ? text : answerForEyes(text)}\n`);
  }
  for (const line of reportLines(result, paint(world.colourErr), values.cert)) world.stderr(`${line}\n`);
}

async function saveCertificate(pool: HttpPool, api: Api, id: string, path: string, signal: AbortSignal): Promise<void> {
  const where = besideApi(api, `/v1/certificates/${encodeURIComponent(id)}`);
  const answer = await askApi(pool, api, { method: 'GET', path: where, key: api.key }, signal);
  const text = await readText(answer);
  if (answer.status >= 400) throw errorOfAnswer(answer.status, text);
  writeWholeFile(path, text, 0o644);
}
