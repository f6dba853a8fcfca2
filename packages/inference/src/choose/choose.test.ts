import { describe, expect, test } from 'bun:test';
import { type Routing, routingNames, routingOf, routings } from '@labmesh/wire/routing';
import fc from 'fast-check';
import { Endpoint, endpointSpec } from '../registry/endpoint.ts';
import { chooseEndpoint } from './choose.ts';

type Given = { name: string; weight?: number; own?: number };
const endpointOf = ({ name, weight = 1, own = 0 }: Given): Endpoint => {
  const spec = endpointSpec({ name, baseUrl: `http://${name}.test/v1`, kind: 'vllm', weight, maxConcurrent: 8 });
  return Object.assign(new Endpoint(spec, { host: name, port: 80, tls: false, prefix: '/v1' }), {
    state: 'healthy' as const,
    own,
    capacity: 8,
  });
};
const endpointsOf = (...given: Given[]) => given.map(endpointOf);
const named = (name: string) => ({ name });

/** mulberry32: the same numbers each time. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function choose(
  pool: readonly Endpoint[],
  routing: Routing,
  with_: { last?: string; key?: string; random?: () => number },
) {
  const { last, key = '', random = () => 0 } = with_;
  return chooseEndpoint(pool, 'm', 0, random, { routing, last, key: () => key })?.spec.name ?? '';
}

test('every name that people know means a routing', () => {
  expect(new Set(routingNames.map(routingOf))).toEqual(new Set(routings));
  expect(
    ['round_robin', 'least_loaded', 'random', 'hash_based', 'adaptive'].every((name) =>
      routingNames.includes(name as never),
    ),
  ).toBe(true);
  expect([routingOf('hash_based'), routingOf('adaptive'), routingOf('least_connections')]).toEqual([
    'session',
    'power_of_two',
    'least_loaded',
  ]);
});

describe('round_robin', () => {
  test('goes by name, and who comes or goes in between turns nothing back', () => {
    const pool = endpointsOf(...['c', 'a', 'b'].map(named));
    const got: string[] = [];
    for (let i = 0; i < 6; i++)
      got.push(choose(pool, 'round_robin', { ...(got.length > 0 && { last: got.at(-1) ?? '' }) }));
    expect(got).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
    // b is gone while it was the last one; d is new.
    expect(choose(endpointsOf(...['a', 'c', 'd'].map(named)), 'round_robin', { last: 'b' })).toBe('c');
    expect(choose(endpointsOf(...['a', 'd'].map(named)), 'round_robin', { last: 'c' })).toBe('d');
  });
});

describe('random', () => {
  test('each is as likely as the others', () => {
    const pool = endpointsOf(...['a', 'b', 'c', 'd'].map(named));
    const random = seeded(1);
    const counts: Record<string, number> = {};
    for (let i = 0; i < 8_000; i++) {
      const name = choose(pool, 'random', { random });
      counts[name] = (counts[name] ?? 0) + 1;
    }
    for (const { spec } of pool) expect(Math.abs((counts[spec.name] ?? 0) - 2_000)).toBeLessThan(200);
  });
});

describe('power_of_two', () => {
  test('takes the less loaded of two distinct ones, so that the fullest is never taken', () => {
    const pool = endpointsOf({ name: 'a', own: 3 }, { name: 'b', own: 1 }, { name: 'c', own: 2 });
    const random = seeded(2);
    const got = new Set(Array.from({ length: 500 }, () => choose(pool, 'power_of_two', { random })));
    expect(got).toEqual(new Set(['b', 'c']));
  });
});

describe('session', () => {
  const pool = endpointsOf(...['a', 'b', 'c', 'd', 'e'].map(named));

  test('a key has one owner in whatever order they are told, and a lost endpoint moves its own keys alone', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.nat(4),
        fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }),
        (key, gone, order) => {
          const owner = choose(pool, 'session', { key });
          expect(
            choose(
              order.map((index) => pool[index] as Endpoint),
              'session',
              { key },
            ),
          ).toBe(owner);
          const lost = pool[gone]?.spec.name;
          const after = choose(
            pool.filter(({ spec }) => spec.name !== lost),
            'session',
            { key },
          );
          if (owner === lost) expect(after).not.toBe(owner);
          else expect(after).toBe(owner);
        },
      ),
    );
  });

  test('keys are spread by weight', () => {
    const two = endpointsOf({ name: 'a', weight: 3 }, { name: 'b', weight: 1 });
    let own = 0;
    for (let i = 0; i < 8_000; i++) if (choose(two, 'session', { key: `user-${i}` }) === 'a') own++;
    expect(Math.abs(own / 8_000 - 0.75)).toBeLessThan(0.02);
  });

  test('a full owner is left for as long as another has room', () => {
    const key = 'one';
    const owner = choose(pool, 'session', { key });
    const full = endpointsOf(...pool.map(({ spec }) => ({ name: spec.name, own: spec.name === owner ? 8 : 0 })));
    expect(choose(full, 'session', { key })).not.toBe(owner);
    const allFull = endpointsOf(...pool.map(({ spec }) => ({ name: spec.name, own: 8 })));
    expect(choose(allFull, 'session', { key })).toBe(owner);
  });
});

test('under each of them what holds the model hides what would have to load it', () => {
  const pool = endpointsOf(...['a', 'b', 'c'].map(named));
  for (const endpoint of pool) {
    endpoint.models = new Map([['m', { id: 'm', loaded: endpoint.spec.name === 'b' }]]);
  }
  for (const routing of routings) expect(choose(pool, routing, { key: 'k', last: 'b', random: seeded(3) })).toBe('b');
});
