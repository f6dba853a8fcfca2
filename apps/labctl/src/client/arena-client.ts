/** The arena through the gateway: `/api/arena/…`, with the API key that says which tenant asks. */
import { HttpPool } from '@labmesh/kit/http/client';
import { parseJson } from '@labmesh/kit/parse-json';
import { z } from 'zod';
import type { World } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Api } from './api-access.ts';
import { errorOfAnswer } from './api-error.ts';
import { AnswerError, askApi, readText } from './http-answer.ts';

/** As the arena refuses: `{error, message, code, field?}`. */
const refusalSchema = z.object({ message: z.string(), code: z.string(), field: z.string().optional() });

/** The same as of labd's answers, so that a script has one table to know. */
const exitOf: Readonly<Record<number, number>> = {
  400: exitCodes.usage,
  403: exitCodes.denied,
  404: exitCodes.notFound,
  409: exitCodes.conflict,
  503: exitCodes.unreachable,
  504: exitCodes.timeout,
};

function refused(status: number, text: string): Error {
  const read = refusalSchema.safeParse(parseJson(text));
  if (!read.success) return errorOfAnswer(status, text);
  const { message, code } = read.data;
  return new CommandError(message, { code, exitCode: exitOf[status] ?? exitCodes.failed });
}

/** One request. The tenant is not part of it: the gateway reads it off the key. */
export type ArenaCall = { method: 'GET' | 'POST' | 'PUT' | 'DELETE'; path: string; json?: unknown };

/** Opened by a command for its few questions. What the arena or the way to it refuses is thrown: answers are good ones. */
export class ArenaClient implements AsyncDisposable {
  readonly #api: Api;
  readonly #world: World;
  readonly #pool = new HttpPool();

  constructor(api: Api, world: World) {
    this.#api = api;
    this.#world = world;
  }

  /** The body's parts as they come. `path` stands below the origin. @throws CommandError for every refusal */
  async stream({ method, path, json }: ArenaCall): Promise<AsyncIterable<Uint8Array>> {
    const { key, url } = this.#api;
    try {
      const request = { method, path, key, ...(json !== undefined && { json }) };
      const answer = await askApi(this.#pool, this.#api, request, this.#world.life.signal);
      if (answer.status >= 400) throw refused(answer.status, await readText(answer));
      return answer.body;
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error;
      throw new CommandError(`the API at ${url} cannot be reached: ${error.message}`, {
        hint: 'labctl status tells whether it runs; labctl up starts it',
        exitCode: exitCodes.unreachable,
        cause: error,
      });
    }
  }

  /** The whole body, as long as `readText` takes. */
  async text(call: ArenaCall): Promise<string> {
    return await readText({ status: 200, body: await this.stream(call) });
  }

  /** @throws CommandError also when the answer is not of this form */
  async ask<S extends z.ZodType>(call: ArenaCall, schema: S): Promise<z.output<S>> {
    const read = schema.safeParse(parseJson(await this.text(call)));
    if (read.success) return read.data;
    throw new CommandError('the answer of the arena is not understood', {
      hint: 'it may be another version than this labctl',
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }
}
