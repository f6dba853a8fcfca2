import { systemClock } from '@labmesh/kit/clock';
import type { Life } from '@labmesh/kit/run';
import type { World } from './command.ts';

/** Asks on stderr, so that stdout stays the result's. What is typed to a hidden question is not shown. */
async function ask(life: Life, question: string, hidden: boolean): Promise<string | undefined> {
  // Few commands ask; the others do not wait for this to load.
  const [{ createInterface }, { Writable }] = await Promise.all([
    import('node:readline/promises'),
    import('node:stream'),
  ]);
  process.stderr.write(question);
  // With readline drawing to nowhere the terminal is in raw mode and shows nothing.
  const output = hidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : process.stderr;
  const lines = createInterface({ input: process.stdin, output, terminal: hidden });
  // A closed input answers no question: without this the promise would stay open.
  const closed = new Promise<undefined>((resolve) => void lines.once('close', () => resolve(undefined)));
  try {
    return await Promise.race([lines.question('', { signal: life.signal }), closed]);
  } finally {
    lines.close();
    if (hidden) process.stderr.write('\n');
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
    // Asked for late: opening stdin is not every command's wish.
    get stdinIsTerminal() {
      return process.stdin.isTTY;
    },
    columns: stdout.isTTY ? stdout.columns : undefined,
    readStdin: () => Bun.stdin.text(),
    ask: (question, how) => ask(life, question, how?.hidden === true),
    clock: systemClock,
    life,
  };
}
