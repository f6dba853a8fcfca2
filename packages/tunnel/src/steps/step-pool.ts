/**
 * The threads that do McEliece (R5): heavy steps go to the one with the fewest. A worker that dies answers its open steps
 * with `worker_lost` and is replaced; its own keys are read from their files again, since nobody else keeps them.
 */
import type { Logger } from '@labmesh/kit/log';
import type { StepJob, StepResult } from '@labmesh/rosenpass/steps/step-job';
import type { FromStepWorker, ToStepWorker } from './step-messages.ts';

export type RosenpassPair = { secretKey: Uint8Array; publicKey: Uint8Array };

export type StepPoolOptions = {
  workers: number;
  /** Folder of `<sha256>.pk`. */
  keysDir: string;
  cacheBytes: number;
  log: Logger;
};

type Pending = (answer: FromStepWorker | undefined) => void;
type Thread = { worker: Worker; pending: Map<number, Pending>; isAlive: boolean };
/** Reads an own pair again; the arrays are given away. */
type OwnKeySource = () => RosenpassPair;

/** In the single-file program the worker is an entry point of its own, under the repository's path. */
const workerUrl = import.meta.dir.startsWith('/$bunfs/')
  ? '/$bunfs/root/packages/tunnel/src/steps/step-worker.js'
  : new URL('./step-worker.ts', import.meta.url).href;

/** A worker that dies at once again and again must not busy the machine. */
const restartWaitMs = 1_000;

/** Whole buffers move; a view of a larger one is copied. */
const buffersOf = (message: ToStepWorker): ArrayBuffer[] =>
  Object.values(message.kind === 'job' ? message.job : message).flatMap((value: unknown) =>
    value instanceof Uint8Array && value.byteLength === value.buffer.byteLength ? [value.buffer as ArrayBuffer] : [],
  );

export class StepPool implements AsyncDisposable {
  readonly #options: StepPoolOptions;
  readonly #threads: Thread[];
  readonly #ownKeys = new Map<number, OwnKeySource>();
  #lastJob = 0;
  #isClosed = false;

  constructor(options: StepPoolOptions) {
    this.#options = options;
    this.#threads = Array.from({ length: options.workers }, () => this.#start());
  }

  get workers(): number {
    return this.#threads.length;
  }

  /** Gives every worker this pair, now and after a restart. `read` is called once for each. */
  setOwnKey(index: number, read: OwnKeySource): void {
    this.#ownKeys.set(index, read);
    for (const thread of this.#threads) this.#give(thread, index, read);
  }

  dropOwnKey(index: number): void {
    this.#ownKeys.delete(index);
    for (const thread of this.#threads) this.#post(thread, { kind: 'forget-own-key', index });
  }

  /** Runs a step. The arrays of `job` are gone afterwards. Never rejects. */
  async run(job: StepJob): Promise<StepResult> {
    const answer = await this.#ask((jobId) => ({ kind: 'job', jobId, job }));
    return answer?.kind === 'result' ? answer.result : { step: 'failed', reason: 'worker_lost' };
  }

  /** A new key pair: 0.4–3 s of a core. @throws when the pool ends first. */
  async generate(): Promise<RosenpassPair> {
    const answer = await this.#ask((jobId) => ({ kind: 'generate', jobId }));
    if (answer?.kind !== 'generated') throw new Error('the key was not made: its thread ended');
    return { secretKey: answer.secretKey, publicKey: answer.publicKey };
  }

  #ask(message: (jobId: number) => ToStepWorker): Promise<FromStepWorker | undefined> {
    const [idlest] = this.#threads
      .filter(({ isAlive }) => isAlive)
      .toSorted((one, two) => one.pending.size - two.pending.size);
    if (idlest === undefined) return Promise.resolve(undefined);
    const jobId = ++this.#lastJob;
    const { promise, resolve } = Promise.withResolvers<FromStepWorker | undefined>();
    idlest.pending.set(jobId, resolve);
    this.#post(idlest, message(jobId));
    return promise;
  }

  #post({ worker }: Thread, message: ToStepWorker): void {
    worker.postMessage(message, buffersOf(message));
  }

  #give(thread: Thread, index: number, read: OwnKeySource): void {
    try {
      this.#post(thread, { kind: 'own-key', index, ...read() });
    } catch (error) {
      this.#options.log.error('an own Rosenpass key could not be read again', { error });
    }
  }

  #start(): Thread {
    const { keysDir, cacheBytes } = this.#options;
    const thread: Thread = { worker: new Worker(workerUrl), pending: new Map(), isAlive: true };
    thread.worker.addEventListener('message', ({ data }: MessageEvent<FromStepWorker>) => {
      const settle = thread.pending.get(data.jobId);
      thread.pending.delete(data.jobId);
      settle?.(data);
    });
    thread.worker.addEventListener('error', (event) => {
      event.preventDefault();
      this.#lost(thread, event.message);
    });
    thread.worker.addEventListener('close', () => this.#lost(thread, 'ended'));
    // An idle tunnel does not keep a process that is done alive.
    thread.worker.unref();
    this.#post(thread, { kind: 'start', keysDir, cacheBytes });
    for (const [index, read] of this.#ownKeys) this.#give(thread, index, read);
    return thread;
  }

  #lost(thread: Thread, why: string): void {
    if (!thread.isAlive) return;
    thread.isAlive = false;
    for (const settle of thread.pending.values()) settle(undefined);
    thread.pending.clear();
    thread.worker.terminate();
    if (this.#isClosed) return;
    this.#options.log.error('a thread of the key exchange ended; another takes its place', { why });
    const restart = setTimeout(() => {
      const at = this.#threads.indexOf(thread);
      if (!this.#isClosed && at >= 0) this.#threads[at] = this.#start();
    }, restartWaitMs);
    restart.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const thread of this.#threads) this.#lost(thread, 'closed');
    await Promise.resolve();
  }
}
