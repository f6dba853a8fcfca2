/**
 * Runs jobs, so many at a time:
 *
 *     job ─▶ level chosen ─▶ waits for a place ─▶ sandbox ─▶ result
 *               └ none: refused    └ too many: refused   └ threw: sandbox_error
 *
 * It holds no expected values, no keys and no rows, and nothing of a job's content reaches the log.
 */
import type { Sandbox } from '@labmesh/sandbox/sandbox';
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import type { Logger } from '@labmesh/kit/log';
import { uuidv7 } from '@labmesh/wire/ids';
import {
  compareLevels,
  type LevelReport,
  type SandboxJob,
  type SandboxLevel,
  sandboxCeilings,
} from '@labmesh/wire/verification/sandbox';
import { askedLevel, chooseLevel } from './choose-level.ts';
import { failed, refused, type RunAnswer } from './run-answer.ts';
import { RunPool } from './run-pool.ts';
import type { SandboxSettings } from './sandbox-settings.ts';

export type ExecutorParts = {
  sandbox: Sandbox;
  settings: SandboxSettings;
  log: Logger;
  /** Ends what a run left that was killed while it was being made. */
  sweep?: () => void;
};

/** Given to those whose runs end with the daemon. */
class ExecutorStopping extends Error {}

type Run = { id: string; job: SandboxJob; asked: SandboxLevel; level: SandboxLevel; signal: AbortSignal };

export class Executor implements AsyncDisposable {
  readonly #parts: ExecutorParts;
  readonly #stopping = new AbortController();
  /** Of each run on its way, so that the end waits for what it killed. */
  readonly #running = new Set<Promise<unknown>>();
  readonly pool: RunPool;

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
    const waiting = { max: sandboxCeilings.waiting, groupMax: sandboxCeilings.waitingPerGroup };
    this.pool = new RunPool(parts.settings.pool, waiting);
  }

  levels(): LevelReport[] {
    return this.#parts.sandbox.levels();
  }

  /** Rejects only with the caller's reason: it went away, and nobody reads the answer. */
  async run(job: SandboxJob, gone: AbortSignal): Promise<RunAnswer> {
    const { settings, log } = this.#parts;
    const { limits } = job;
    const id = uuidv7();
    const asked = askedLevel(job.minLevel, settings);
    log.info('run created', { run: id, asked, kind: job.language ?? 'argv', files: job.files.length, ...limits });
    const choice = chooseLevel(this.levels(), asked, settings);
    if (choice.level === undefined) {
      log.warn('run ended', { run: id, exit: 'refused', code: 'LEVEL_UNAVAILABLE' });
      return refused({ id, limits, code: 'LEVEL_UNAVAILABLE', message: choice.reason });
    }
    const signal = AbortSignal.any([gone, this.#stopping.signal]);
    const work = this.#inTurn({ id, job, asked, level: choice.level, signal });
    this.#running.add(work);
    try {
      const answer = await work;
      const { exit, level, usage, error } = answer.result;
      log.info('run ended', {
        run: id,
        exit,
        isolation: level,
        wall_ms: usage.wallMs,
        ...(error && { code: error.code }),
      });
      return answer;
    } catch (error) {
      log.info('run ended', { run: id, exit: 'abandoned' });
      this.#parts.sweep?.();
      if (gone.aborted || !this.#stopping.signal.aborted) throw error;
      return refused({ id, limits, code: 'EXECUTOR_STOPPING', message: 'the executor ends; nothing was learned' });
    } finally {
      this.#running.delete(work);
    }
  }

  /** Kills what runs, and waits until nothing of it is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new ExecutorStopping('the executor ends'));
    await Promise.allSettled(this.#running);
    await this.#parts.sandbox[Symbol.asyncDispose]();
  }

  async #inTurn(run: Run): Promise<RunAnswer> {
    const { id, job, signal } = run;
    let place: Disposable;
    try {
      place = await this.pool.enter(job, signal);
    } catch (error) {
      if (!(error instanceof BoundPassed)) throw error;
      return this.#exhausted(run, error);
    }
    using _ = place;
    this.#parts.log.info('run started', { run: id, isolation: run.level });
    return await this.#inSandbox(run);
  }

  #exhausted({ id, job: { limits } }: Run, { bound, max }: BoundPassed): RunAnswer {
    const ofGroup = bound.endsWith('_per_group');
    const code = ofGroup ? 'GROUP_EXHAUSTED' : 'POOL_EXHAUSTED';
    const message = `${max} runs ${ofGroup ? 'of this group ' : ''}wait already`;
    return { ...refused({ id, limits, code, message }), retryAfterS: this.pool.retryAfterS };
  }

  async #inSandbox({ id, job, asked, level, signal }: Run): Promise<RunAnswer> {
    const { sandbox, log } = this.#parts;
    const { limits } = job;
    try {
      const result = await sandbox.run({ ...job, minLevel: level }, id, signal);
      signal.throwIfAborted();
      if (result.level === null || compareLevels(result.level, asked) >= 0) return { status: 200, result };
      log.error('a run had less isolation than was asked for; its result is dropped', {
        run: id,
        isolation: result.level,
      });
      return failed({ id, limits, code: 'LEVEL_BROKEN', message: 'the run had less isolation than was asked for' });
    } catch (error) {
      signal.throwIfAborted();
      log.error('a run met a fault of ours', { run: id, error });
      return failed({
        id,
        limits,
        code: 'SANDBOX_FAILED',
        message: 'a fault of the executor; its log has the details',
      });
    }
  }
}
