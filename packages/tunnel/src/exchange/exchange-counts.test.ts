import { expect, test } from 'bun:test';
import { ExchangeCounts } from './exchange-counts.ts';

test('ends are counted by role and result; what only refuses a datagram is no end (V8)', () => {
  const counts = new ExchangeCounts();
  expect(counts.view()).toEqual({ exchangeEnds: [], decapsulations: { count: 0, seconds: 0 } });
  counts.ended('initiator');
  counts.ended('initiator');
  counts.ended('responder');
  counts.dropped('initiator', 'timeout');
  for (const reason of ['mac', 'replay', 'state', 'rate'] as const) counts.dropped('responder', reason);
  counts.dropped('responder', 'decaps_auth');
  expect(counts.view().exchangeEnds).toEqual([
    { role: 'initiator', result: 'ok', count: 2 },
    { role: 'responder', result: 'ok', count: 1 },
    { role: 'initiator', result: 'timeout', count: 1 },
    { role: 'responder', result: 'decaps_auth', count: 1 },
  ]);
});

test('only steps that decapsulate are timed', () => {
  const counts = new ExchangeCounts();
  for (const step of ['initiate', 'open', 'answer', 'complete', 'describe'] as const) counts.stepped(step, 30);
  expect(counts.view().decapsulations).toEqual({ count: 2, seconds: 0.06 });
});
