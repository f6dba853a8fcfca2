/**
 * The executor as arena and labctl hold it: HTTP over its Unix socket (verification SB4). A connection of its own for
 * each call: a job that breaks off must not be sent again behind the caller's back, as on a kept one.
 */
import { HttpPool } from '@labmesh/kit/http/client';
import { FetchError, fetchWhole, type WholeRequest } from '@labmesh/kit/http/fetch-whole';
import { parseJson } from '@labmesh/kit/parse-json';
import {
  levelReportSchema,
  poolViewSchema,
  sandboxCeilings,
  sandboxResultSchema,
  type SandboxRunner,
} from '@labmesh/wire/verification/sandbox';
import { z } from 'zod';

/** stdout, stderr and collected files in base64, with room for the rest. */
const answerBytesMax = 4 * (2 * sandboxCeilings.outputBytes + sandboxCeilings.filesBytes);
/** For what is answered from memory. */
const askMs = 10_000;
/** More than a full line of the longest runs takes; whoever wants to know sooner has a signal. */
const runMs = 24 * 3_600_000;

export type ExecutorErrorCode =
  /** Nobody answers, or the answer broke off: it ended while the job ran. */
  | 'EXECUTOR_AWAY'
  /** It answered what no executor does. */
  | 'EXECUTOR_BAD_ANSWER';

/** Nothing was learned about the job. */
export class ExecutorError extends Error {
  override readonly name = 'ExecutorError';
  readonly code: ExecutorErrorCode;

  constructor(code: ExecutorErrorCode, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

export type ExecutorClient = SandboxRunner & { pool: () => Promise<z.output<typeof poolViewSchema>> };

/**
 * Talks to the executor at a Unix socket; opens nothing until it is asked. `run` resolves for whatever became of the job,
 * also for `refused` (429 POOL_EXHAUSTED and the like).
 * @throws ExecutorError when the executor is away or answers nonsense; the signal's reason, and then the job is killed.
 */
export function executorClient({ socketPath }: { socketPath: string }): ExecutorClient {
  const pool = new HttpPool({ idlePerOriginMax: 0 });
  const origin = { host: 'executor', port: 80, tls: false, socketPath };

  async function ask<S extends z.ZodType>(
    output: S,
    request: Pick<WholeRequest, 'path' | 'method' | 'body' | 'signal'> & { timeoutMs: number },
  ): Promise<z.output<S>> {
    let body: Uint8Array;
    try {
      const headers = { 'content-type': 'application/json' };
      ({ body } = await fetchWhole(pool, origin, { ...request, headers, bytesMax: answerBytesMax }));
    } catch (error) {
      if (!(error instanceof FetchError)) throw error;
      const isAway = error.code !== 'INVALID' && error.code !== 'BODY_TOO_LARGE';
      if (isAway) throw new ExecutorError('EXECUTOR_AWAY', `it is not reached, or ended meanwhile (${error.code})`);
      throw new ExecutorError('EXECUTOR_BAD_ANSWER', error.message);
    }
    const answer = output.safeParse(parseJson(new TextDecoder().decode(body)));
    if (answer.success) return answer.data;
    throw new ExecutorError('EXECUTOR_BAD_ANSWER', 'it answered what is no answer to this');
  }
  const get = <S extends z.ZodType>(path: string, output: S) => ask(output, { path, timeoutMs: askMs });

  return {
    run: (job, signal) => {
      const body = new TextEncoder().encode(JSON.stringify(job));
      return ask(sandboxResultSchema, { path: '/v1/run', method: 'POST', body, signal, timeoutMs: runMs });
    },
    levels: async () => (await get('/v1/levels', z.object({ levels: z.array(levelReportSchema) }))).levels,
    pool: () => get('/v1/pool', poolViewSchema),
  };
}
