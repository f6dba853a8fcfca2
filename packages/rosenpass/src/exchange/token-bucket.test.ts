import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { SourceBuckets, TokenBucket } from './token-bucket.ts';

const rate = { perSecond: 5, burst: 10 };

describe('a bucket', () => {
  test('never lets through more than its burst and its rate', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 200 }), (pauses) => {
        const bucket = new TokenBucket(rate);
        let [now, taken] = [1_000_000, 0];
        for (const pause of pauses) {
          now += pause;
          if (bucket.take(now)) taken++;
        }
        expect(taken).toBeLessThanOrEqual(10 + ((now - 1_000_000) * 5) / 1_000);
        expect(taken).toBeGreaterThanOrEqual(Math.min(10, pauses.length));
      }),
    );
  });

  test('a clock that goes back gives nothing', () => {
    const bucket = new TokenBucket(rate);
    for (let n = 0; n < 10; n++) expect(bucket.take(10_000)).toBe(true);
    expect(bucket.take(5_000)).toBe(false);
    expect(bucket.take(5_100)).toBe(false);
  });

  test('what is given back is there again, up to the burst', () => {
    const bucket = new TokenBucket(rate);
    bucket.giveBack();
    for (let n = 0; n < 10; n++) expect(bucket.take(0)).toBe(true);
    expect(bucket.take(0)).toBe(false);
    bucket.giveBack();
    expect(bucket.take(0)).toBe(true);
    expect(bucket.take(0)).toBe(false);
  });
});

describe('buckets of sources', () => {
  test('do not empty each other, and are bounded', () => {
    const buckets = new SourceBuckets(rate, 3);
    for (let n = 0; n < 10; n++) buckets.take('a', 0);
    expect(buckets.take('a', 0)).toBe(false);
    expect(buckets.take('b', 0)).toBe(true);
    expect(buckets.take('c', 0)).toBe(true);
    expect(buckets.take('a', 0)).toBe(false);
    // b is longest unseen: a stays empty.
    expect(buckets.take('d', 0)).toBe(true);
    expect(buckets.size).toBe(3);
    expect(buckets.take('a', 0)).toBe(false);
    buckets.giveBack('nobody');
    buckets.giveBack('a');
    expect(buckets.take('a', 0)).toBe(true);
  });
});
