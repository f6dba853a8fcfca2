import { HttpPool } from '@labmesh/kit/http/client';
import type { Api } from '../client/api-access.ts';
import { errorOfAnswer } from '../client/api-error.ts';
import { ChatAnswer } from './chat-answer.ts';
import { askApi, readText } from '../client/http-answer.ts';
import { readSse } from '../client/read-sse.ts';
import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { paint } from '../terminal/paint.ts';
import { chatRequest, type QuestionValues } from './question.ts';
import { answerForEyes } from './run-lines.ts';

/** Asks, shows the answer as it comes, and gives it whole. @throws CommandError, AnswerError */
export async function converse(api: Api, prompt: string, values: QuestionValues, world: World): Promise<ChatAnswer> {
  await using pool = new HttpPool();
  const { signal } = world.life;
  const question = await chatRequest(pool, api, prompt, values, signal);
  // Usage too: `--json` shows it, and some servers tell it only when asked.
  const asked = { stream: true, stream_options: { include_usage: true } };
  const json = { ...question, ...asked };
  const request = { method: 'POST', path: `${api.prefix}/chat/completions`, key: api.key, json };
  const answer = await askApi(pool, api, request, signal);
  if (answer.status >= 400) throw errorOfAnswer(answer.status, await readText(answer));
  const { dim } = paint(world.colourOut);
  const whole = new ChatAnswer(question.model);
  let shown = '';
  // A model may not move the cursor of this terminal; in a pipe its answer stays as it is.
  const forReader = world.columns === undefined ? (text: string) => text : answerForEyes;
  const show = (text: string) => {
    world.stdout(text);
    shown = text;
  };
  for await (const data of readSse(answer.body)) {
    const { reasoning, content } = whole.add(data);
    if (values.json) continue;
    // In a pipe only the answer counts; thoughts are for eyes.
    if (reasoning !== '' && world.colourOut) show(dim(forReader(reasoning)));
    if (content !== '') show(forReader(content));
  }
  if (!values.json && !shown.endsWith('\n')) world.stdout('\n');
  if (!whole.complete)
    throw new CommandError('the answer broke off before its end', {
      hint: 'try again; labctl endpoints shows the servers',
    });
  if (values.json) world.stdout(`${JSON.stringify(whole)}\n`);
  return whole;
}
