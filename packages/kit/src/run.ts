/**
 * Life and death of a process. `main` gets one AbortSignal and one stack of things to close; the first SIGINT or
 * SIGTERM aborts the signal (wind down), the second ends the process at once. This is the only file that may call
 * `process.exit`.
 */
import type { EventEmitter } from 'node:events';
import { ApiError } from '@labmesh/wire/errors';
import { OptionsError } from './options/options-error.ts';

export type Life = {
  /** Aborted by the first signal, or when something nobody caught was thrown. */
  readonly signal: AbortSignal;
  /** Closed in reverse order after `main` ends, however it ends: `life.stack.use(server)`. */
  readonly stack: AsyncDisposableStack;
  /** Resolves when the signal is aborted: the last line of a daemon's main is `await life.stopped`. */
  readonly stopped: Promise<void>;
  /** Begins the winding down from inside, as a first SIGTERM would. */
  stop(): void;
};
export type Main = (life: Life) => Promise<number | void>;

/** The part of `process` that a life needs; an EventEmitter in tests. */
export type ProcessEvents = Pick<EventEmitter, 'on' | 'off'>;
export type LifeWorld = { events: ProcessEvents; writeError: (line: string) => void; kill: (code: number) => void };

/** Thrown inside when the process is asked to end; a main that lets it through ends with exit code 0. */
export class Stopped extends Error {
  constructor() {
    super('the process was asked to stop');
    this.name = 'Stopped';
  }
}

/** What to show of an error and which exit code it means. Only what nobody foresaw shows its stack. */
export function describeFailure(error: unknown): { text: string; exitCode: number } {
  if (error instanceof OptionsError) return { text: error.message, exitCode: error.exitCode };
  if (error instanceof ApiError) {
    return { text: `${error.message}${error.log === undefined ? '' : ` (${error.log})`}`, exitCode: 1 };
  }
  if (!(error instanceof Error)) return { text: String(error), exitCode: 1 };
  // Errors of the parts that know their own exit code: a wrong key, a database in use.
  if ('exitCode' in error && typeof error.exitCode === 'number')
    return { text: error.message, exitCode: error.exitCode };
  const { code, syscall, message, stack }: Error & { code?: string; syscall?: string } = error;
  // System errors (address in use, no permission) are the operator's to mend: their text says it, a stack hides it.
  if (code !== undefined && (syscall !== undefined || /^E[A-Z]+$/.test(code))) return { text: message, exitCode: 1 };
  return { text: stack ?? message, exitCode: 1 };
}

/** Runs `main` until it ends and everything on its stack is closed; gives the exit code. Never rejects. */
export async function runLife(main: Main, world: LifeWorld): Promise<number> {
  const ending = new AbortController();
  const stack = new AsyncDisposableStack();
  let exitCode = 0;
  const fail = (error: unknown) => {
    if (error instanceof Stopped || (ending.signal.aborted && error === ending.signal.reason)) return;
    const failure = describeFailure(error);
    exitCode = failure.exitCode;
    world.writeError(failure.text);
  };
  const stop = () => {
    if (!ending.signal.aborted) ending.abort(new Stopped());
  };
  const onSignal = () => (ending.signal.aborted ? world.kill(1) : stop());
  const onUncaught = (error: unknown) => {
    fail(error);
    stop();
  };
  const handlers = [
    ['SIGINT', onSignal],
    ['SIGTERM', onSignal],
    ['uncaughtException', onUncaught],
    ['unhandledRejection', onUncaught],
  ] as const;
  for (const [event, handler] of handlers) world.events.on(event, handler);
  const stopped = new Promise<void>((resolve) =>
    ending.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  try {
    const code = await main({ signal: ending.signal, stack, stopped, stop });
    if (typeof code === 'number' && exitCode === 0) exitCode = code;
  } catch (error) {
    fail(error);
  }
  // From here a signal means "at once": there is no gentler step left than closing.
  stop();
  await stack.disposeAsync().catch(fail);
  for (const [event, handler] of handlers) world.events.off(event, handler);
  return exitCode;
}

const flushMs = 1_000;

/** Output to a pipe is written behind our back: exit would cut it. A reader that is gone (`| head`) is no error. */
async function flush(stream: NodeJS.WriteStream): Promise<void> {
  const written = new Promise<void>((resolve) => {
    stream.once('error', () => resolve());
    stream.write('', () => resolve());
  });
  await Promise.race([written, new Promise((resolve) => setTimeout(resolve, flushMs))]);
}

/** The one line that starts a program: `await runMain(main)`. Ends the process. */
export async function runMain(main: Main): Promise<never> {
  process.stdout.on('error', () => {});
  const exitCode = await runLife(main, {
    events: process,
    writeError: (line) => void process.stderr.write(`${line}\n`),
    kill: (code) => process.exit(code),
  });
  await Promise.all([flush(process.stdout), flush(process.stderr)]);
  process.exit(exitCode);
}
