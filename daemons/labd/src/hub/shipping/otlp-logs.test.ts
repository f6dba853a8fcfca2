import { expect, test } from 'bun:test';
import { otlpLogs, servicesMax } from './otlp-logs.ts';

test('a batch of a thousand services is told as 32, each line with its own unit; the body stays in proportion', () => {
  const lines = Array.from({ length: 1_000 }, (_, n) => ({ at: null, unit: `u${n}`, text: '' }));
  const batch = { id: 'b', serverId: 's', hostname: 'web-1', version: '1.0.0', readAt: 1, lines };
  const labels = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`key${n}`, 'v'.repeat(200)]));
  const body = otlpLogs([batch], [labels]);
  const { resourceLogs } = JSON.parse(body) as { resourceLogs: { scopeLogs: { logRecords: unknown[] }[] }[] };
  const counts = resourceLogs.map(({ scopeLogs }) => scopeLogs[0]?.logRecords.length);
  expect(counts).toEqual([...Array.from({ length: servicesMax - 1 }, () => 1), 1_001 - servicesMax]);
  expect(JSON.stringify(resourceLogs.at(-1))).toContain('unknown_service');
  expect(body).toContain('"systemd.unit","value":{"stringValue":"u999"}');
  expect(body.length).toBeLessThan(1024 * 1024);
});
