/** Which parts `labctl up` starts: all of them, or those of --only. */
import { didYouMean } from '@labmesh/kit/nearest';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import type { UpValues } from './up-options.ts';

export const partNames = ['gateway', 'engine', 'node', 'arena', 'labd', 'agent'] as const;
export type PartName = (typeof partNames)[number];
export type Parts = ReadonlySet<PartName>;

/** What makes no sense without another part in the same process. */
const needs: readonly { part: PartName; needed: PartName; hint: string }[] = [
  { part: 'engine', needed: 'gateway', hint: 'its models are served by the gateway' },
  { part: 'arena', needed: 'gateway', hint: 'it asks models through it, and is asked through it' },
  { part: 'agent', needed: 'labd', hint: 'a machine that joins a labd elsewhere runs lab-agent' },
];

const usage = (message: string, hint?: string) => new CommandError(message, { hint, exitCode: exitCodes.usage });

const isPart = (word: string): word is PartName => (partNames as readonly string[]).includes(word);

function readParts(text: string): Set<PartName> {
  const words = text.split(',').map((word) => word.trim().toLowerCase());
  const wrong = words.find((word) => !isPart(word));
  if (wrong !== undefined) {
    const hint = `parts: ${partNames.join(', ')}`;
    throw usage(`--only: there is no part ${JSON.stringify(wrong)}${didYouMean(wrong, partNames)}`, hint);
  }
  return new Set(words.filter(isPart));
}

/** @throws CommandError (exit 2) for parts that are none, or cannot go together */
export function wantedParts({ only, fleet, model, demo }: Pick<UpValues, 'only' | 'fleet' | 'model' | 'demo'>): Parts {
  const parts = only === undefined ? new Set(partNames) : readParts(only);
  for (const part of fleet ? [] : (['labd', 'agent'] as const)) {
    if (only !== undefined && parts.has(part)) throw usage(`--only ${part} and --no-fleet exclude each other`);
    parts.delete(part);
  }
  for (const { part, needed, hint } of needs) {
    if (parts.has(part) && !parts.has(needed)) throw usage(`--only: ${part} needs ${needed}`, hint);
  }
  if ((model !== undefined || demo === true) && !parts.has('engine')) {
    throw usage('--model and --demo need the engine', `--only ${[...parts, 'engine'].join(',')}`);
  }
  return parts;
}
