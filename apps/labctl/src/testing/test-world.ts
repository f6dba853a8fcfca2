/** A world of a command that stands in memory, for tests. */
import { FakeClock } from '@labmesh/kit/clock';
import type { World } from '../command.ts';

export type TestWorld = World & {
  /** What was said so far. */
  said: { stdout: string; stderr: string };
  /** The questions that were asked. */
  asked: string[];
};

/** Nobody there: no terminal, no home. `answers` are given to questions in turn. */
export function testWorld(changes: Partial<World> & { answers?: readonly string[] } = {}): TestWorld {
  const { answers = [], ...world } = changes;
  const said = { stdout: '', stderr: '' };
  const asked: string[] = [];
  return {
    said,
    asked,
    env: { HOME: '/nonexistent' },
    stdout: (text) => void (said.stdout += text),
    stderr: (text) => void (said.stderr += text),
    colourOut: false,
    colourErr: false,
    stderrIsTerminal: false,
    stdinIsTerminal: false,
    columns: undefined,
    readStdin: async () => '',
    ask: async (question) => answers[asked.push(question) - 1],
    clock: new FakeClock(),
    life: {
      signal: new AbortController().signal,
      stack: new AsyncDisposableStack(),
      stopped: new Promise(() => {}),
      stop: () => {},
    },
    ...world,
  };
}
