/**
 * `get -w`: asks every two seconds. On a terminal the table is drawn anew; elsewhere each thing is a line of JSON when it
 * is first seen and whenever it changes, as the API gives it.
 */
import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import type { View } from '../output/column.ts';
import { type Listed, renderList, type ResultOptions } from '../output/result.ts';

export const watchEveryMs = 2_000;

export type Watching<T> = {
  world: World;
  /** How a table would be printed. */
  options: ResultOptions;
  view: View<T>;
  ask: () => Promise<Listed<T>>;
  note: (text: string) => void;
};

/** Cursor home, and all below it gone: on the screen as it stands, so that nothing flickers. */
const home = '\u001b[H\u001b[J';
const clear = '\u001b[2J';

/** labd is away for a moment: watching goes on. What no waiting helps against is thrown. */
const isPassing = (error: unknown): error is CommandError =>
  error instanceof CommandError && (error.exitCode === exitCodes.unreachable || error.exitCode === exitCodes.timeout);

function drawn<T>({ world, options, view }: Watching<T>): (list: Listed<T>) => Promise<void> {
  let isFirst = true;
  return async (list) => {
    const text = await renderList(list, view, { ...options, now: world.clock.wall() });
    const at = new Date(world.clock.wall()).toISOString().slice(11, 19);
    world.stdout(`${isFirst ? clear : ''}${home}${text}${list.items.length} at ${at} UTC; Ctrl-C ends\n`);
    isFirst = false;
  };
}

function lines<T>({ world, view, note }: Watching<T>): (list: Listed<T>) => Promise<void> {
  let known = new Map<string, string>();
  return async ({ items }) => {
    const seen = new Map(items.map((item) => [view.name(item), JSON.stringify(item)]));
    for (const [name, line] of seen) if (known.get(name) !== line) world.stdout(`${line}\n`);
    for (const name of known.keys()) if (!seen.has(name)) note(`${name} is gone`);
    known = seen;
  };
}

/** Until the life of the process ends. @throws what `ask` throws, unless it passes; the signal's reason */
export async function watchList<T>(watching: Watching<T>): Promise<never> {
  const { world, options, ask, note } = watching;
  const isDrawn = options.columns !== undefined && (options.format === 'table' || options.format === 'wide');
  const show = isDrawn ? drawn(watching) : lines(watching);
  let isReached = false;
  for (;;) {
    try {
      await show(await ask());
      isReached = true;
    } catch (error) {
      if (!isReached || !isPassing(error)) throw error;
      note(`${error.message}; watching goes on`);
    }
    await world.clock.sleep(watchEveryMs, world.life.signal);
  }
}
