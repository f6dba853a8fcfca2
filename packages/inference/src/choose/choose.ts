import type { Routing } from '@labmesh/wire/routing';
import { loadOf } from '../load/load.ts';
import type { Endpoint } from '../registry/endpoint.ts';

/** How to choose: `last` was chosen before (round_robin), `key` is what stays together (session). */
export type Choice = { routing: Routing; last: string | undefined; key: () => string };
export const usualChoice: Choice = { routing: 'least_loaded', last: undefined, key: () => '' };

/**
 * The endpoint for a request, pure. Endpoints that hold the model in memory and are not full hide those that would have to
 * load it first; among what is left the routing decides.
 */
export function chooseEndpoint(
  candidates: readonly Endpoint[],
  model: string,
  now: number,
  random: () => number,
  choice: Choice = usualChoice,
): Endpoint | undefined {
  if (candidates.length <= 1) return candidates[0];
  const warm = candidates.filter((endpoint) => isLoaded(endpoint, model) && loadOf(endpoint, now) < 1);
  const pool = warm.length > 0 ? warm : candidates;
  switch (choice.routing) {
    case 'least_loaded':
      return leastLoaded(pool, now, random);
    case 'power_of_two':
      return leastLoaded(twoOf(pool, random), now, random);
    case 'random':
      return pool[Math.floor(random() * pool.length)];
    case 'round_robin':
      return nextByName(pool, choice.last);
    case 'session':
      return ownerOf(pool, now, choice.key());
  }
}

/** The lowest load wins, then the fewest own requests by weight, then chance. */
function leastLoaded(pool: readonly Endpoint[], now: number, random: () => number): Endpoint | undefined {
  let best: Endpoint | undefined;
  let bestScore: readonly [number, number] = [Number.POSITIVE_INFINITY, 0];
  let ties = 1;
  for (const endpoint of pool) {
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

/** Two distinct ones at random. */
function twoOf(pool: readonly Endpoint[], random: () => number): readonly Endpoint[] {
  const first = Math.floor(random() * pool.length);
  const step = 1 + Math.floor(random() * (pool.length - 1));
  return [first, (first + step) % pool.length].map((index) => pool[index] as Endpoint);
}

/** The one after the last by name, so that who comes and goes in between turns nothing back. */
function nextByName(pool: readonly Endpoint[], last: string | undefined): Endpoint | undefined {
  const inOrder = pool.toSorted((a, b) => (a.spec.name < b.spec.name ? -1 : 1));
  return inOrder.find(({ spec }) => last !== undefined && spec.name > last) ?? inOrder[0];
}

/**
 * Rendezvous: the highest score by key and name, scaled by weight. Replicas agree without a word, and an endpoint that is
 * gone moves its own keys alone. A full owner is left for this request where another has room.
 */
function ownerOf(pool: readonly Endpoint[], now: number, key: string): Endpoint | undefined {
  const free = pool.filter((endpoint) => loadOf(endpoint, now) < 1);
  let best: Endpoint | undefined;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const endpoint of free.length > 0 ? free : pool) {
    const share = (Bun.hash.xxHash32(`${endpoint.spec.name}\0${key}`) + 0.5) / 2 ** 32;
    const score = endpoint.spec.weight / -Math.log(share);
    if (score <= bestScore) continue;
    best = endpoint;
    bestScore = score;
  }
  return best;
}

const isLoaded = (endpoint: Endpoint, model: string): boolean => endpoint.models.get(model)?.loaded !== false;
