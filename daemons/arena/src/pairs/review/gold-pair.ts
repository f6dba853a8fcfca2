/** The pair that people's agreement makes of two answers of a run (PD1, PD2): gold, and of nothing but their words. */
import type { Label } from '@labmesh/wire/verification/labels';
import type { FinishedRun } from '../../contract/finished-run.ts';
import { pairOfTwo, pairsOfRun, type PairsOfRun } from '../pairs-of-run.ts';
import type { Outcome } from './consensus.ts';

export type Reviewed = { run: FinishedRun; certificateId: string | null; a: number; b: number };
export type GoldPair = {
  /** null when there is none. */
  pair: PairsOfRun['pairs'][number] | null;
  leftOut: string | null;
  /** What the arena makes of the run by itself, and the ids of those that are of the same two answers. */
  own: PairsOfRun['pairs'];
  others: string[];
};

/** As a pair of the arena: of which answers it is. */
type Sides = { chosen: { index: number }; rejected: { index: number } };
const rationaleCharsMost = 2_000;

/** `labels`: those of the comparison. Verifiers and judges that say the same make it `hybrid`. */
export function goldPair({ run, certificateId, a, b }: Reviewed, labels: readonly Label[], outcome: Outcome): GoldPair {
  const own = pairsOfRun(run, certificateId).pairs;
  const made = own.filter(({ triplet }) => {
    const { chosen, rejected } = triplet.metadata as Sides;
    return [chosen.index, rejected.index].toSorted((x, y) => x - y).join() === `${a},${b}`;
  });
  const others = made.map(({ triplet }) => triplet.id);
  if (!outcome.agreed) return { pair: null, leftOut: null, own, others };
  const [chosen, rejected] = outcome.winner === 'a' ? [a, b] : [b, a];
  const alike = made.some(({ triplet }) => (triplet.metadata as Sides).chosen.index === chosen);
  const agreeing = labels.filter(({ winner }) => winner === outcome.winner);
  const words = agreeing.flatMap(({ rationales }) => rationales);
  const said = words.map(({ category, description }) =>
    description === '' ? category : `${category}: ${description}`,
  );
  const { pairs, leftOut } = pairOfTwo(run, certificateId, {
    chosen,
    rejected,
    claim: {
      chosen_score: outcome.share,
      rejected_score: Math.round((1 - outcome.share) * 1e6) / 1e6,
      confidence: outcome.confidence,
      quality: 'gold',
      source: alike ? 'hybrid' : 'human',
      rationale: said.length === 0 ? null : said.join('; ').slice(0, rationaleCharsMost).toWellFormed(),
      reasons: [...new Set(words.map(({ category }) => category))],
      more: { review: { labels: labels.length, agreeing: agreeing.length, share: outcome.share } },
    },
  });
  return { pair: pairs[0] ?? null, leftOut: Object.keys(leftOut)[0] ?? null, own, others };
}
