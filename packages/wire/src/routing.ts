/** How a gateway chooses among endpoints that could take a request (gateway I-14), under the names that people know. */

export const routings = ['least_loaded', 'power_of_two', 'round_robin', 'random', 'session'] as const;
export type Routing = (typeof routings)[number];

/** Every name that settings take, with what it means. */
const meanings = {
  least_loaded: 'least_loaded',
  least_connections: 'least_loaded',
  power_of_two: 'power_of_two',
  adaptive: 'power_of_two',
  round_robin: 'round_robin',
  random: 'random',
  session: 'session',
  consistent_hash: 'session',
  hash_based: 'session',
} as const satisfies Record<string, Routing>;

export type RoutingName = keyof typeof meanings;
export const routingNames = Object.keys(meanings) as RoutingName[];

export const routingOf = (name: RoutingName): Routing => meanings[name];

/** Says it for one request; heard from the arena alone. */
export const routingHeader = 'x-labmesh-routing';

/** Undefined for a word that is no name. */
export const readRouting = (word: string | undefined): Routing | undefined =>
  word !== undefined && Object.hasOwn(meanings, word) ? meanings[word as RoutingName] : undefined;
