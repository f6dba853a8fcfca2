import { expect, test } from 'bun:test';
import { silentLogger } from '@labmesh/kit/log';
import fc from 'fast-check';
import { hearNews } from './hear-news.ts';

const b = 'https://b.test:3101';

/** What was taken of a `desired`. */
async function heard(desired: unknown, takeBundle: (pem: string) => Promise<boolean> = () => Promise.resolve(true)) {
  const taken: unknown[] = [];
  await hearNews(desired, {
    addresses: { add: (urls) => void taken.push(urls) },
    onReturn: (withinMs) => void taken.push(withinMs),
    identity: {
      takeBundle: (pem) => {
        taken.push(pem);
        return takeBundle(pem);
      },
    },
    log: silentLogger,
  });
  return taken;
}

test('addresses, times and roots are taken, each by itself', async () => {
  expect(await heard({ agentUrls: [b] })).toEqual([[b]]);
  expect(await heard({ bundlePem: 'pem' })).toEqual(['pem']);
  expect(await heard({ retryAfterMaxMs: 7_000 })).toEqual([7_000]);
  const all = { agentUrls: [b], bundlePem: 'pem', retryAfterMaxMs: 1, more: 1 };
  expect(await heard(all)).toEqual([[b], 1, 'pem']);
});

test('what is desired of an agent may be about other things', async () => {
  expect(await heard({ kind: 'agent', version: '1.2.3' })).toEqual([]);
  await fc.assert(
    fc.asyncProperty(fc.anything(), async (desired) => {
      expect(await heard(desired)).toEqual([]);
    }),
  );
});

test('bad news is no news, and never rejects', async () => {
  expect(await heard({ agentUrls: ['no url'], bundlePem: 'pem' })).toEqual([]);
  expect(await heard({ bundlePem: 'x'.repeat(40_000) })).toEqual([]);
  expect(await heard({ bundlePem: 'pem' }, () => Promise.reject(new Error('disk full')))).toEqual(['pem']);
});
