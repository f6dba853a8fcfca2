import { expect, test } from 'bun:test';
import { NewsDesk } from './news-desk.ts';

function desk() {
  const now = { urls: ['https://b'], bundle: { pem: 'old', digest: '1' }, connected: 0 };
  const news = new NewsDesk({ otherUrls: () => now.urls, bundle: () => now.bundle }, () => now.connected);
  return { now, news };
}

test('CA-10 other roots are told once, to all', () => {
  const { now, news } = desk();
  news.fresh();
  expect(news.fresh()).toBeUndefined();
  now.bundle = { pem: 'old+new', digest: '2' };
  expect(news.fresh()).toEqual({ bundlePem: 'old+new' });
  expect(news.fresh()).toBeUndefined();
});

test('RP-2 a replica that came is told, one that left is not', () => {
  const { now, news } = desk();
  expect(news.fresh()).toEqual({ agentUrls: ['https://b'] });
  now.urls = ['https://b', 'https://c'];
  expect(news.fresh()).toEqual({ agentUrls: ['https://b', 'https://c'] });
  now.urls = ['https://c'];
  expect(news.fresh()).toBeUndefined();
});

test('whoever comes learns the same, and is sent the roots when its own are others', () => {
  const { now, news } = desk();
  expect(news.welcome()).toEqual({ urls: ['https://b'], bundle: '1', retryAfterMaxMs: 1_000 });
  expect(news.bundleFor({ bundle: '1' })).toBeUndefined();
  expect(news.bundleFor({ bundle: '' })).toEqual({ bundlePem: 'old' });
  now.bundle = { pem: 'new', digest: '3' };
  expect(news.bundleFor({ bundle: '1' })).toEqual({ bundlePem: 'new' });
});

test('more replicas than fit a message are cut', () => {
  const { now, news } = desk();
  now.urls = Array.from({ length: 100 }, (_, index) => `https://r${index}`);
  expect(news.welcome().urls).toHaveLength(64);
});

test('AG-4 how a return is spread is told again when it has become another one by a quarter', () => {
  const { now, news } = desk();
  news.fresh();
  const told = [110, 124, 125, 130, 200, 170, 10].map((connected) => {
    now.connected = connected;
    return news.fresh()?.retryAfterMaxMs;
  });
  expect(told).toEqual([undefined, undefined, 1_250, undefined, 2_000, undefined, 1_000]);
});
