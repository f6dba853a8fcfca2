import { HttpPool } from '@labmesh/kit/http/client';
import { defineOptions } from '@labmesh/kit/options';
import type { OptionValues } from '@labmesh/kit/options/option-def';
import { z } from 'zod';
import { type Api, apiOptions, findApi } from '../client/api-access.ts';
import { errorOfAnswer, parseJson } from '../client/api-error.ts';
import { ChatAnswer } from '../client/chat-answer.ts';
import { AnswerError, askApi, readText } from '../client/http-answer.ts';
import { readSse } from '../client/read-sse.ts';
import { defineCommand, type World } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { jsonOption } from '../common-options.ts';
import { paint } from '../terminal/paint.ts';

const options = defineOptions({
  model: {
    type: 'string',
    flag: 'model',
    short: 'm',
    placeholder: 'MODEL',
    help: 'model to ask; default: the first one served',
  },
  system: { type: 'string', flag: 'system', help: 'system prompt' },
  maxTokens: { type: 'integer', flag: 'max-tokens', min: 1, help: 'longest answer, tokens' },
  temperature: { type: 'number', flag: 'temperature', min: 0, max: 2, help: '0 = always the likeliest word' },
  ...apiOptions,
  ...jsonOption,
});
type Values = OptionValues<typeof options>;

/** Only what is used: other servers' lists hold more, and labmesh's too. */
const modelListSchema = z.object({ data: z.array(z.object({ id: z.string() })) });
/** Exit code of a program ended by Ctrl-C: 128 + SIGINT. */
const interrupted = 130;

/** The model to ask when none was named. @throws CommandError when none is served */
async function firstModel(pool: HttpPool, api: Api, signal: AbortSignal): Promise<string> {
  const request = { method: 'GET', path: `${api.prefix}/models`, key: api.key };
  const answer = await askApi(pool, api, request, signal);
  const text = await readText(answer);
  if (answer.status >= 400) throw errorOfAnswer(answer.status, text);
  const id = modelListSchema.safeParse(parseJson(text)).data?.data[0]?.id;
  if (id !== undefined) return id;
  throw new CommandError('no model is served', { hint: 'labctl endpoints tells which servers were found' });
}

/** Asks for usage too: `--json` shows it, and some servers tell it only when asked. */
function requestBody(model: string, prompt: string, values: Values) {
  const system = values.system === undefined ? [] : [{ role: 'system', content: values.system }];
  return {
    model,
    messages: [...system, { role: 'user', content: prompt }],
    stream: true,
    stream_options: { include_usage: true },
    ...(values.maxTokens !== undefined && { max_tokens: values.maxTokens }),
    ...(values.temperature !== undefined && { temperature: values.temperature }),
  };
}

/** Asks, shows the answer as it comes, and gives it whole. @throws CommandError, AnswerError */
async function converse(api: Api, prompt: string, values: Values, world: World): Promise<ChatAnswer> {
  await using pool = new HttpPool();
  const { signal } = world.life;
  const model = values.model ?? (await firstModel(pool, api, signal));
  const json = requestBody(model, prompt, values);
  const request = { method: 'POST', path: `${api.prefix}/chat/completions`, key: api.key, json };
  const answer = await askApi(pool, api, request, signal);
  if (answer.status >= 400) throw errorOfAnswer(answer.status, await readText(answer));
  const { dim } = paint(world.colourOut);
  const whole = new ChatAnswer(model);
  let shown = '';
  const show = (text: string) => {
    world.stdout(text);
    shown = text;
  };
  for await (const data of readSse(answer.body)) {
    const { reasoning, content } = whole.add(data);
    if (values.json) continue;
    // In a pipe only the answer counts; thoughts are for eyes.
    if (reasoning !== '' && world.colourOut) show(dim(reasoning));
    if (content !== '') show(content);
  }
  if (!values.json && !shown.endsWith('\n')) world.stdout('\n');
  if (!whole.complete)
    throw new CommandError('the answer broke off before its end', {
      hint: 'try again; labctl endpoints shows the servers',
    });
  return whole;
}

export const chat = defineCommand({
  name: 'chat',
  summary: 'Asks a model and shows its answer as it comes. The prompt - is read from stdin.',
  usage: 'labctl chat [-m MODEL] "PROMPT"',
  examples: ['labctl chat "write add"', 'labctl chat -m llama3 "Why is the sky blue?"', 'git diff | labctl chat -'],
  options,
  positionalsMax: 1_000,
  async run({ values, positionals, world }) {
    const given = positionals.join(' ');
    const prompt = given === '-' ? (await world.readStdin()).trim() : given;
    if (prompt === '')
      throw new CommandError('the prompt is missing', { hint: 'labctl chat "write add"', exitCode: 2 });
    const api = findApi(values, world);
    try {
      const answer = await converse(api, prompt, values, world);
      if (values.json) world.stdout(`${JSON.stringify(answer)}\n`);
      return 0;
    } catch (error) {
      if (world.life.signal.aborted) {
        if (!values.json) world.stdout('\n');
        return interrupted;
      }
      if (!(error instanceof AnswerError)) throw error;
      throw new CommandError(`the API at ${api.url} cannot be reached: ${error.message}`, {
        hint: 'labctl status tells whether it runs; labctl up starts it',
        cause: error,
      });
    }
  },
});
