import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { Addresses } from './addresses.ts';

const [a, b, c] = ['https://a:3101', 'https://b:3101', 'https://c:3101'];
const addresses = (configured: string[], known: string[], random?: () => number) => {
  const kept: (readonly string[])[] = [];
  return { kept, addresses: new Addresses({ configured, known }, (urls) => kept.push(urls), random) };
};

test('AG-4: every round tries each address once, in some order', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.webUrl(), { minLength: 1, maxLength: 64 }), (urls) => {
      const { addresses: some } = addresses([], urls);
      for (let round = 0; round < 3; round++) expect(urls.map(() => some.next()).toSorted()).toEqual(urls.toSorted());
    }),
  );
});

test('both orders of two come', () => {
  expect(addresses([a, b], [], () => 0).addresses.next()).toBe(a);
  expect(addresses([a, b], [], () => 0.99).addresses.next()).toBe(b);
});

test('RP-1: what labd tells replaces what was known, settings stay, and the change is kept', () => {
  const { addresses: some, kept } = addresses([a], [c]);
  expect(some.all).toEqual([a, c]);
  some.learn(b, []);
  expect(some.all).toEqual([b, a]);
  some.learn(b, []);
  expect(kept).toEqual([[b, a]]);
});

test('more may come while connected, at most 64', () => {
  const { addresses: some } = addresses([a], []);
  some.add([b, a, c]);
  expect(some.all).toEqual([a, b, c]);
  some.add(Array.from({ length: 100 }, (_, at) => `https://x${at}:3101`));
  expect(some.all).toHaveLength(64);
});

test('without any address there is nothing to try, and no throw', () => {
  expect(addresses([], []).addresses.next()).toBe('');
});

test('SD-1: a labd that goes away is tried after the others', () => {
  const { addresses: some } = addresses([a], []);
  some.leave(a, [b]);
  expect(some.next()).toBe(b);
  some.leave(a, [b, c]);
  expect([some.next(), some.next()].toSorted()).toEqual([b, c]);
});
