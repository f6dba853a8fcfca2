/** The labmesh that runs on a data folder, asked through its admin routes. */
import { HttpPool, type Origin } from '@labmesh/kit/http/client';
import { parseJson } from '@labmesh/kit/parse-json';
import type { z } from 'zod';
import type { Environment } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { dataFolderPath } from '../data-folder.ts';
import { readRunState, type RunState } from '../run-file.ts';
import { errorOfAnswer } from './api-error.ts';
import { AnswerError, askApi, readText } from './http-answer.ts';

/** An answer on loopback that takes longer than this means that something is wrong. */
const adminTimeoutMs = 10_000;

/** `http://127.0.0.1:8080/v1` → where to connect, and the path before the routes. */
export function originOfApi(api: string): Origin & { prefix: string } {
  if (!/^https?:\/\//i.test(api) || !URL.canParse(api)) {
    throw new CommandError(`${JSON.stringify(api)} is not the address of an API`, {
      hint: 'write one such as http://127.0.0.1:8080/v1',
      exitCode: 2,
    });
  }
  const url = new URL(api);
  const tls = url.protocol === 'https:';
  const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port);
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port, tls, prefix: url.pathname.replace(/\/+$/, '') };
}

export type RunningState = RunState & { api: string; adminToken: string };

const notRunning = (dataDir: string) =>
  new CommandError(`labmesh is not running on ${dataDir}`, { hint: 'start it with labctl up' });

/** What run.json tells. @throws CommandError when nothing runs on the folder */
export function runningState(data: string | undefined, env: Environment): RunningState {
  const dataDir = dataFolderPath(data, env);
  const state = readRunState(dataDir);
  if (state === undefined) throw notRunning(dataDir);
  const { api, adminToken } = state;
  if (api === undefined && state.fleet !== undefined) {
    throw new CommandError(`labmesh on ${dataDir} runs without a gateway`, {
      hint: 'it was started with --only; start it again with the part gateway',
    });
  }
  if (api === undefined || adminToken === undefined) {
    throw new CommandError(`labmesh on ${dataDir} is still starting (pid ${state.pid})`, {
      hint: 'try again in a moment',
    });
  }
  return { ...state, api, adminToken };
}

/** Opened by each command for its few questions; holds one connection. */
export class RunningGateway implements AsyncDisposable {
  readonly state: RunningState;
  readonly dataDir: string;
  readonly #pool = new HttpPool();

  /** @throws CommandError when nothing runs on the folder */
  constructor(data: string | undefined, env: Environment) {
    this.dataDir = dataFolderPath(data, env);
    this.state = runningState(data, env);
  }

  /** Asks `/admin<path>`. @throws CommandError with what went wrong. */
  async ask<S extends z.ZodType>(method: string, path: string, schema: S, json?: unknown): Promise<z.output<S>> {
    const { api, adminToken } = this.state;
    const { status, text } = await this.#fetch(method, `/admin${path}`, api, adminToken, json);
    if (status >= 400) throw errorOfAnswer(status, text);
    const read = schema.safeParse(parseJson(text));
    if (read.success) return read.data;
    throw new CommandError('the answer of the running labmesh is not understood', {
      hint: `it may be another version: ${this.state.version}; start it again with labctl up`,
    });
  }

  async #fetch(method: string, path: string, api: string, key: string, json: unknown) {
    try {
      const signal = AbortSignal.timeout(adminTimeoutMs);
      const answer = await askApi(this.#pool, originOfApi(api), { method, path, key, json }, signal);
      return { status: answer.status, text: await readText(answer) };
    } catch (error) {
      // run.json of a process that is gone, killed before it could tidy up.
      if (error instanceof AnswerError && error.reason === 'connect') throw notRunning(this.dataDir);
      throw new CommandError(
        `labmesh at ${api} does not answer: ${error instanceof Error ? error.message : String(error)}`,
        {
          hint: `it runs as pid ${this.state.pid}; labctl doctor looks for the cause`,
          cause: error,
        },
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }
}
