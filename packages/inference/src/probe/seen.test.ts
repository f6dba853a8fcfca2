import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { retryAfterOf, seenOfStatus } from './seen.ts';

const rows: ReadonlyArray<[status: number, body: string, type: string]> = [
  [200, '', 'ok'],
  [204, '', 'ok'],
  [503, '{"error":{"message":"Loading model","type":"unavailable_error","code":503}}', 'loading'],
  [503, '{"error":"server busy, please try again.  maximum pending requests exceeded"}', 'busy'],
  [503, '{"error":{"message":"no slot available","type":"unavailable_error","code":503}}', 'busy'],
  [529, '', 'busy'],
  [429, '', 'rate_limited'],
  [401, '', 'refused'],
  [403, '', 'refused'],
  [400, '', 'unchanged'],
  [404, '', 'unchanged'],
  [409, '', 'unchanged'],
  [413, '', 'unchanged'],
  [422, '', 'unchanged'],
  [501, '', 'unchanged'],
  [500, '', 'failed'],
  [502, '', 'failed'],
  [503, '', 'failed'],
  [302, '', 'failed'],
];

test.each(rows)('%d %s is %s', (status, body, type) => {
  expect(seenOfStatus(status, body).type).toBe(type as 'ok');
});

test('Retry-After counts in seconds and within reason', () => {
  expect(seenOfStatus(429, '', 7)).toEqual({ type: 'rate_limited', retryAfterMs: 7_000 });
  expect(seenOfStatus(429, '', 1e9)).toEqual({ type: 'rate_limited', retryAfterMs: 600_000 });
  expect(seenOfStatus(429, '', -1)).toEqual({ type: 'rate_limited', retryAfterMs: undefined });
  expect(retryAfterOf('12')).toBe(12);
  expect(retryAfterOf('Wed, 21 Oct 2015 07:28:00 GMT')).toBeUndefined();
  expect(retryAfterOf(undefined)).toBeUndefined();
});

test('any answer is seen as something', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 100, max: 999 }),
      fc.string(),
      fc.option(fc.double(), { nil: undefined }),
      (s, b, r) => {
        expect(seenOfStatus(s, b, r).type).toBeString();
      },
    ),
  );
});
