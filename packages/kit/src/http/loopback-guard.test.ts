import { expect, test } from 'bun:test';
import { guardLoopback } from './loopback-guard.ts';

const guard = (headers: Record<string, string>) => guardLoopback({ header: (name) => headers[name] })?.status;

test('loopback names pass, all others are refused', () => {
  for (const host of ['127.0.0.1', '127.0.0.1:8080', 'localhost:8080', '[::1]:8080', '[::1]'])
    expect(guard({ host })).toBeUndefined();
  for (const host of [
    '',
    'evil.example',
    'evil.example:8080',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '10.0.0.1',
    '[::1',
    '127.0.0.1:x',
  ])
    expect(guard({ host })).toBe(403);
  expect(guard({})).toBe(403);
});

test('a page of any origin is refused', () => {
  for (const origin of ['https://evil.example', 'http://127.0.0.1:8080', 'null', ''])
    expect(guard({ host: '127.0.0.1', origin })).toBe(403);
});
