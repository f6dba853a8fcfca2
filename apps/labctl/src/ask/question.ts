/** A question to a model, as every command that asks one takes it: what to ask, whom, and what keeps it from an answer. */
import type { HttpPool } from '@labmesh/kit/http/client';
import { defineOptions } from '@labmesh/kit/options';
import type { OptionValues } from '@labmesh/kit/options/option-def';
import { type Api, apiOptions } from '../client/api-access.ts';
import { AnswerError } from '../client/http-answer.ts';
import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { jsonOption } from '../common-options.ts';
import { firstModel } from './first-model.ts';

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

/** Exit code of a program ended by Ctrl-C: 128 + SIGINT. */
const interrupted = 130;

/** The prompt in the words of a command; `-` is stdin. @throws CommandError without one */
export async function promptOf(positionals: readonly string[], world: World, example: string): Promise<string> {
  // A prompt without quotes comes as many words.
  const given = positionals.join(' ');
  const prompt = given === '-' ? (await world.readStdin()).trim() : given;
  if (prompt === '') throw new CommandError('the prompt is missing', { hint: example, exitCode: 2 });
  return prompt;
}

/**
 * The chat request of a question. What was not said is left out, so that the server's own default holds.
 * @throws CommandError when no model was named and none is served
 */
export async function chatRequest(
  pool: HttpPool,
  api: Api,
  prompt: string,
  values: QuestionValues,
  signal: AbortSignal,
) {
  return {
    model: values.model ?? (await firstModel(pool, api, signal)),
    messages: [
      ...(values.system === undefined ? [] : [{ role: 'system', content: values.system }]),
      { role: 'user', content: prompt },
    ],
    ...(values.maxTokens !== undefined && { max_tokens: values.maxTokens }),
    ...(values.temperature !== undefined && { temperature: values.temperature }),
  };
}

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
