/**
 * The built-in engine as its owner sees it: an OpenAI endpoint on loopback that is started once and comes back after a
 * crash, on the same port and with the same key, so nothing that points at it has to change.
 *
 *     starting ──ready──▶ ready ──exit──▶ restarting ──ready──▶ ready
 *         └──exit──▶ failed ◀──third quick exit──┘
 */
import { randomBytes } from 'node:crypto';
import { systemClock, type Clock } from '@labmesh/kit/clock';
import { silentLogger, type Logger } from '@labmesh/kit/log';
import { describeModel } from './describe-model.ts';
import { engineParametersSchema, type EngineParameters } from './engine-messages.ts';
import { LogTail, startEngineProcess, type EngineExit, type EngineProcess } from './engine-process.ts';

/** Waits before a restart, milliseconds: doubling between these. */
const backoff = { firstMs: 1_000, maxMs: 30_000 };
/** A run that ends sooner than this after it was ready counts as a quick failure. */
const quickMs = 60_000;
const quickFailuresMax = 3;

export type BuiltinEngineOptions = {
  modelPath: string;
  /** Default: `general.name` of the file as a slug, else its base name. */
  modelId?: string;
  alias?: string[];
  threads?: number;
  /** Tokens; default: what the model was trained on, at most 8192. */
  contextSize?: number;
  parallel?: number;
  queueMax?: number;
  /** Arguments that start a process which calls `runEngineChild`. */
  command: readonly string[];
  /** Ends the engine. */
  signal?: AbortSignal;
  log?: Logger;
  clock?: Clock;
  /** Called with each change of state; `loading` repeats with its share, 0–1. */
  onProgress?: (state: BuiltinEngineState) => void;
};

export type BuiltinEngineState =
  | { kind: 'starting' }
  | { kind: 'loading'; progress: number }
  | { kind: 'ready'; pid: number }
  | { kind: 'restarting'; inMs: number; reason: string }
  | { kind: 'failed'; reason: string; lines: readonly string[] }
  | { kind: 'stopped' };

export interface BuiltinEngine extends AsyncDisposable {
  readonly port: number;
  readonly apiKey: string;
  readonly modelId: string;
  /** Of the child that runs now, or ran last. */
  readonly pid: number;
  readonly state: BuiltinEngineState;
  readonly restarts: number;
  readonly endpoint: { name: 'builtin'; baseUrl: string; apiKey: string; modelId: string; contextLength?: number };
}

function exitText(exit: EngineExit): string {
  return exit.message ?? (exit.signal === null ? `it ended with code ${exit.code}` : `it was ended by ${exit.signal}`);
}

/**
 * Checks the file, starts the child and waits until the model is loaded.
 * @throws Error with what is wrong and what to do: no GGUF file, library missing, not enough memory
 */
export async function startBuiltinEngine(options: BuiltinEngineOptions): Promise<BuiltinEngine> {
  const { signal } = options;
  signal?.throwIfAborted();
  const described = await describeModel(options.modelPath);
  const { modelPath, alias, threads, contextSize, parallel, queueMax } = options;
  const parameters = engineParametersSchema.parse({
    modelPath,
    alias,
    threads,
    contextSize,
    parallel,
    queueMax,
    modelId: options.modelId ?? described.modelId,
    apiKey: randomBytes(24).toString('base64url'),
  });
  const keeper = new EngineKeeper(parameters, options);
  const onAbort = () => void keeper[Symbol.asyncDispose]();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await keeper.start();
  } catch (error) {
    signal?.removeEventListener('abort', onAbort);
    throw error;
  }
  return keeper;
}

class EngineKeeper implements BuiltinEngine {
  #parameters: EngineParameters;
  #options: BuiltinEngineOptions;
  #log: Logger;
  #clock: Clock;
  #tail = new LogTail();
  #closer = new AbortController();
  #process: EngineProcess | undefined;
  #state: BuiltinEngineState = { kind: 'starting' };
  #contextLength: number | undefined;
  #readyAt: number | undefined;
  #restarts = 0;
  #quickFailures = 0;
  #watching: Promise<void> = Promise.resolve();

  constructor(parameters: EngineParameters, options: BuiltinEngineOptions) {
    this.#parameters = parameters;
    this.#options = options;
    this.#log = options.log ?? silentLogger;
    this.#clock = options.clock ?? systemClock;
  }

  get port(): number {
    return this.#parameters.port;
  }
  get apiKey(): string {
    return this.#parameters.apiKey;
  }
  get modelId(): string {
    return this.#parameters.modelId;
  }
  get pid(): number {
    return this.#process?.pid ?? 0;
  }
  get state(): BuiltinEngineState {
    return this.#state;
  }
  get restarts(): number {
    return this.#restarts;
  }
  get endpoint(): BuiltinEngine['endpoint'] {
    const baseUrl = `http://127.0.0.1:${this.port}/v1`;
    const contextLength = this.#contextLength;
    const { apiKey, modelId } = this;
    return { name: 'builtin', baseUrl, apiKey, modelId, ...(contextLength !== undefined && { contextLength }) };
  }

  /** The first run: a failure here is told to the caller, not retried, because it will not heal. */
  async start(): Promise<void> {
    const first = this.#spawn();
    const exit = await Promise.race([first.ready, first.process.exited]);
    if (exit === 'ready') {
      this.#watching = this.#watch(first.process);
      return;
    }
    if (this.#closer.signal.aborted) throw new Error('the built-in engine was stopped while it started');
    const reason = this.#fail(exit);
    throw new Error(`the built-in engine could not start: ${reason}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closer.signal.aborted) this.#closer.abort(new Error('stopped'));
    await this.#process?.stop();
    await this.#watching;
    if (this.#state.kind !== 'stopped') this.#become({ kind: 'stopped' });
  }

  #spawn(): { process: EngineProcess; ready: Promise<'ready'> } {
    const { promise: ready, resolve } = Promise.withResolvers<'ready'>();
    this.#readyAt = undefined;
    const started = startEngineProcess(this.#options.command, this.#parameters, {
      line: (line) => {
        this.#tail.add(line);
        this.#log.warn('engine says', { line });
      },
      message: (message) => {
        if (message.event === 'loading') this.#become({ kind: 'loading', progress: message.progress });
        if (message.event !== 'ready') return;
        // The port is kept for every later run.
        this.#parameters = { ...this.#parameters, port: message.port };
        this.#contextLength = message.contextLength;
        this.#readyAt = this.#clock.now();
        this.#become({ kind: 'ready', pid: started.pid });
        resolve('ready');
      },
    });
    this.#process = started;
    return { process: started, ready };
  }

  /** Waits for the end of each run and starts the next, until stopped or failed. */
  async #watch(running: EngineProcess): Promise<void> {
    let current = running;
    const stop = this.#closer.signal;
    for (;;) {
      const exit = await current.exited;
      if (stop.aborted) return;
      const lasted = this.#readyAt === undefined ? 0 : this.#clock.now() - this.#readyAt;
      this.#quickFailures = lasted < quickMs ? this.#quickFailures + 1 : 0;
      if (this.#quickFailures >= quickFailuresMax) return void this.#fail(exit);
      const inMs = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.max(0, this.#quickFailures - 1));
      this.#log.warn('built-in engine ended, starting it again', { reason: exitText(exit), inMs });
      this.#become({ kind: 'restarting', inMs, reason: exitText(exit) });
      try {
        await this.#clock.sleep(inMs, stop);
      } catch {
        return;
      }
      this.#restarts++;
      current = this.#spawn().process;
    }
  }

  #fail(exit: EngineExit): string {
    const reason = exitText(exit);
    this.#log.error('built-in engine failed', { reason, lines: this.#tail.lines });
    this.#become({ kind: 'failed', reason, lines: this.#tail.lines });
    return reason;
  }

  #become(state: BuiltinEngineState): void {
    this.#state = state;
    this.#options.onProgress?.(state);
  }
}
