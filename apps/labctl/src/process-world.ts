import { isatty } from 'node:tty';
import { systemClock } from '@labmesh/kit/clock';
import type { Life } from '@labmesh/kit/run';
import type { World } from './command.ts';

/** Asks on stderr, so that stdout stays the result's. What is typed to a hidden question is not shown. */
async function ask(life: Life, question: string, hidden: boolean): Promise<string | undefined> {
  // Few commands ask; the others do not wait for this to load.
  const { createInterface } = await import('node:readline/promises');
  const { Writable } = await import('node:stream');
  if (process.stdin.readableEnded) return undefined;
  // With readline drawing to nowhere the terminal is in raw mode and shows nothing.
  const output = hidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : process.stderr;
  const lines = createInterface({ input: process.stdin, output, terminal: hidden });
  // A closed input answers no question: without this the promise would stay open.
  const closed = new Promise<undefined>((resolve) => void lines.once('close', () => resolve(undefined)));
  // In raw mode Ctrl-C is a key like others.
  lines.on('SIGINT', () => life.stop());
  // After raw mode is on: whoever types at once must not be shown either.
  process.stderr.write(question);
  try {
    return await Promise.race([lines.question('', { signal: life.signal }), closed]);
  } finally {
    lines.close();
    if (hidden) process.stderr.write('\n');
    // Its own reason, and not readline's: dispatch knows it as "interrupted".
    life.signal.throwIfAborted();
  }
}

/** The world of a command as this process has it. */
export function processWorld(life: Life): World {
  const { env, stdout, stderr } = process;
  const plain = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  return {
    env,
    stdout: (text) => void stdout.write(text),
    stderr: (text) => void stderr.write(text),
    colourOut: stdout.isTTY && !plain,
    colourErr: stderr.isTTY && !plain,
    stderrIsTerminal: stderr.isTTY && env['TERM'] !== 'dumb',
    // Of the descriptor: process.stdin would be opened by a look at it.
    stdinIsTerminal: isatty(0),
    columns: stdout.isTTY ? stdout.columns : undefined,
    readStdin: () => Bun.stdin.text(),
    ask: (question, how) => ask(life, question, how?.hidden === true),
    clock: systemClock,
    life,
  };
}
