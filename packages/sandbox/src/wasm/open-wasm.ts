/** Level L0: child processes with QuickJS in WebAssembly, one of them warm. */
import type { Logger } from '@labmesh/kit/log';
import type { LevelReport, SandboxJob, SandboxResult } from '@labmesh/wire/verification/sandbox';
import type { UidPool } from '../namespace/uid-pool.ts';
import { JobRefused, nothingLearned } from '../sandbox-result.ts';
import { type WasmAnswer, type WasmJob, wasmLimits } from './wasm-messages.ts';
import { type WasmOutcome, WasmWorker } from './wasm-worker.ts';

export type WasmOptions = {
  /** Starts `runWasmChild`. */
  command: readonly string[];
  /** Undefined when we are not root. */
  uids: UidPool | undefined;
  log: Logger;
};

export type Wasm = AsyncDisposable & {
  report: LevelReport;
  /** @throws JobRefused when this level cannot run the job; the signal's reason. */
  run: (job: SandboxJob, id: string, signal?: AbortSignal) => Promise<SandboxResult>;
};

/** Warm children that are kept; more live only while they work. */
const idleMax = 2;
const utf8 = (base64: string) => Buffer.from(base64, 'base64').toString('utf8');

/** What of a job this level cannot do. */
export function wasmRefusal(job: SandboxJob): string | undefined {
  if (job.language !== 'javascript' || job.code === undefined) return 'level L0 runs JavaScript code only';
  if (job.collect.length > 0) return 'level L0 has no files to hand back';
  const base64Chars = job.files.reduce((sum, { content }) => sum + content.length, job.stdin.length);
  const size = Buffer.byteLength(job.code) + (base64Chars * 3) / 4;
  return size > wasmLimits.inputBytesMax ? `level L0 takes at most ${wasmLimits.inputBytesMax} bytes` : undefined;
}

function appliedLimits({ limits }: SandboxJob): SandboxJob['limits'] {
  return { ...limits, memoryBytes: Math.min(limits.memoryBytes, wasmLimits.memoryBytes) };
}

function wasmJob(job: SandboxJob): WasmJob {
  const { wallMs, cpuMs, memoryBytes, outputBytes } = appliedLimits(job);
  return {
    code: job.code ?? '',
    stdin: utf8(job.stdin),
    files: Object.fromEntries(job.files.map(({ path, content }) => [path, utf8(content)])),
    env: job.env,
    memoryBytes,
    wallMs,
    cpuMs,
    outputBytes,
  };
}

const exits: Readonly<Record<Exclude<WasmAnswer['end'], 'host' | 'interrupted'>, SandboxResult['exit']>> = {
  ok: 'ok',
  threw: 'nonzero',
  oom: 'oom',
  output: 'output',
};

class WasmPool implements AsyncDisposable {
  readonly #options: WasmOptions;
  readonly #idle: WasmWorker[] = [];
  readonly #all = new Set<WasmWorker>();
  readonly #leftovers = new Set<Promise<void>>();
  #isClosed = false;

  constructor(options: WasmOptions) {
    this.#options = options;
  }

  /** A child that nobody else uses. */
  take(): WasmWorker {
    return this.#idle.pop() ?? this.#start();
  }

  /** Keeps a sound child warm; in the place of another a new one is started, so that the next job finds it. */
  give(worker: WasmWorker): void {
    if (!worker.isUsable || this.#isClosed || this.#idle.length >= idleMax) this.#end(worker);
    else this.#idle.push(worker);
    if (this.#idle.length === 0 && !this.#isClosed) this.#idle.push(this.#start());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const worker of this.#all) this.#end(worker);
    await Promise.all(this.#leftovers);
  }

  #start(): WasmWorker {
    const worker = new WasmWorker({ command: this.#options.command, uid: this.#options.uids?.take() });
    this.#all.add(worker);
    return worker;
  }

  #end(worker: WasmWorker): void {
    if (!this.#all.delete(worker)) return;
    const gone = worker[Symbol.asyncDispose]().then(() => {
      if (worker.uid !== undefined) this.#options.uids?.give(worker.uid);
    });
    this.#leftovers.add(gone);
    void gone.finally(() => this.#leftovers.delete(gone));
  }
}

type Backend = { backend: string; uidIsolated: boolean };

function toResult(id: string, job: SandboxJob, outcome: WasmOutcome, { backend, uidIsolated }: Backend): SandboxResult {
  const limits = appliedLimits(job);
  const none = nothingLearned(id, limits, 'sandbox_error', {
    code: 'WORKER_DIED',
    message: 'the process of the engine died; nothing was learned',
  });
  if (outcome === 'died' || (typeof outcome === 'object' && outcome.end === 'host')) return none;
  const about = { level: 'SANDBOX_L0_WASM', backend, uidIsolated, error: null } as const;
  if (typeof outcome === 'string') {
    const usage = { wallMs: limits.wallMs + wasmLimits.graceMs, cpuMs: null, maxRssBytes: null };
    return { ...none, ...about, exit: outcome, usage };
  }
  const { end, stdout, stderr, isCut, wallMs, cpuMs, memoryBytes } = outcome;
  const late = cpuMs > limits.cpuMs ? 'cpu' : 'wall';
  const exit = end === 'interrupted' || end === 'host' ? late : exits[end];
  const code = end === 'ok' ? 0 : end === 'threw' ? 1 : null;
  const usage = { wallMs, cpuMs, maxRssBytes: memoryBytes };
  return { ...none, ...about, exit, code, stdout, stderr, truncated: isCut, usage };
}

/** A program of the engine's own, so that the level is known to work. */
async function probe(pool: WasmPool): Promise<{ version: string } | { reason: string }> {
  const worker = pool.take();
  try {
    const { version } = await worker.hello;
    const job = {
      code: 'console.log(6 * 7)',
      stdin: '',
      files: {},
      env: {},
      wallMs: 5000,
      cpuMs: 5000,
      outputBytes: 1024,
    };
    const outcome = await worker.run({ ...job, memoryBytes: wasmLimits.memoryBytes });
    const isRight = typeof outcome === 'object' && outcome.end === 'ok' && utf8(outcome.stdout) === '42\n';
    return isRight ? { version } : { reason: 'the engine did not give the right answer' };
  } catch (error) {
    return { reason: `the engine's process did not start: ${error instanceof Error ? error.message : String(error)}` };
  } finally {
    pool.give(worker);
  }
}

/** Never throws: what goes wrong is the report's reason. */
export async function openWasm(options: WasmOptions): Promise<Wasm> {
  const pool = new WasmPool(options);
  const seen = await probe(pool);
  const isReady = 'version' in seen;
  const uidIsolated = options.uids !== undefined;
  const backend = isReady ? `quickjs ${seen.version}` : 'quickjs';
  if (!isReady) await pool[Symbol.asyncDispose]();
  const report: LevelReport = {
    level: 'SANDBOX_L0_WASM',
    ready: isReady,
    backend: 'quickjs',
    version: isReady ? seen.version : null,
    platform: 'webassembly',
    uidIsolated: isReady && uidIsolated,
    cgroup: 'none',
    reason: isReady ? null : seen.reason,
    tools: isReady ? { quickjs: seen.version } : {},
  };
  const run: Wasm['run'] = async (job, id, signal) => {
    signal?.throwIfAborted();
    const refusal = wasmRefusal(job);
    if (refusal !== undefined) throw new JobRefused('JOB_INVALID', refusal);
    const worker = pool.take();
    try {
      await worker.hello;
      const outcome = await worker.run(wasmJob(job), signal);
      signal?.throwIfAborted();
      return toResult(id, job, outcome, { backend, uidIsolated });
    } catch (error) {
      signal?.throwIfAborted();
      options.log.warn("the engine's process did not start", { run: id, error });
      return toResult(id, job, 'died', { backend, uidIsolated });
    } finally {
      pool.give(worker);
    }
  };
  return { report, run, [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose]() };
}
