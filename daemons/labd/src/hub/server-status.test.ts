import { expect, test } from 'bun:test';
import { serverStatus } from './server-status.ts';

const heartbeatMs = 10_000;

test('P4: silence makes an agent suspect after 1.5 heartbeats and offline after 2.5', () => {
  const at = (silentMs: number) => serverStatus({ stored: 'active', silentMs, heartbeatMs });
  expect(at(0)).toBe('online');
  expect(at(15_000)).toBe('online');
  expect(at(15_001)).toBe('suspect');
  expect(at(25_000)).toBe('suspect');
  expect(at(25_001)).toBe('offline');
});

test('HB-9: on another replica the time of the last flush counts, with the age of a flush', () => {
  const at = (elsewhereMs: number) => serverStatus({ stored: 'active', elsewhereMs, heartbeatMs });
  expect(at(20_000)).toBe('online');
  expect(at(30_001)).toBe('offline');
});

test('what an operator or a conflict decided wins, and nobody who is not connected is online', () => {
  for (const stored of ['waiting-approval', 'banned', 'conflict', 'retired'] as const) {
    expect(serverStatus({ stored, silentMs: 0, heartbeatMs })).toBe(stored);
  }
  expect(serverStatus({ stored: 'active', heartbeatMs })).toBe('offline');
});
