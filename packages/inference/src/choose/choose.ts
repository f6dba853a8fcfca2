import { loadOf } from '../load/load.ts';
import type { Endpoint } from '../registry/endpoint.ts';

/**
 * Least-loaded choice, pure: the lowest load wins, then the fewest own requests by weight, then chance. Endpoints that
 * hold the model in memory and are not full hide those that would have to load it first.
 */
export function chooseEndpoint(
  candidates: readonly Endpoint[],
  model: string,
  now: number,
  random: () => number,
): Endpoint | undefined {
  if (candidates.length <= 1) return candidates[0];
  const warm = candidates.filter((endpoint) => isLoaded(endpoint, model) && loadOf(endpoint, now) < 1);
  let best: Endpoint | undefined;
  let bestScore: readonly [number, number] = [Number.POSITIVE_INFINITY, 0];
  let ties = 1;
  for (const endpoint of warm.length > 0 ? warm : candidates) {
    const score = [loadOf(endpoint, now), endpoint.own / endpoint.spec.weight] as const;
    const order = score[0] - bestScore[0] || score[1] - bestScore[1];
    if (order === 0) {
      // Each of n equals wins with chance 1/n.
      if (random() * ++ties < 1) best = endpoint;
    } else if (order < 0) {
      best = endpoint;
      bestScore = score;
      ties = 1;
    }
  }
  return best;
}

const isLoaded = (endpoint: Endpoint, model: string): boolean => endpoint.models.get(model)?.loaded !== false;
