/**
 * The executor beside `labctl up`: a process of its own, whatever else is joined here, because code of strangers runs
 * below it. It is started once and comes back after a crash, at the same socket.
 *
 *     starting ──ready──▶ ready ──exit──▶ restarting ──ready──▶ ready
 *         └──exit──▶ thrown        └──an exit that will not heal──▶ failed
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type SandboxSettings, settingsFlags } from '@labmesh/executor/sandbox-settings';
import { type Clock, systemClock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { backoff } from '@labmesh/kit/retry';
import { CommandError } from '../../command-error.ts';
import { selfCommand } from '../../self-command.ts';
import { type ExecutorExit, type ExecutorProcess, startExecutorProcess } from './executor-process.ts';

/** Waits before a restart; a run of this length that ends starts them anew. */
const waits = { firstMs: 1_000, capMs: 30_000 };
const steadyMs = 60_000;
/** Usage, settings, a node of the network plane, somebody else's socket: the next start would end the same way. */
const hopeless: readonly (number | null)[] = [2, 3, 8];

export type OwnExecutorInput = {
  socketPath: string;
  settings: SandboxSettings;
  log: Logger;
  /** Ends the start. */
  signal: AbortSignal;
  /** Replaced in tests. */
  clock?: Clock;
  command?: readonly string[];
};

export type OwnExecutorState =
  | { kind: 'ready'; pid: number }
  | { kind: 'restarting'; inMs: number; reason: string }
  | { kind: 'failed'; reason: string }
  | { kind: 'stopped' };

export interface OwnExecutor extends AsyncDisposable {
  readonly socketPath: string;
  readonly state: OwnExecutorState;
  readonly restarts: number;
}

/** Where `labctl up` has it: in a folder of its own below the data folder. */
export const executorSocketPath = (dataDir: string): string => join(dataDir, 'executor', 'executor.sock');

const exitText = ({ code, signal, said }: ExecutorExit): string =>
  said !== '' ? said : signal === null ? `it ended with code ${code}` : `it was ended by ${signal}`;

/**
 * Starts the executor and waits until it answers.
 * @throws CommandError with what it said: a node of the network plane, a socket that is not ours; the signal's reason
 */
export async function startOwnExecutor(input: OwnExecutorInput): Promise<OwnExecutor> {
  input.signal.throwIfAborted();
  const keeper = new ExecutorKeeper(input);
  const onAbort = () => void keeper[Symbol.asyncDispose]();
  input.signal.addEventListener('abort', onAbort, { once: true });
  try {
    await keeper.start();
    return keeper;
  } catch (error) {
    input.signal.throwIfAborted();
    throw error;
  } finally {
    input.signal.removeEventListener('abort', onAbort);
  }
}

class ExecutorKeeper implements OwnExecutor {
  readonly #input: OwnExecutorInput;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  #process: ExecutorProcess | undefined;
  #watching: Promise<void> = Promise.resolve();
  state: OwnExecutorState = { kind: 'stopped' };
  restarts = 0;

  constructor(input: OwnExecutorInput) {
    this.#input = input;
    this.#clock = input.clock ?? systemClock;
  }

  get socketPath(): string {
    return this.#input.socketPath;
  }

  /** A failure of the first run is told to the caller. */
  async start(): Promise<void> {
    const exit = await this.#run();
    if (exit === undefined) this.#watching = this.#watch();
    else throw new CommandError(`the executor could not start: ${exitText(exit)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error('stopped'));
    await this.#process?.stop();
    await this.#watching;
    rmSync(this.socketPath, { force: true });
    this.state = { kind: 'stopped' };
  }

  /** Undefined once it answers, else how it ended before. */
  async #run(): Promise<ExecutorExit | undefined> {
    const { command = selfCommand('lab-executor'), socketPath, settings, log } = this.#input;
    const words = ['--owned', '--socket', socketPath, ...settingsFlags(settings)];
    const started = startExecutorProcess([...command, ...words], log);
    this.#process = started;
    const exit = await Promise.race([started.ready, started.exited]);
    if (exit === undefined) this.state = { kind: 'ready', pid: started.pid };
    return exit ?? undefined;
  }

  /** Waits for the end of each run and starts the next, until stopped or hopeless. */
  async #watch(): Promise<void> {
    const { log } = this.#input;
    const { signal } = this.#closing;
    let waiting = backoff(waits);
    for (;;) {
      const since = this.#clock.now();
      const exit = await this.#process?.exited;
      if (signal.aborted || exit === undefined) return;
      const reason = exitText(exit);
      if (hopeless.includes(exit.code)) {
        this.state = { kind: 'failed', reason };
        return log.error('the executor ended for good', { reason });
      }
      if (this.#clock.now() - since >= steadyMs) waiting = backoff(waits);
      const inMs = waiting.next().value ?? waits.capMs;
      this.state = { kind: 'restarting', inMs, reason };
      log.warn('the executor ended, starting it again', { reason, inMs });
      await this.#clock.sleep(inMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      this.restarts++;
      await this.#run();
    }
  }
}
