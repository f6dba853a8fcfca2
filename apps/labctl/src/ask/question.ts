/** A question to a model, as every command that asks one takes it: what to ask, whom, and what keeps it from an answer. */
import type { HttpPool } from '@labmesh/kit/http/client';
import { defineOptions } from '@labmesh/kit/options';
import type { OptionValues } from '@labmesh/kit/options/option-def';
import { z } from 'zod';
import { type Api, apiOptions } from '../client/api-access.ts';
import { errorOfAnswer, parseJson } from '../client/api-error.ts';
import { AnswerError, askApi, readText } from '../client/http-answer.ts';
import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { jsonOption } from '../common-options.ts';

/** What every command that asks a model takes. */
export const questionOptions = defineOptions({
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
export type QuestionValues = OptionValues<typeof questionOptions>;

/** Only what is used: other servers' lists hold more, and labmesh's too. */
const modelListSchema = z.object({ data: z.array(z.object({ id: z.string() })) });
/** Exit code of a program ended by Ctrl-C: 128 + SIGINT. */
const interrupted = 130;

/** The model to ask when none was named. @throws CommandError when none is served */
export async function firstModel(pool: HttpPool, api: Api, signal: AbortSignal): Promise<string> {
  const request = { method: 'GET', path: `${api.prefix}/models`, key: api.key };
  const answer = await askApi(pool, api, request, signal);
  const text = await readText(answer);
  if (answer.status >= 400) throw errorOfAnswer(answer.status, text);
  const id = modelListSchema.safeParse(parseJson(text)).data?.data[0]?.id;
  if (id !== undefined) return id;
  throw new CommandError('no model is served', { hint: 'labctl endpoints tells which servers were found' });
}

/** The prompt in the words of a command; `-` is stdin. @throws CommandError without one */
export async function promptOf(positionals: readonly string[], world: World, example: string): Promise<string> {
  const given = positionals.join(' ');
  const prompt = given === '-' ? (await world.readStdin()).trim() : given;
  if (prompt === '') throw new CommandError('the prompt is missing', { hint: example, exitCode: 2 });
  return prompt;
}

/** The messages of a question. */
export const messagesOf = (prompt: string, values: QuestionValues) => [
  ...(values.system === undefined ? [] : [{ role: 'system', content: values.system }]),
  { role: 'user', content: prompt },
];

/** What limits the answer, where it was said. */
export const samplingOf = (values: QuestionValues) => ({
  ...(values.maxTokens !== undefined && { max_tokens: values.maxTokens }),
  ...(values.temperature !== undefined && { temperature: values.temperature }),
});

/** Does what asks an API; an API that is away and Ctrl-C become words and exit codes. @throws CommandError */
export async function asking(api: Api, quiet: boolean, world: World, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (world.life.signal.aborted) {
      if (!quiet) world.stdout('\n');
      return interrupted;
    }
    if (!(error instanceof AnswerError)) throw error;
    throw new CommandError(`the API at ${api.url} cannot be reached: ${error.message}`, {
      hint: 'labctl status tells whether it runs; labctl up starts it',
      cause: error,
    });
  }
}
