/**
 * One job in a fresh QuickJS module (verification SB10). The job sees the language's own globals, `console`, and its
 * inputs `stdin`, `files` and `env`; nothing of the host.
 */
import type { QuickJSContext, QuickJSRuntime } from 'quickjs-emscripten-core';
import type { FreshModule } from './quickjs-modules.ts';
import { type WasmAnswer, type WasmJob, wasmLimits } from './wasm-messages.ts';

/** Promise jobs run between two looks at the clock. */
const jobsAtOnce = 256;
/** Memory grows in steps: this close to its end, the next step did not fit. */
const nearlyBytes = 8 * 1024 * 1024;

/**
 * Makes `console` of one function of the host, inside, so that the host is only ever given strings. The functions it
 * needs are taken before the job can change them.
 */
const prelude = `(write, inputs) => {
  const { stringify, parse } = JSON, text = String, map = Array.prototype.map, join = Array.prototype.join;
  const call = Function.prototype.call.bind(Function.prototype.call);
  const show = (value) => {
    if (typeof value === 'string') return value;
    if (typeof value === 'bigint') return text(value) + 'n';
    if (typeof value !== 'object' || value === null) return text(value);
    if (value instanceof Error) return text(value) + (value.stack ? '\\n' + text(value.stack) : '');
    try { const json = stringify(value); return json === undefined ? text(value) : json; } catch { return '[object]'; }
  };
  const line = (stream) => (...values) => { write(stream, call(join, call(map, values, show), ' ') + '\\n'); };
  const out = line(1), err = line(2);
  globalThis.console = { log: out, info: out, debug: out, warn: err, error: err, trace: err };
  const given = parse(inputs);
  globalThis.stdin = given.stdin; globalThis.files = given.files; globalThis.env = given.env;
}`;

/** What the job wrote, up to a cap for each stream. */
class Output {
  readonly #bytesMax: number;
  readonly #texts: Record<1 | 2, { chunks: string[]; bytes: number }> = {
    1: { chunks: [], bytes: 0 },
    2: { chunks: [], bytes: 0 },
  };
  isCut = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  write(stream: 1 | 2, text: string): void {
    const to = this.#texts[stream];
    const bytes = Buffer.from(text, 'utf8');
    const room = this.#bytesMax - to.bytes;
    if (bytes.length > room) this.isCut = true;
    // `latin1` keeps each byte as it is: a cut may fall inside a character.
    if (room > 0) to.chunks.push(bytes.subarray(0, room).toString('latin1'));
    to.bytes += Math.min(bytes.length, room);
  }

  base64(stream: 1 | 2): string {
    return Buffer.from(this.#texts[stream].chunks.join(''), 'latin1').toString('base64');
  }
}

type Stop = { isOver: () => boolean; isStopped: boolean };
type Ended = Pick<WasmAnswer, 'end' | 'isSound'>;

function openContext(runtime: QuickJSRuntime, job: WasmJob, output: Output): QuickJSContext {
  const context = runtime.newContext();
  const write = context.newFunction('write', (stream, text) => {
    output.write(context.getNumber(stream) === 2 ? 2 : 1, context.getString(text));
  });
  const setUp = context.unwrapResult(context.evalCode(prelude, 'console.js'));
  const inputs = context.newString(JSON.stringify({ stdin: job.stdin, files: job.files, env: job.env }));
  context.unwrapResult(context.callFunction(setUp, context.undefined, write, inputs)).dispose();
  for (const handle of [write, setUp, inputs]) handle.dispose();
  return context;
}

/** What an uncaught error shows, as a runtime would print it. Of an object's parts only texts: all else may be a trap. */
function describe(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null) return `Uncaught ${String(thrown)}\n`;
  const { name, message, stack } = thrown as { name?: unknown; message?: unknown; stack?: unknown };
  const text = (part: unknown, other: string) => (typeof part === 'string' ? part : other);
  return `${text(name, 'Uncaught object')}: ${text(message, '')}\n${text(stack, '')}`;
}

/** Where not even an error could be made any more, null or a text is thrown. */
function isOom(thrown: unknown, { buffer }: WebAssembly.Memory, { memoryBytes }: WasmJob): boolean {
  if (typeof thrown !== 'object') return thrown === 'InternalError: out of memory';
  if (thrown === null) return buffer.byteLength > memoryBytes - nearlyBytes;
  return 'message' in thrown && thrown.message === 'out of memory';
}

type Evaluation = {
  runtime: QuickJSRuntime;
  context: QuickJSContext;
  memory: WebAssembly.Memory;
  job: WasmJob;
  stop: Stop;
  output: Output;
};

/** The job itself, then what it promised. */
function evaluate({ runtime, context, memory, job, stop, output }: Evaluation): Ended {
  let result = context.evalCode(job.code, 'main.js') as {
    error?: { dispose: () => void };
    value?: { dispose: () => void };
  };
  // A built-in function may have gone on past the deadline: whatever it made of that comes too late.
  const isOver = () => stop.isStopped || stop.isOver();
  while (result.error === undefined && runtime.hasPendingJob() && !isOver()) {
    result = runtime.executePendingJobs(jobsAtOnce) as typeof result;
  }
  if (isOver()) return { end: output.isCut ? 'output' : 'interrupted', isSound: true };
  if (result.error === undefined) return { end: output.isCut ? 'output' : 'ok', isSound: true };
  const thrown: unknown = context.dump(result.error as never);
  output.write(2, describe(thrown));
  if (isOom(thrown, memory, job)) return { end: 'oom', isSound: true };
  return { end: 'threw', isSound: true };
}

/** An exception of the host's own engine: too deep a recursion is the job's doing, all else leaves open what happened. */
function afterHostException(error: unknown, output: Output): Ended {
  if (error instanceof RangeError && /call stack/i.test(error.message)) {
    output.write(2, 'InternalError: stack overflow\n');
    return { end: 'threw', isSound: false };
  }
  return { end: 'host', isSound: false };
}

/** Runs the job to its end. Never throws. The module is used up. */
export function runQuickjs({ quickjs, memory }: FreshModule, job: WasmJob): WasmAnswer {
  const output = new Output(job.outputBytes);
  const startedAt = performance.now();
  const cpuBefore = process.cpuUsage();
  const cpuMs = () => {
    const { user, system } = process.cpuUsage(cpuBefore);
    return (user + system) / 1000;
  };
  const stop: Stop = {
    isOver: () => performance.now() - startedAt > job.wallMs || cpuMs() > job.cpuMs,
    isStopped: false,
  };
  let ended: Ended;
  try {
    const runtime = quickjs.newRuntime();
    // Of one allocation: the sum is held by the memory's own maximum.
    runtime.setMemoryLimit(job.memoryBytes);
    runtime.setMaxStackSize(wasmLimits.stackBytes);
    runtime.setInterruptHandler(() => {
      if (output.isCut || stop.isOver()) stop.isStopped = true;
      return stop.isStopped;
    });
    const context = openContext(runtime, job, output);
    ended = evaluate({ runtime, context, memory, job, stop, output });
  } catch (error) {
    ended = afterHostException(error, output);
  }
  return {
    ...ended,
    stdout: output.base64(1),
    stderr: output.base64(2),
    isCut: output.isCut,
    wallMs: performance.now() - startedAt,
    cpuMs: cpuMs(),
    memoryBytes: memory.buffer.byteLength,
  };
}
