/** AG-7: lines that break the collector cost their sender time, and nobody else. */
import { expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { asideMax, LogForwarder, type Outcome } from './log-forwarder.ts';
import type { CollectorAnswer } from './otlp-collector.ts';
import { Suspects, suspectsMax } from './suspects.ts';

const taken = { status: 'taken', rejectedLines: 0 } as const;
const broken = { status: 'away', why: 'it answered 500', retryAfterMs: undefined, mayBeContent: true } as const;
const settle = async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** A forwarder whose collector answers by what stands in a body. */
function rig(answer: (body: string) => CollectorAnswer | Promise<CollectorAnswer>) {
  const clock = new FakeClock();
  const warned: string[] = [];
  const log = { ...silentLogger, warn: (text: string) => void warned.push(text) };
  const forwarder = new LogForwarder({ post: async (body) => answer(body), labels: async () => ({}), clock, log });
  let count = 0;
  /** As an agent meets it: turned away, or told what became of its batch. */
  const send = async (serverId: string, text = 'ok'): Promise<Outcome['status']> => {
    const id = `01900000-0000-7000-8000-${String(count++).padStart(12, '0')}`;
    const batch = { id, serverId, hostname: 'h', version: '1', readAt: 1, lines: [{ at: null, text }] };
    return (forwarder.turnAway(serverId) ?? (await forwarder.forward(batch))).status;
  };
  return { clock, warned, forwarder, send };
}

test('a batch that the collector breaks on: who was sent with it goes alone after a while, and the others at once', async () => {
  const { clock, warned, forwarder, send } = rig((body) => (body.includes('POISON') ? broken : taken));
  // Two requests are under way, so the rest goes together.
  const first = await Promise.all([send('a'), send('b'), send('c'), send('evil', 'POISON')]);
  expect(first).toEqual(['done', 'done', 'retry', 'retry']);
  expect([await send('a'), await send('new')]).toEqual(['done', 'done']);
  for (let round = 0; round < 10; round++) {
    await clock.advance(45_000);
    const all = await Promise.all([send('evil', 'POISON'), send('a'), send('b'), send('c'), send('new')]);
    expect(all).toEqual(['retry', 'done', 'done', 'done', 'done']);
  }
  expect(forwarder.isAway).toBe(false);
  // What a suspect does later says nothing of the collector.
  expect(warned).toHaveLength(1);
  await clock.advance(45_000);
  expect(await send('evil', 'better now')).toBe('done');
});

test('suspects that hang take one of the two requests, and a bounded part of the queue', async () => {
  let isHanging = false;
  const held: ((answer: CollectorAnswer) => void)[] = [];
  const { clock, forwarder, send } = rig((body) => {
    if (!body.includes('POISON')) return taken;
    return isHanging ? new Promise((resolve) => void held.push(resolve)) : broken;
  });
  const evil = Array.from({ length: asideMax + 4 }, (_, n) => `evil${n}`);
  for (const one of evil) expect(await send(one, 'POISON')).toBe('retry');
  await clock.advance(60_000);
  isHanging = true;
  const waiting = evil.map((one) => send(one, 'POISON'));
  await settle();
  expect(held).toHaveLength(1);
  expect(await Promise.all(Array.from({ length: 20 }, (_, n) => send(`good${n}`)))).not.toContain('retry');
  // One is under way, `asideMax` wait, and the others were turned away.
  expect(await Promise.all(waiting.slice(asideMax + 1))).toEqual(['retry', 'retry', 'retry']);
  for (let n = 0; n <= asideMax; n++, await settle()) held[n]?.(broken);
  await Promise.all(waiting);
  expect(forwarder.queuedBytes).toBe(0);
  await forwarder[Symbol.asyncDispose]();
});

test('a wait grows, at least what the collector asked for; one batch that gets through ends it', async () => {
  const clock = new FakeClock();
  const suspects = new Suspects(clock, { firstMs: 1_000, capMs: 30_000 });
  expect(suspects.failed(['a'], 50_000)).toBe(50_000);
  expect([suspects.has('a'), suspects.restMs('a'), suspects.restMs('b')]).toEqual([true, 50_000, undefined]);
  for (let n = 0; n < 20; n++) expect(suspects.failed(['a'], 0)).toBeLessThanOrEqual(45_000);
  suspects.passed(['a']);
  expect([suspects.has('a'), suspects.restMs('a')]).toEqual([false, undefined]);
});

test('nothing got through for half a minute: it was the collector, and all are as before', async () => {
  const clock = new FakeClock();
  const suspects = new Suspects(clock, { firstMs: 1_000, capMs: 30_000 });
  suspects.failed(['a', 'b', 'c'], 0);
  suspects.passed(['a']);
  expect([suspects.has('a'), suspects.has('b')]).toEqual([false, true]);
  suspects.failed(['a'], 0);
  await clock.advance(30_000);
  suspects.passed(['c']);
  expect(['a', 'b', 'c'].map((id) => suspects.has(id))).toEqual([false, false, false]);
  suspects.failed(
    Array.from({ length: suspectsMax + 1 }, (_, n) => `s${n}`),
    0,
  );
  expect([suspects.has('s0'), suspects.has('s1'), suspects.has(`s${suspectsMax}`)]).toEqual([false, true, true]);
});
