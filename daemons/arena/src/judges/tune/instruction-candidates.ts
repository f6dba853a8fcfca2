/**
 * Instructions that a tuning tries (verification AR17): put together of clauses, so that what was found can be read, and
 * nothing that a model or a stranger wrote ever becomes an order to a judge.
 */
import { seededRandom, shuffled } from '../../ratings/seeded-random.ts';

const clauses = {
  criteria: [
    'Judge correctness first, then completeness, then clarity.',
    'Judge correctness alone: an answer with an error loses to one without.',
    'Judge first whether an answer does what the task asks, then whether it is correct, then how clear it is.',
    'Judge correctness first, then safety, then how little an answer says beyond what was asked.',
    'Judge which answer would serve better whoever asked, without any further work.',
  ],
  method: [
    '',
    'Look for the first error in either answer before you score.',
    'Work out what a right answer has to hold, then see which of the two holds it.',
    'Check edge cases, and each claim that can be checked.',
  ],
  style: [
    'Length, style and order of the answers count for nothing.',
    'Order counts for nothing. Of two answers that are equally correct the shorter is better.',
    'Order counts for nothing. Of two answers that are equally correct the one that gives reasons is better.',
  ],
  ties: [
    'Where neither is better, name a tie.',
    'Name a tie only where no difference matters to whoever asked.',
    'Decide for one, and name a tie only when both say the same.',
  ],
  scores: [
    '',
    'Scores lie far apart when one answer is plainly better, and close together when it is a matter of taste.',
  ],
} as const;

const every: readonly string[] = Object.values<readonly string[]>(clauses)
  .reduce<string[][]>((made, part) => made.flatMap((before) => part.map((clause) => [...before, clause])), [[]])
  .map((parts) => `Compare two answers to one task. ${parts.filter((part) => part !== '').join(' ')}`);

/** `present` and `count` - 1 others, drawn by the seed: the same seed gives the same list. */
export function candidateInstructions(present: string, count: number, seed: number): string[] {
  const others = every.filter((text) => text !== present);
  return [present, ...shuffled(others, seededRandom(seed)).slice(0, count - 1)];
}
