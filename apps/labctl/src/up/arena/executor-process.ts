/** One run of `lab-executor` as a child: its ready line, its log lines through ours, its end. */
import { LineSplitter } from '@labmesh/kit/line-splitter';
import type { LogLevel, Logger } from '@labmesh/kit/log';
import { parseJson } from '@labmesh/kit/parse-json';
import { z } from 'zod';

/** Longest line of the child that is read, bytes. */
const lineBytesMax = 256 * 1024;
/** For its probes, which run a program at each level. */
const readyMs = 60_000;
/** For what it runs to be killed and cleared away. */
const endMs = 15_000;

const readySchema = z.object({ ready: z.literal(true), pid: z.int(), levels: z.array(z.string()) });
const lineSchema = z.looseObject({ level: z.int(), time: z.number(), msg: z.string() });
const levels: Readonly<Record<number, LogLevel>> = { 20: 'debug', 30: 'info', 40: 'warn', 50: 'error' };

/** `said`: its last line that is no log line, which tells why it did not start. */
export type ExecutorExit = { code: number | null; signal: string | null; said: string };

export type ExecutorProcess = {
  pid: number;
  /** Resolves when its socket answers; stays open when it ends before. */
  ready: Promise<void>;
  exited: Promise<ExecutorExit>;
  /** By SIGTERM, and later by SIGKILL. */
  stop: () => Promise<void>;
};

async function eachLine(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> {
  const splitter = new LineSplitter('executor.line_bytes', lineBytesMax);
  for await (const chunk of stream) for (const line of splitter.push(chunk)) onLine(line);
}

/** Starts it with nothing of our environment but what programs need to run. */
export function startExecutorProcess(command: readonly string[], log: Logger): ExecutorProcess {
  const { PATH = '/usr/bin:/bin', HOME = '/', TMPDIR, LANG } = process.env;
  const child = Bun.spawn([...command], {
    env: { PATH, HOME, ...(TMPDIR !== undefined && { TMPDIR }), ...(LANG !== undefined && { LANG }) },
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
    // A Ctrl-C at the terminal is ours to hear: runs under way still have their drain.
    detached: true,
  });
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  let said = '';
  const onLog = (line: string) => {
    const fact = lineSchema.safeParse(parseJson(line));
    if (!fact.success) {
      said = line.slice(0, 1_000);
      return;
    }
    const { level, time: _, msg, ...fields } = fact.data;
    log[levels[level] ?? 'info'](msg, fields);
  };
  const late = setTimeout(() => child.kill('SIGKILL'), readyMs);
  const onOut = (line: string) => {
    if (!readySchema.safeParse(parseJson(line)).success) return;
    clearTimeout(late);
    resolve();
  };
  const reading = Promise.all([eachLine(child.stdout, onOut), eachLine(child.stderr, onLog)]).catch(
    (error: unknown) => {
      // Nobody empties its pipes any more: it would stand still at some line.
      log.error('the lines of the executor cannot be read', { error });
      child.kill('SIGKILL');
    },
  );
  const exited = child.exited.then(async () => {
    clearTimeout(late);
    // A grandchild that outlives it may hold the pipe: its last words are waited for, not that.
    await Promise.race([reading, Bun.sleep(200)]);
    return { code: child.exitCode, signal: child.signalCode === null ? null : String(child.signalCode), said };
  });
  const stop = async () => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), endMs);
    await child.exited;
    clearTimeout(timer);
  };
  return { pid: child.pid, ready, exited, stop };
}
