import { describe, expect, test } from 'bun:test';
import { PublicKeyCache } from './public-key-cache.ts';

function cacheOf(bytesMax: number) {
  const reads: string[] = [];
  const cache = new PublicKeyCache((fingerprint) => {
    reads.push(fingerprint);
    return fingerprint === 'missing' ? undefined : new Uint8Array(100);
  }, bytesMax);
  return { reads, cache };
}

describe('public keys', () => {
  test('are read once while they fit', () => {
    const { reads, cache } = cacheOf(300);
    for (const name of ['a', 'b', 'c', 'a', 'b', 'c']) expect(cache.get(name)).toHaveLength(100);
    expect(reads).toEqual(['a', 'b', 'c']);
    expect(cache.bytes).toBe(300);
  });

  test('make room for each other, longest unused first', () => {
    const { reads, cache } = cacheOf(250);
    for (const name of ['a', 'b', 'a', 'c', 'a', 'b']) cache.get(name);
    expect(reads).toEqual(['a', 'b', 'c', 'b']);
    expect(cache.bytes).toBe(200);
  });

  test('larger than the cache are given and not kept', () => {
    const { reads, cache } = cacheOf(50);
    expect(cache.get('a')).toHaveLength(100);
    expect(cache.bytes).toBe(0);
    cache.get('a');
    expect(reads).toEqual(['a', 'a']);
  });

  test('may be missing, or let go of', () => {
    const { reads, cache } = cacheOf(300);
    expect(cache.get('missing')).toBeUndefined();
    cache.get('a');
    cache.forget('a');
    cache.forget('never seen');
    expect(cache.bytes).toBe(0);
    cache.get('a');
    expect(reads).toEqual(['missing', 'a', 'a']);
  });
});
