import { errorOf } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { type ChannelFrame, decodeFrame, encodeData, encodeFrame, type Frame } from '@labmesh/wire/frame/codec';
import type { Goaway, Msg } from '@labmesh/wire/frame/messages';
import { Deadlines } from '@labmesh/kit/deadlines';
import { Link, LinkClosed, type LinkHandlers, LinkRefused } from './link.ts';
import type { RawChannel, RawOwner } from './raw-channel.ts';
import { linkPair, testHello, testHelloOk } from './testing/link-pair.ts';
import { execOpen, seeded } from './testing/relay-world.ts';
import { MemorySocket } from './testing/socket-pair.ts';

const fuzzRuns = Number(process.env['LABMESH_FUZZ_RUNS'] ?? 20_000);
const tick = () => new Promise<void>((resolve) => setImmediate(resolve));
const settle = async () => {
  for (let turn = 0; turn < 5; turn++) await tick();
};
const open = { type: 'open', open: execOpen } as const;

/** Owns raw channels and remembers what came. */
class Recorder implements RawOwner {
  frames: ChannelFrame[] = [];
  downs = 0;
  queue: Uint8Array[] = [];
  onFrame(frame: ChannelFrame): void {
    this.frames.push(frame);
  }
  pull(): Uint8Array | undefined {
    return this.queue.shift();
  }
  onDown(): void {
    this.downs++;
  }
}

/** A link that has greeted, and the bare socket of its other side. */
function greeted(handlers: LinkHandlers = {}, options: Partial<ConstructorParameters<typeof Link>[2]> = {}) {
  const [mine, bare] = MemorySocket.pair();
  const got: (Frame | undefined)[] = [];
  const closed: number[] = [];
  bare.owner = {
    onMessage: (message) => void got.push(decodeFrame(message)),
    onDrain: () => {},
    onClose: (code) => void closed.push(code),
  };
  const hello = (one: Link) => one.accept(testHelloOk);
  const link = new Link(mine, { hello, ...handlers }, { side: 'even', ...options });
  bare.send(encodeFrame({ type: 'hello', channel: 0, body: testHello }));
  bare.deliver(1);
  mine.deliver(1);
  got.length = 0;
  return { link, mine, bare, got, closed, send: (frame: Frame) => (bare.send(encodeFrame(frame)), bare.deliver(1)) };
}

describe('HB-3: greeting', () => {
  test('HELLO and HELLO_OK', async () => {
    const { labd, other } = linkPair();
    expect([labd.isUp, other.isUp]).toEqual([true, true]);
    await settle();
  });

  test('hello resolves with what the other side accepted', async () => {
    const [a, b] = MemorySocket.pair();
    const seen: string[] = [];
    const accepting = new Link(
      a,
      { hello: (link, hello) => (seen.push(hello.version), link.accept(testHelloOk)) },
      { side: 'even' },
    );
    const dialling = new Link(b, {}, { side: 'odd' });
    expect(await dialling.hello(testHello)).toEqual(testHelloOk);
    expect([seen, accepting.isUp]).toEqual([['0.1.0'], true]);
  });

  test('no HELLO in time closes with 4408', async () => {
    const [a, b] = MemorySocket.pair();
    const codes: number[] = [];
    b.owner = { onMessage: () => {}, onDrain: () => {}, onClose: (code) => void codes.push(code) };
    const link = new Link(a, {}, { side: 'even', helloTimeoutMs: 50, deadlines: new Deadlines() });
    await Bun.sleep(300);
    expect([link.isUp, codes]).toEqual([false, [4408]]);
  });

  test('no HELLO_OK in time rejects', async () => {
    const [, b] = MemorySocket.pair();
    const link = new Link(b, {}, { side: 'odd', helloTimeoutMs: 50 });
    expect(await errorOf(link.hello(testHello))).toBeInstanceOf(LinkClosed);
  });

  test.each([
    ['anything before HELLO', { type: 'ping', channel: 0, value: 1n }],
    ['OPEN before HELLO', { type: 'open', channel: 1, body: execOpen }],
    ['HELLO_OK to the one that accepts', { type: 'helloOk', channel: 0, body: testHelloOk }],
  ] as [string, Frame][])('%s closes with 4400', (_name, frame) => {
    const [a, b] = MemorySocket.pair();
    const closed: number[] = [];
    const link = new Link(a, { hello: () => {}, closed: (_link, code) => void closed.push(code) }, { side: 'even' });
    expect(link.isUp).toBe(false);
    b.send(encodeFrame(frame));
    b.deliver(1);
    expect(closed).toEqual([4400]);
  });

  test('a second HELLO closes with 4400', () => {
    const { send, link } = greeted();
    send({ type: 'hello', channel: 0, body: testHello });
    expect(link.isUp).toBe(false);
  });
});

describe('HB-8: signs of life', () => {
  test('PING gives its u64 back', () => {
    const { send, got, mine } = greeted();
    send({ type: 'ping', channel: 0, value: 0xfedc_ba98_7654_3210n });
    mine.deliver(1);
    expect(got).toEqual([{ type: 'pong', channel: 0, value: 0xfedc_ba98_7654_3210n }]);
  });

  test('PONG tells the round trip', async () => {
    const { labd } = linkPair();
    labd.ping();
    await settle();
    expect(labd.rttMs).toBeGreaterThanOrEqual(0);
  });

  test('AG-4: three pings without any sign of life end the link', () => {
    const codes: number[] = [];
    const { link, bare } = greeted({ closed: (_link, code) => void codes.push(code) });
    expect([link.ping(), link.ping(), link.ping()]).toEqual([true, true, true]);
    expect([link.ping(), link.isUp, codes, bare.isOpen]).toEqual([false, false, [1006], false]);
  });

  test('any frame counts as one', () => {
    const { link, send } = greeted();
    for (let round = 0; round < 10; round++) {
      expect(link.ping()).toBe(true);
      send({ type: 'live', channel: 0, ids: [] });
    }
  });
});

describe('HB-2: channel ids', () => {
  test('labd opens even ones, the other side odd ones', () => {
    const { labd, other } = linkPair();
    expect([labd.open(open).id, labd.open(open).id]).toEqual([2, 4]);
    expect([other.open(open).id, other.open(open).id]).toEqual([1, 3]);
  });

  test.each([
    ['an id of our side', 2],
    ['an id used before', 3],
  ])('%s closes with 4400', (_name, id) => {
    const closed: number[] = [];
    const { send } = greeted({
      closed: (_link, code) => void closed.push(code),
      first: (_link, raw) => raw.close('denied'),
    });
    send({ type: 'open', channel: 5, body: execOpen });
    send({ type: 'open', channel: id, body: execOpen });
    expect(closed).toEqual([4400]);
  });

  test('a frame for a channel that never was closes, one for a closed channel is late', () => {
    const { link, send } = greeted({ first: (_link, raw) => raw.close('denied') });
    send({ type: 'open', channel: 7, body: execOpen });
    send({ type: 'data', channel: 7, stream: 0, bytes: Buffer.from('x') });
    expect(link.isUp).toBe(true);
    send({ type: 'eof', channel: 9, stream: 0 });
    expect(link.isUp).toBe(false);
  });

  test('acceptance 6: 300 channels; those past the limit get CLOSE limit, the others live', () => {
    const raws: RawChannel[] = [];
    const { send, got, mine, link } = greeted({ first: (_link, raw) => void raws.push(raw) });
    for (let index = 0; index < 300; index++) send({ type: 'open', channel: 2 * index + 1, body: execOpen });
    mine.deliver(1000);
    expect([raws.length, link.channels, got.length]).toEqual([256, 256, 44]);
    expect(new Set(got.map((frame) => frame?.type === 'close' && frame.reason))).toEqual(new Set(['limit']));
    raws[0]?.close('ok');
    send({ type: 'open', channel: 601, body: execOpen });
    expect(raws.length).toBe(257);
    expect(() => link.open(open)).toThrow(LinkRefused);
  });

  test('OPEN that asks for nothing known ends its channel only', () => {
    const { send, got, mine, link } = greeted({ first: () => {} });
    send({ type: 'open', channel: 1, body: { kind: 'exec', server: 'a', argv: ['a'], shell: 'b' } });
    send({ type: 'open', channel: 3, body: { kind: 'later' } });
    mine.deliver(2);
    expect(got.map((frame) => frame?.type === 'close' && frame.reason)).toEqual(['protocol', 'protocol']);
    expect([link.isUp, link.channels]).toEqual([true, 0]);
  });
});

describe('RP-1: between replicas', () => {
  const principal = { kind: 'user' as const, id: 'u', name: 'alice' };
  const agentId = '01900000-0000-7000-8000-00000000000a';
  test('OPEN carries who asked and what', () => {
    const seen: unknown[] = [];
    const { other, sockets } = linkPair({ peerFirst: (_link, _raw, first) => void seen.push(first) });
    const resume = { session: agentId, token: 't', received: { in: 1, out: 2, err: 3 } };
    other.open({ type: 'peer', principal, agentId, first: open });
    other.open({ type: 'peer', principal, agentId, first: { type: 'resume', resume } });
    sockets[1].deliver(2);
    expect(seen).toEqual([
      { type: 'peer', principal, agentId, first: open },
      { type: 'peer', principal, agentId, first: { type: 'resume', resume } },
    ]);
  });

  test.each([
    ['neither', { type: 'open', channel: 1, body: { principal, agentId } }],
    [
      'a bare RESUME',
      { type: 'resume', channel: 1, body: { session: agentId, token: '', received: { in: 0, out: 0, err: 0 } } },
    ],
  ] as [string, Frame][])('%s is refused', (_name, frame) => {
    const { send, got, mine } = greeted({ peerFirst: () => {} });
    send(frame);
    mine.deliver(1);
    expect(got[0]).toMatchObject({ type: 'close', reason: 'protocol' });
  });
});

describe('HB-7: LIVE', () => {
  test('lists open ids, and an id missing twice is closed', async () => {
    const { link, send, got } = greeted({}, { liveEveryMs: 50, deadlines: new Deadlines() });
    const owner = new Recorder();
    const raw = link.open(open);
    raw.adopt(owner);
    await Bun.sleep(350);
    expect(got.filter((frame) => frame?.type === 'live').at(-1)).toEqual({ type: 'live', channel: 0, ids: [raw.id] });
    send({ type: 'live', channel: 0, ids: [] });
    send({ type: 'live', channel: 0, ids: [raw.id] });
    send({ type: 'live', channel: 0, ids: [] });
    expect([owner.downs, link.channels]).toEqual([0, 1]);
    send({ type: 'live', channel: 0, ids: [99] });
    expect([owner.downs, link.channels]).toEqual([1, 0]);
    link.close('goingAway');
  });
});

describe('HB-5: sending', () => {
  test('data stops below the bound and goes on after the socket drained, by turns of channels', () => {
    const { link, mine } = greeted({}, { socketBufferMax: 256 * 1024 });
    const owners = [new Recorder(), new Recorder()];
    const raws = owners.map((owner) => {
      const raw = link.open(open);
      raw.adopt(owner);
      return raw;
    });
    mine.deliver(10);
    mine.flows = false;
    for (const [index, owner] of owners.entries()) {
      for (let part = 0; part < 20; part++) owner.queue.push(encodeData(raws[index]!.id, 0, Buffer.alloc(16 * 1024)));
      raws[index]!.ready();
    }
    return tick().then(() => {
      // A quarter of the buffer and at most one frame more, shared evenly.
      expect(mine.bufferedBytes).toBeLessThanOrEqual(64 * 1024 + 17 * 1024);
      expect(owners.map((owner) => 20 - owner.queue.length)).toEqual([2, 2]);
      const before = mine.bufferedBytes;
      link.ping();
      expect(mine.bufferedBytes).toBe(before + 13);
      mine.deliver(2);
      expect(owners.map((owner) => 20 - owner.queue.length)).toEqual([3, 3]);
    });
  });

  test('a peer that makes us answer and does not read is closed with 4429', () => {
    const codes: number[] = [];
    const { send, mine } = greeted({ closed: (_link, code) => void codes.push(code) }, { socketBufferMax: 16 * 1024 });
    mine.flows = false;
    for (let index = 0; index < 2000 && codes.length === 0; index++) send({ type: 'ping', channel: 0, value: 1n });
    expect(codes).toEqual([4429]);
  });

  test('MSG is not taken while the socket is half full', () => {
    const { link, mine } = greeted({}, { socketBufferMax: 16 * 1024 });
    mine.flows = false;
    const msg: Msg = { kind: 'error', code: 'X', message: 'y'.repeat(1000) };
    let taken = 0;
    while (link.sendMsg(msg)) taken++;
    expect(taken).toBe(8);
    expect(link.isUp).toBe(true);
  });
});

describe('control', () => {
  test('MSG and GOAWAY arrive; MSG of unknown kinds and unknown types are counted', () => {
    const got: (Msg | Goaway)[] = [];
    const { link, send, bare } = greeted({
      msg: (_link, msg) => void got.push(msg),
      goaway: (_link, goaway) => void got.push(goaway),
    });
    const goaway: Goaway = {
      kind: 'server-shutdown',
      retryAfterMinMs: 1000,
      retryAfterMaxMs: 30_000,
      urls: ['https://b'],
    };
    send({ type: 'msg', channel: 0, body: { kind: 'heartbeat', uptimeS: 1, load: [], channels: 0, bundle: '' } });
    send({ type: 'goaway', channel: 0, body: goaway });
    send({ type: 'msgUnknown', channel: 0, kind: 'later' });
    bare.send(Buffer.from('8000000000ff', 'hex'));
    bare.deliver(1);
    expect(got).toEqual([{ kind: 'heartbeat', uptimeS: 1, load: [], channels: 0, bundle: '' }, goaway]);
    expect([link.ignored, link.isUp]).toEqual([2, true]);
  });

  test('CA-8: the look before each frame ends the link', () => {
    let revoked = false;
    const codes: number[] = [];
    const msgs: Msg[] = [];
    const { send } = greeted({
      beforeFrame: () => (revoked ? 'revoked' : undefined),
      msg: (_link, msg) => void msgs.push(msg),
      closed: (_link, code) => void codes.push(code),
    });
    revoked = true;
    send({ type: 'msg', channel: 0, body: { kind: 'error', code: 'a', message: 'b' } });
    expect([codes, msgs]).toEqual([[4403], []]);
  });

  test('HB-10: closing as superseded reaches the other side as 4409 and cuts channels', async () => {
    const { link, closed } = greeted();
    const owner = new Recorder();
    link.open(open).adopt(owner);
    link.close('superseded');
    await settle();
    expect([closed, owner.downs]).toEqual([[4409], 1]);
    expect(() => link.open(open)).toThrow(LinkRefused);
  });

  test('a channel whose owner throws is closed alone', () => {
    const faults: unknown[] = [];
    const { send, link, got, mine } = greeted({
      first: (_link, raw) =>
        raw.adopt({
          onFrame: () => {
            throw new Error('mine');
          },
          pull: () => undefined,
          onDown: () => {},
        }),
      fault: (_link, error) => void faults.push(error),
    });
    send({ type: 'open', channel: 1, body: execOpen });
    send({ type: 'eof', channel: 1, stream: 0 });
    mine.deliver(1);
    expect([faults.length, link.isUp, got[0]]).toEqual([
      1,
      true,
      { type: 'close', channel: 1, reason: 'internal', text: '' },
    ]);
  });

  test('frames that come before an owner wait for it', () => {
    let raw: RawChannel | undefined;
    const { send } = greeted({ first: (_link, one) => void (raw = one) });
    send({ type: 'open', channel: 1, body: execOpen });
    send({ type: 'signal', channel: 1, name: 'INT' });
    send({ type: 'close', channel: 1, reason: 'cancelled', text: '' });
    const owner = new Recorder();
    raw?.adopt(owner);
    expect(owner.frames.map((frame) => frame.type)).toEqual(['signal', 'close']);
  });
});

test(`acceptance 6: ${fuzzRuns} mutated frames end a link with a code or do nothing`, () => {
  const random = seeded(3);
  const good: Frame[] = [
    { type: 'ping', channel: 0, value: 1n },
    { type: 'live', channel: 0, ids: [1, 2] },
    { type: 'open', channel: 1, body: execOpen },
    { type: 'data', channel: 1, stream: 0, bytes: Buffer.alloc(64) },
    { type: 'credit', channel: 1, stream: 1, count: 0 },
    { type: 'close', channel: 1, reason: 'ok', text: '' },
  ];
  const seeds = good.map((frame) => encodeFrame(frame));
  const codes = new Set<number>();
  const faults: unknown[] = [];
  const handlers: LinkHandlers = {
    first: (_link, raw) => raw.adopt(new Recorder()),
    closed: (_link, code) => void codes.add(code),
    fault: (_link, error) => void faults.push(error),
  };
  let one = greeted(handlers);
  for (let run = 0; run < fuzzRuns; run++) {
    if (!one.link.isUp) one = greeted(handlers);
    const bytes = Buffer.from(seeds[run % seeds.length]!);
    for (let left = Math.floor(random() * 3); left > 0; left--)
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    one.bare.send(bytes.subarray(0, random() < 0.1 ? Math.floor(random() * bytes.length) : bytes.length));
    one.bare.deliver(1);
    one.mine.deliver(100);
  }
  expect(faults).toEqual([]);
  expect([...codes]).toEqual([4400]);
}, 600_000);
