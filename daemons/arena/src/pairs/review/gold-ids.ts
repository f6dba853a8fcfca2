import { pairOfTwo } from '../pairs-of-run.ts';
import type { Reviewed } from './gold-pair.ts';

const claim = {
  chosen_score: 1,
  rejected_score: 0,
  confidence: 1,
  quality: 'gold',
  source: 'human',
  rationale: null,
} as const;

/** Ids that a gold pair of the two answers has, whichever is chosen: of texts alone, so known without a vote. */
export function goldIds({ run, certificateId, a, b }: Reviewed): string[] {
  const ways = [
    { chosen: a, rejected: b, claim },
    { chosen: b, rejected: a, claim },
  ];
  return ways.flatMap((way) => pairOfTwo(run, certificateId, way).pairs.map(({ triplet }) => triplet.id));
}
