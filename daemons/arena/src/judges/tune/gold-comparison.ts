/** What people decided, as a judge sees it; and its parts: what instructions are chosen by, and what they are tried on. */
import { sha256Hex } from '@labmesh/attest/sha256';
import type { ChatMessage } from '@labmesh/wire/openai';
import type { Triplet } from '@labmesh/wire/verification/preference';
import type { Judged } from '../../contract/judge.ts';
import { seededRandom, shuffled } from '../../ratings/seeded-random.ts';
import { plainJudged } from '../check-injection.ts';

export type GoldComparison = {
  /** Hex SHA-256 of what was asked: answers to one task are not independent. */
  task: string;
  chosen: Judged;
  rejected: Judged;
};
export type GoldParts = { train: GoldComparison[]; heldOut: GoldComparison[] };

const digestOf = (value: unknown) => sha256Hex(new TextEncoder().encode(JSON.stringify(value)));

/** Verifiers and scores are left out: a judge is asked for what it sees itself. */
function judgedOf(messages: readonly ChatMessage[], answer: ChatMessage): Judged {
  const plain = plainJudged('', '');
  return { ...plain, candidate: { ...plain.candidate, digest: digestOf(answer), messages: [...messages], answer } };
}

/** undefined for a pair that is none. */
export function goldComparison({
  input,
  chosen,
  rejected,
}: Pick<Triplet, 'input' | 'chosen' | 'rejected'>): GoldComparison | undefined {
  const [better, worse] = [chosen.at(-1), rejected.at(-1)];
  if (better === undefined || worse === undefined) return undefined;
  return { task: digestOf(input), chosen: judgedOf(input, better), rejected: judgedOf(input, worse) };
}

/**
 * About a third is held out, drawn by the seed; all comparisons of a task are on one side. Parts are small, or empty, when
 * few tasks have most of the comparisons.
 */
export function goldParts(gold: readonly GoldComparison[], seed: number): GoldParts {
  const tasks = [...Map.groupBy(gold, ({ task }) => task).values()];
  const room = Math.round(gold.length / 3);
  const parts: GoldParts = { train: [], heldOut: [] };
  for (const own of shuffled(tasks, seededRandom(seed))) {
    const fits = parts.heldOut.length + own.length <= room;
    (fits ? parts.heldOut : parts.train).push(...own);
  }
  // Tasks with many comparisons must not fill the first trials.
  return { ...parts, train: shuffled(parts.train, seededRandom(seed)) };
}
