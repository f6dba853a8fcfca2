import { beforeEach, describe, expect, test } from 'bun:test';
import type { MessageSocket } from '@labmesh/kit/http/socket/message-socket';
import { liveLimits } from '@labmesh/wire/verification/arena-live';
import fc from 'fast-check';
import { LiveClient } from './live-client.ts';

/** Says what was sent over it; `waitingBytes` is what a test wants. */
class FakeSocket implements MessageSocket {
  waitingBytes = 0;
  readonly said: Array<Record<string, unknown>> = [];
  readonly did: string[] = [];
  readonly #onClose: () => void;
  constructor(onClose: () => void) {
    this.#onClose = onClose;
  }
  send = (text: string) => void this.said.push(JSON.parse(text) as Record<string, unknown>);
  ping = () => void this.did.push('ping');
  terminate = () => this.#end('terminate');
  close = (code: number) => this.#end(`close ${code}`);
  #end(what: string): void {
    this.did.push(what);
    this.#onClose();
  }
}

let client: LiveClient;
let socket: FakeSocket;
let now: number;
let isAllowed: boolean;
let closed: number;
beforeEach(() => {
  [now, isAllowed, closed] = [0, true, 0];
  client = new LiveClient({ isAllowed: () => isAllowed, now: () => now, onClose: () => void closed++ });
  socket = new FakeSocket(() => client.onClose());
  client.open(socket);
});

/** As a connection tells of a text. */
function subscribe(...topics: string[]): void {
  client.onAlive();
  if (closed === 0) client.onMessage(JSON.stringify({ op: 'subscribe', topics }));
}
const deliver = (topic: string, data = {}) => client.deliver({ topic, ts: 1, data });
const seqs = (topic: string) => socket.said.filter((one) => one['topic'] === topic).map((one) => one['seq']);
const full = liveLimits.waitingBytesMost + 1;

describe('a client that reads too slowly', () => {
  beforeEach(() => {
    client.ready();
    subscribe('runs', 'stats');
    deliver('runs');
    socket.waitingBytes = full;
    deliver('runs');
    deliver('runs');
  });

  test('is sent nothing more, and sees by the number that something is missing', () => {
    expect(seqs('runs')).toEqual([1]);
    socket.waitingBytes = 0;
    deliver('runs');
    client.onDrain();
    expect(seqs('runs')).toEqual([1, 4]);
  });

  test('is told of it when it has caught up, also where nothing follows; other topics have no gap', () => {
    socket.waitingBytes = 0;
    client.onDrain();
    client.onDrain();
    expect(socket.said.at(-1)).toMatchObject({ topic: 'runs', seq: 4, data: { event: 'missed' } });
    deliver('runs');
    deliver('stats');
    expect([seqs('runs'), seqs('stats')]).toEqual([[1, 4, 5], [1]]);
  });

  test('and asks on is let go of: answers would pile up', () => {
    subscribe('certificates');
    expect([socket.did, closed]).toEqual([['close 4429'], 1]);
  });
});

test('what it asked for is confirmed when nothing of it can be missed any more', () => {
  subscribe('runs');
  subscribe('stats');
  expect(socket.said).toEqual([]);
  client.ready();
  expect(socket.said).toEqual([{ op: 'subscribed', topics: ['runs', 'stats'] }]);
  subscribe('runs');
  expect(socket.said).toHaveLength(2);
});

test('one that shows no life is cut off after three signs; any answer counts', () => {
  for (let beat = 0; beat < 3; beat++) client.beat();
  client.onAlive();
  for (let beat = 0; beat < 3; beat++) client.beat();
  expect(socket.did).toEqual(Array.from({ length: 6 }, () => 'ping'));
  client.beat();
  expect([socket.did.at(-1), closed]).toEqual(['terminate', 1]);
});

test('so many messages in ten seconds, and as many in the next', () => {
  for (let turn = 0; turn < 3; turn++) {
    for (let at = 0; at < liveLimits.askedMost; at++) subscribe('runs');
    now += 10_001;
  }
  expect(socket.did).toEqual([]);
  for (let at = 0; at <= liveLimits.askedMost; at++) subscribe('runs');
  expect(socket.did).toEqual(['close 4429']);
});

test('a ping or a fragment counts as a message', () => {
  for (let at = 0; at < liveLimits.askedMost; at++) client.onAlive();
  expect(socket.did).toEqual([]);
  subscribe('runs');
  expect([socket.did, closed]).toEqual([['close 4429'], 1]);
});

test.each([
  ['news', () => deliver('runs')],
  ['words', () => subscribe('stats')],
  ['signs', () => client.beat()],
])('whose key may no more is sent away in place of %s', (_, act) => {
  client.ready();
  subscribe('runs');
  isAllowed = false;
  act();
  expect([socket.did, socket.said.length]).toEqual([['close 4403'], 1]);
});

test('numbers of a topic only rise, by one unless something was left out; what is sent was asked for', () => {
  const topics = ['runs', 'stats', 'run:a'];
  const step = fc.oneof(
    fc.constantFrom(...topics).map((topic) => () => deliver(topic)),
    fc.boolean().map((isFull) => () => void (socket.waitingBytes = isFull ? full : 0)),
    fc.constant(() => {
      socket.waitingBytes = 0;
      client.onDrain();
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      client = new LiveClient({ isAllowed: () => true, now: () => 0, onClose: () => {} });
      socket = new FakeSocket(() => {});
      client.open(socket);
      client.ready();
      subscribe('runs', 'run:a');
      for (const act of steps) act();
      socket.waitingBytes = 0;
      client.onDrain();
      expect(seqs('stats')).toEqual([]);
      for (const topic of topics) {
        const found = seqs(topic) as number[];
        for (const [at, seq] of found.entries()) expect(seq).toBeGreaterThan(found[at - 1] ?? 0);
      }
    }),
  );
});
