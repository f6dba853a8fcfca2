import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { classicSlug, endpointSlug, sealedSlug } from './slug.ts';

const key = Uint8Array.from({ length: 32 }, (_, i) => i);

test.each([
  ['tenantA', '10.6.0.213:11434/v1', 'mistral-nemo:12b', 'GT0f9Nb2WnT'],
  ['tenantB', '10.6.0.213:11434/v1', 'mistral-nemo:12b', 'Ar8Gh7frSRg'],
  ['tenantA', '10.6.0.213:11434/v1', 'llama3.1:70b', 'EvRv98vasK5'],
  ['tenantA', '10.6.0.214:11434/v1', 'mistral-nemo:12b', 'FNu4RjIFtzL'],
  ['', '127.0.0.1:11434/v1', 'llama3.2:3b', '4hm9MWhm4yD'],
  ['', '127.0.0.1:11434/v1/', 'llama3.2:3b', '4gW2FEb3mht'],
  ['', '[::1]:8000/v1', 'Qwen/Qwen3-8B', '1ofPFbR2u7B'],
  ['Müller', 'vllm.lan:8000/v1', '模型-7b', 'BowAGnsKE2A'],
])('classic vector (%s, %s, %s) → %s', async (tenant, endpoint, model, slug) => {
  expect(await classicSlug(tenant, endpoint, model)).toBe(slug);
  expect(await classicSlug(tenant, ` http://${endpoint}\n`, model)).toBe(slug);
  expect(await classicSlug(tenant, `https://${endpoint}`, model)).toBe(slug);
});

test.each([
  ['tenantA', '10.6.0.213:11434/v1', 'mistral-nemo:12b', 'K4s8nv5LqTg'],
  ['', '127.0.0.1:11434/v1', 'llama3.2:3b', '70kNsntKXxz'],
])('sealed vector (%s, %s, %s) → %s', async (tenant, endpoint, model, slug) => {
  expect(await sealedSlug(key, tenant, `http://${endpoint}`, model)).toBe(slug);
});

test('a key of the wrong length is refused', async () => {
  expect(await thrower(sealedSlug(new Uint8Array(31), '', 'x/v1', 'm'))).toThrow('32 bytes');
});

test('only the scheme goes, and http before https, once each', () => {
  expect(endpointSlug('http://https://x:1/v1/')).toBe('x:1/v1/');
  expect(endpointSlug('https://http://x')).toBe('http://x');
  expect(endpointSlug('HTTP://x')).toBe('HTTP://x');
});

test('a slug has 1–11 base 62 characters for any text', async () => {
  const text = fc.string({ unit: 'binary' });
  await fc.assert(
    fc.asyncProperty(text, text, text, async (tenant, url, model) => {
      const all = [await classicSlug(tenant, url, model), await sealedSlug(key, tenant, url, model)];
      return all.every((slug) => /^[0-9A-Za-z]{1,11}$/.test(slug)) && all[0] !== all[1];
    }),
    { numRuns: 50 },
  );
});
