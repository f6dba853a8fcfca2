import type { Life } from '@labmesh/kit/run';
import type { World } from './command.ts';

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
    columns: stdout.isTTY ? stdout.columns : undefined,
    readStdin: () => Bun.stdin.text(),
    life,
  };
}
