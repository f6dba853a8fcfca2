import { expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { Metrics } from '@labmesh/kit/metrics';
import type { ExpiryFinding } from './expiry.ts';
import { ExpiryWatch, type ExpiryWatchParts } from './expiry-watch.ts';

const day = 86_400_000;

function bench() {
  const clock = new FakeClock();
  const found: ExpiryFinding[] = [];
  const told: string[] = [];
  const keys = [
    { id: 'r', role: 'root', phase: 'active', notAfter: clock.wall() + 300 * day, keyHash: '' },
    { id: 's', role: 'root', phase: 'next', notAfter: clock.wall() + 200 * day, keyHash: '' },
    { id: 'o', role: 'root', phase: 'old', notAfter: clock.wall() + day, keyHash: '' },
    // Its request waits for the offline root.
    { id: 'i', role: 'intermediate', phase: 'next', notAfter: 0, keyHash: '' },
  ];
  const metrics = new Metrics();
  const authority = { findings: async () => [...found], status: () => ({ keys }) };
  const watch = new ExpiryWatch({
    authority: authority as unknown as ExpiryWatchParts['authority'],
    metrics,
    clock,
    onExpiring: ({ id, thresholdDays }) => told.push(`${id} ${thresholdDays}`),
  });
  const leaf = (id: string, kind: string, leftMs: number): ExpiryFinding => ({
    subject: 'leaf',
    id,
    kind,
    name: `secret-name-${id}`,
    notAfter: clock.wall() + leftMs,
    leftMs,
    thresholdDays: 0,
  });
  const lines = () =>
    metrics
      .render()
      .split('\n')
      .filter((line) => line.startsWith('cert_expiry_seconds{'));
  return { clock, found, told, watch, leaf, lines };
}

test('CA-12: the first end of each kind, keys in use always, leaves while they warn', async () => {
  const { clock, found, watch, leaf, lines } = bench();
  const root = `cert_expiry_seconds{kind="root"} ${(200 * day) / 1000}`;
  expect(lines()).toEqual([root]);
  found.push(leaf('a', 'agent', 60_000), leaf('b', 'agent', 30_000), leaf('c', 'labd', 90_000));
  await watch.look(false);
  expect(lines()).toEqual([root, 'cert_expiry_seconds{kind="agent"} 30', 'cert_expiry_seconds{kind="labd"} 90']);
  await clock.advance(40_000);
  expect(lines()[1]).toBe('cert_expiry_seconds{kind="agent"} -10');
  found.length = 0;
  await watch.look(false);
  expect(lines()).toHaveLength(1);
});

test('an event for each finding, once, and again when its threshold falls; by the replica whose turn it is', async () => {
  const { found, told, watch, leaf } = bench();
  found.push(leaf('a', 'agent', 60_000), { ...leaf('k', 'root', 80 * day), subject: 'ca', thresholdDays: 90 });
  await watch.look(false);
  expect(told).toEqual([]);
  await watch.look(true);
  await watch.look(true);
  expect(told).toEqual(['a 0', 'k 90']);
  found[1] = { ...found[1]!, thresholdDays: 30 };
  found.shift();
  await watch.look(true);
  expect(told).toEqual(['a 0', 'k 90', 'k 30']);
});
