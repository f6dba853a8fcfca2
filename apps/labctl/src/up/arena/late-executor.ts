/**
 * The executor of `labctl up`, started by the first job that needs it: most who serve models never verify an answer, and
 * its processes would take as much memory as all else. From then on it runs until the end, and comes back after a crash.
 */
import type { SandboxRunner } from '@labmesh/wire/verification/sandbox';
import { systemClock } from '@labmesh/kit/clock';
import { type ExecutorClient, executorClient, ExecutorError } from '@labmesh/link/calls/executor-client';
import { unlessAborted } from '../beside.ts';
import { type OwnExecutor, type OwnExecutorInput, startOwnExecutor } from './own-executor.ts';

/** After a start that failed: what is in its way seldom goes at once, and a start is no small thing. */
export const againMs = 30_000;

type Start = { executor: Promise<OwnExecutor>; failedAt: number | undefined };

export class LateExecutor implements SandboxRunner, AsyncDisposable {
  readonly #input: Omit<OwnExecutorInput, 'signal'>;
  readonly #client: ExecutorClient;
  readonly #closing = new AbortController();
  #start: Start | undefined;

  constructor(input: Omit<OwnExecutorInput, 'signal'>) {
    this.#input = input;
    this.#client = executorClient({ socketPath: input.socketPath });
  }

  /** @throws ExecutorError also when it does not start; the signal's reason */
  async run(...[job, signal]: Parameters<SandboxRunner['run']>): ReturnType<SandboxRunner['run']> {
    await this.#stands(signal);
    return await this.#client.run(job, signal);
  }

  /** @throws ExecutorError also when it does not start */
  async levels(): ReturnType<SandboxRunner['levels']> {
    await this.#stands();
    return await this.#client.levels();
  }

  /** Waits until it has stood once. Who gives up waiting does not end the start: others wait too. */
  async #stands(signal: AbortSignal = this.#closing.signal): Promise<void> {
    const now = (this.#input.clock ?? systemClock).now();
    const failedAt = this.#start?.failedAt;
    if (this.#start === undefined || (failedAt !== undefined && now - failedAt >= againMs)) this.#start = this.#begin();
    const { executor } = this.#start;
    try {
      await unlessAborted(signal, executor);
    } catch {
      signal.throwIfAborted();
      // Why is the operator's to read, in the log.
      throw new ExecutorError('EXECUTOR_AWAY', 'it does not start; the log tells why');
    }
  }

  #begin(): Start {
    const { clock = systemClock, log } = this.#input;
    const start: Start = {
      executor: startOwnExecutor({ ...this.#input, signal: this.#closing.signal }),
      failedAt: undefined,
    };
    start.executor.catch((error: unknown) => {
      start.failedAt = clock.now();
      if (!this.#closing.signal.aborted) log.error('no code of answers is run', { error });
    });
    return start;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error('stopping'));
    await this.#start?.executor.then((own) => own[Symbol.asyncDispose]()).catch(() => undefined);
  }
}
