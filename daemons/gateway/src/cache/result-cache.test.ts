import { describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { verificationBlockSchema } from '@labmesh/wire/verification/verification-block';
import fc from 'fast-check';
import { sampleResult } from '../testing/fake-arena.ts';
import { cacheId, ResultCache } from './result-cache.ts';

const limits = { entriesMax: 3, bytesMax: 100_000, ttlMs: 1_000 };
const block = verificationBlockSchema.parse({});
const request = { model: 'm', messages: [{ role: 'user', content: 'x' }] };
const owner = { tenant: 't', scopes: ['chat', 'verify'] };

describe('verified answers that are kept', () => {
  test('come as copies, until their time is over', async () => {
    const clock = new FakeClock();
    const cache = new ResultCache(limits, clock);
    cache.put('a', 't', sampleResult(), 0);
    const got = cache.get('a');
    expect(got).toEqual(sampleResult());
    if (got?.answer) got.answer.content = 'changed';
    expect(cache.get('a')).toEqual(sampleResult());
    await clock.advance(1_001);
    expect(cache.get('a')).toBeUndefined();
    expect([cache.size, cache.bytes]).toEqual([0, 0]);
  });

  test('the least used goes first; one that is too large is not kept', () => {
    const cache = new ResultCache(limits, new FakeClock());
    for (const id of ['a', 'b', 'c']) cache.put(id, 't', sampleResult(), 0);
    cache.get('a');
    cache.put('d', 't', sampleResult(), 0);
    expect(['a', 'b', 'c', 'd'].filter((id) => cache.get(id) !== undefined)).toEqual(['a', 'c', 'd']);
    cache.put('e', 't', sampleResult({ model: 'x'.repeat(60_000) }), 0);
    expect(cache.get('e')).toBeUndefined();
    const none = new ResultCache({ ...limits, entriesMax: 0 }, new FakeClock());
    none.put('a', 't', sampleResult(), 0);
    expect(none.size).toBe(0);
  });

  test('what was checked before its tenant was forgotten is not kept', () => {
    const cache = new ResultCache(limits, new FakeClock());
    const [before, other] = [cache.age('t'), cache.age('other')];
    cache.forget('t');
    cache.put('a', 't', sampleResult(), before);
    cache.put('b', 'other', sampleResult(), other);
    expect([cache.get('a'), cache.get('b')]).toEqual([undefined, sampleResult()]);
    cache.put('a', 't', sampleResult(), cache.age('t'));
    expect(cache.get('a')).toEqual(sampleResult());
  });

  test('whatever is put and taken, the bounds hold and the count is right', () => {
    const step = fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd', 'e'), size: fc.nat(60_000), get: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const cache = new ResultCache(limits, new FakeClock());
        for (const { id, size, get } of steps) {
          if (get) cache.get(id);
          else cache.put(id, id, sampleResult({ model: 'x'.repeat(size) }), 0);
          expect(cache.size).toBeLessThanOrEqual(3);
          expect(cache.bytes).toBeLessThanOrEqual(100_000);
        }
        for (const id of ['a', 'b', 'c', 'd', 'e']) cache.forget(id);
        expect([cache.size, cache.bytes]).toEqual([0, 0]);
      }),
      { numRuns: 50 },
    );
  });
});

describe('what a kept answer belongs to', () => {
  const id = cacheId(owner, request, block);

  test('not to how it is sent', () => {
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    const sent = { ...request, stream: true, stream_options: { include_usage: true }, user: 'u' };
    expect(cacheId(owner, sent, { ...block, mode: 'intercept', max_wait_ms: 5, on_fail: 'best_effort' })).toBe(
      id ?? '',
    );
    expect(cacheId({ ...owner, scopes: ['verify', 'chat'] }, request, block)).toBe(id ?? '');
  });

  test.each([
    ['tenant', cacheId({ ...owner, tenant: 'u' }, request, block)],
    ['rights', cacheId({ ...owner, scopes: ['chat'] }, request, block)],
    ['model', cacheId(owner, { ...request, model: 'n' }, block)],
    ['messages', cacheId(owner, { ...request, messages: [] }, block)],
    ['sampling', cacheId(owner, { ...request, temperature: 0.1 }, block)],
    ['tools', cacheId(owner, { ...request, tools: [{ type: 'function' }] }, block)],
    ['unknown fields', cacheId(owner, { ...request, x_vendor: 1 }, block)],
    ['verifiers', cacheId(owner, request, { ...block, verifiers: ['safety_filter'] })],
    ['suite', cacheId(owner, request, { ...block, suite: 's' })],
    ['certificate', cacheId(owner, request, { ...block, certificate: false })],
  ])('but to its %s', (_, other) => {
    expect(other).toBeDefined();
    expect(other).not.toBe(id);
  });

  test('a request without a canonical form has none', () => {
    expect(cacheId(owner, { ...request, user_text: '\ud800' }, block)).toBeUndefined();
  });
});
