/** What several people make of two answers (EX2): a vote weighed by how sure each of them is. */
import { consensusLeast, type Label, type labelWinners } from '@labmesh/wire/verification/labels';

type Winner = (typeof labelWinners)[number];
export type Vote = Pick<Label, 'winner' | 'confidence'>;

export type Outcome = {
  /** null without any weight, or when no side has more than the others. */
  winner: Winner | null;
  /** The winner's part of the weight, 0-1. */
  share: number;
  /** They agree on one of the answers: enough for a gold pair. */
  agreed: boolean;
  /** How sure those are who agree, times how many they are: what the pair is worth, 0-1. */
  confidence: number;
};

const rounded = (value: number) => Math.round(value * 1e6) / 1e6;

export function consensusOf(votes: readonly Vote[]): Outcome {
  const weights = (['a', 'b', 'tie'] as const).map((winner) => {
    const own = votes.filter((vote) => vote.winner === winner);
    return { winner, count: own.length, weight: own.reduce((sum, { confidence }) => sum + confidence, 0) };
  });
  const all = weights.reduce((sum, { weight }) => sum + weight, 0);
  const [first, second] = weights.toSorted((x, y) => y.weight - x.weight);
  if (first === undefined || second === undefined || all === 0 || first.weight === second.weight) {
    return { winner: null, share: 0, agreed: false, confidence: 0 };
  }
  const share = rounded(first.weight / all);
  const agreed = first.winner !== 'tie' && share >= consensusLeast;
  return { winner: first.winner, share, agreed, confidence: rounded((share * first.weight) / first.count) };
}
