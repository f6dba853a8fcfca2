/** A child process of level L0, seen from the parent. */
import { readFileSync } from 'node:fs';
import {
  type WasmAnswer,
  wasmAnswerSchema,
  type WasmHello,
  wasmHelloSchema,
  type WasmJob,
  wasmLimits,
} from './wasm-messages.ts';
import { findProgram } from '../find-program.ts';
import { readLines } from './read-lines.ts';

export type WasmWorkerInput = {
  command: readonly string[];
  /** For the child alone; undefined when we are not root. */
  uid: number | undefined;
};

/** `wall`, `cpu`: it was ended because it did not stop when that time was up. */
export type WasmOutcome = WasmAnswer | 'wall' | 'cpu' | 'died';

const stackBytes = 64 * 1024 * 1024;
/** Between two looks at a child's CPU time, at least. */
const lookMs = 20;
const msPerTick = 10;

/** CPU time of a process until now, in ticks of the kernel; 0 where that is not told. */
function cpuMsOf(pid: number): number {
  try {
    // After the name, which may hold blanks and parentheses: utime and stime are the 12th and 13th word.
    const words = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return (Number(words[11]) + Number(words[12])) * msPerTick;
  } catch {
    return 0;
  }
}

/**
 * A deep recursion of a job is to end at QuickJS's own limit and not at the host engine's, which takes several times as
 * much stack. Without prlimit the stack is as it is, and the host's limit ends the job and the child.
 */
function startWords(command: readonly string[]): { words: string[]; env: Record<string, string> } {
  const [prlimit, setpriv] = [findProgram('prlimit'), findProgram('setpriv')];
  const withLimits = prlimit === undefined ? [] : [prlimit, '--core=0', `--stack=${stackBytes}:`];
  const withoutGain = setpriv === undefined ? [] : [setpriv, '--no-new-privs'];
  return {
    words: [...withLimits, ...withoutGain, ...command],
    env: {
      // It has nothing to write anywhere.
      BUN_RUNTIME_TRANSPILER_CACHE_PATH: '0',
      ...(prlimit !== undefined && { BUN_JSC_maxPerThreadStackUsage: String(stackBytes - 4 * 1024 * 1024) }),
    },
  };
}

export class WasmWorker implements AsyncDisposable {
  readonly #child;
  readonly #lines: AsyncGenerator<string>;
  readonly hello: Promise<WasmHello>;
  readonly uid: number | undefined;
  isUsable = true;

  constructor({ command, uid }: WasmWorkerInput) {
    this.uid = uid;
    const { words, env } = startWords(command);
    this.#child = Bun.spawn(words, { cwd: '/', env, stdio: ['pipe', 'pipe', 'ignore'] });
    this.#lines = readLines(this.#child.stdout, wasmLimits.lineBytesMax);
    this.hello = this.#start();
    // Whoever takes it hears of a failure; until then nobody waits.
    this.hello.catch(() => {});
  }

  /** Runs a job. Never rejects; after an abort the outcome is 'died'. */
  async run(job: WasmJob, signal?: AbortSignal): Promise<WasmOutcome> {
    let late: 'wall' | 'cpu' | undefined;
    const kill = () => this.kill();
    const end = (why: 'wall' | 'cpu') => {
      late ??= why;
      kill();
    };
    const wall = setTimeout(() => end('wall'), job.wallMs + wasmLimits.graceMs);
    const cpu = this.#watchCpu(job.cpuMs + wasmLimits.graceMs, () => end('cpu'));
    signal?.addEventListener('abort', kill, { once: true });
    try {
      if (signal?.aborted === true) kill();
      this.#send(job);
      const answer = await this.#answer(wasmAnswerSchema);
      if (!answer.isSound) kill();
      return answer;
    } catch {
      kill();
      return late ?? 'died';
    } finally {
      clearTimeout(wall);
      cpu.stop();
      signal?.removeEventListener('abort', kill);
    }
  }

  kill(): void {
    this.isUsable = false;
    this.#child.kill('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.#child.exited;
  }

  /** Some built-in functions never ask whether they are to stop. Looks when the time can be up at the earliest. */
  #watchCpu(mostMs: number, end: () => void): { stop: () => void } {
    const from = cpuMsOf(this.#child.pid);
    const look = () => {
      const leftMs = mostMs - (cpuMsOf(this.#child.pid) - from);
      if (leftMs <= 0) end();
      else timer = setTimeout(look, Math.max(leftMs, lookMs));
    };
    let timer = setTimeout(look, mostMs);
    return { stop: () => clearTimeout(timer) };
  }

  async #start(): Promise<WasmHello> {
    const timer = setTimeout(() => this.kill(), wasmLimits.startMs);
    try {
      this.#send({ uid: this.uid ?? null });
      const hello = await this.#answer(wasmHelloSchema);
      if (this.uid !== undefined && hello.uid !== this.uid) throw new Error('the child has another uid');
      return hello;
    } catch (error) {
      this.kill();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #send(message: unknown): void {
    const { stdin } = this.#child;
    // A child that is gone shows as the end of its lines.
    void Promise.resolve(stdin.write(`${JSON.stringify(message)}\n`)).catch(() => {});
    void Promise.resolve(stdin.flush()).catch(() => {});
  }

  async #answer<T>(schema: { parse: (value: unknown) => T }): Promise<T> {
    const line = await this.#lines.next();
    if (line.done === true) throw new Error('the child ended');
    return schema.parse(JSON.parse(line.value));
  }
}
