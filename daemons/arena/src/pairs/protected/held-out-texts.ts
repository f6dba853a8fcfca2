/**
 * Held-out prompts (verification PD2): what a model will be examined with beside the suites, in files of the operator's. No
 * version of any tenant holds them.
 */
import { readFile, stat } from 'node:fs/promises';
import type { Logger } from '@labmesh/kit/log';
import { parseJson } from '@labmesh/kit/parse-json';
import { PairsError } from '../pairs-error.ts';

/** Bytes of one file. */
export const heldOutBytesMost = 64 * 1024 * 1024;

const unreadable = () =>
  new PairsError(
    'HELD_OUT_UNREADABLE',
    'the held-out prompts cannot be read: nobody knows what to leave out; whoever runs the arena has to look at training.held_out',
  );

/** All texts in a value, keys aside: whatever form a set of examples has, its prompts are among them. */
function* leaves(value: unknown): Generator<string> {
  const open: unknown[] = [value];
  while (open.length > 0) {
    const one = open.pop();
    if (typeof one === 'string') yield one;
    else if (typeof one === 'object' && one !== null) open.push(...Object.values(one));
  }
}

/** One JSON value, or a line each: JSON, or text as it stands. */
function* textsOf(text: string): Generator<string> {
  const whole = parseJson(text);
  if (whole !== undefined) return yield* leaves(whole);
  for (const line of text.split('\n')) {
    const value = /^\s*[[{"]/.test(line) ? parseJson(line) : undefined;
    if (value === undefined) yield line;
    else yield* leaves(value);
  }
}

async function read(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > heldOutBytesMost) throw new RangeError(`larger than ${heldOutBytesMost} bytes`);
  return await readFile(path, 'utf8');
}

/** Read anew each time: a file that grows counts from the next version on. @throws PairsError HELD_OUT_UNREADABLE */
export async function* heldOutTexts(paths: readonly string[]): AsyncGenerator<string> {
  for (const path of paths) {
    const text = await read(path).catch(() => {
      throw unreadable();
    });
    yield* textsOf(text);
  }
}

/** At the start, so that an operator hears of it before a tenant does. */
export async function tellUnreadable(paths: readonly string[], log: Logger): Promise<void> {
  for (const path of paths) {
    await read(path).catch((error: unknown) =>
      log.error('held-out prompts cannot be read: no version of preference data can be made', { path, error }),
    );
  }
}
