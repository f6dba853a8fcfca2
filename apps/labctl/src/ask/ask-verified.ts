/** An answer with verification, through the gateway: variations and verdicts as they come, then the answer. */
import { HttpPool } from '@labmesh/kit/http/client';
import { LineSplitter } from '@labmesh/kit/line-splitter';
import { writeWholeFile } from '@labmesh/kit/saved-file';
import {
  type ArenaEvent,
  arenaEventSchema,
  arenaLineBytesMost,
  type ArenaResult,
} from '@labmesh/wire/verification/arena-run';
import type { Outcome } from '@labmesh/wire/verification/verdict';
import { errorOfAnswer, parseJson } from '../client/api-error.ts';
import { type Answer, askApi, readText } from '../client/http-answer.ts';
import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { paint } from '../terminal/paint.ts';
import { safeText } from '../terminal/safe-text.ts';
import { type Api, type ApiValues, firstModel, messagesOf, samplingOf } from './find-api.ts';
import { answerForEyes, reportLines, runLine } from './run-lines.ts';

/** `verification V23`: what a script learns of an answer. */
export const outcomeExits: Readonly<Record<Outcome, number>> = { valid: 0, invalid: 1, inconclusive: 3, unchecked: 4 };

/** Exit codes of a run without a result. */
const errorExits: Readonly<Record<string, number>> = {
  verification_bad_option: 2,
  verification_inconclusive: outcomeExits.inconclusive,
  verification_unavailable: 6,
  verification_deadline: 7,
};

export type VerifyValues = ApiValues & {
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
  const result = await resultOf(answer, (event) => {
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

/** The result of a run; each event before it goes to `onEvent`. @throws CommandError for an error, or no result */
async function resultOf(answer: Answer, onEvent: (event: ArenaEvent) => void): Promise<ArenaResult> {
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

/** The answer alone on stdout, and only one that nothing speaks against. */
function show(result: ArenaResult, values: VerifyValues, world: World): void {
  const { answer, report } = result;
  if (answer !== null && (report.status === 'valid' || report.status === 'unchecked')) {
    const text =
      typeof answer.content === 'string' ? answer.content : JSON.stringify(answer.content ?? answer.tool_calls);
    world.stdout(`${world.colourOut ? answerForEyes(text) : text}\n`);
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
