import { errorOf } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { decodeFrame, encodeData, encodeFrame, type Frame } from '@labmesh/wire/frame/codec';
import type { CloseReason } from '@labmesh/wire/frame/frame-types';
import { ChannelEnd } from './channel-end.ts';
import { ChannelClosed } from './channel.ts';
import { channelPair } from './testing/channel-pair.ts';
import { bytesOf, exitOf, heard, inOrder, settle, tick } from './testing/direct.ts';
import { linkPair } from './testing/link-pair.ts';
import { execOpen, session, someBytes } from './testing/relay-world.ts';

describe('HB-7: streams and endings', () => {
  test('half-close: `cat` ends by EOF, and EXIT comes after both outputs', async () => {
    const [client, agent] = channelPair();
    const log = heard(client);
    const got: Buffer[] = [];
    agent.handle({
      data: (_stream, bytes) => void got.push(Buffer.from(bytes)),
      eof: () => {
        void agent.write(1, Buffer.concat(got));
        agent.sendExit(exitOf(0));
        agent.end(1);
        agent.end(2);
        agent.close('ok');
      },
    });
    await client.write(0, bytesOf('hello'));
    client.end(0);
    expect(await client.closed).toEqual({ reason: 'ok', text: '' });
    expect(await agent.closed).toEqual({ reason: 'ok', text: '' });
    expect(inOrder(log)).toEqual(['data 1 5', 'eof', 'eof', 'exit 0', 'close ok']);
    expect([client.sent.in, client.received.out]).toEqual([5, 5]);
  });

  test('a stream that was ended takes no more, one of the other direction none at all', async () => {
    const [client, agent] = channelPair();
    client.end(0);
    expect(await errorOf(client.write(0, bytesOf('x')))).toBeInstanceOf(TypeError);
    expect(await errorOf(client.write(1, bytesOf('x')))).toBeInstanceOf(TypeError);
    expect(await errorOf(agent.write(0, bytesOf('x')))).toBeInstanceOf(TypeError);
  });

  test('what came before a handler was there waits for it', async () => {
    const [client, agent] = channelPair();
    await agent.write(1, bytesOf('early'));
    agent.end(1);
    agent.end(2);
    agent.sendExit(exitOf(3));
    agent.close('ok');
    await settle();
    const log = heard(client);
    await client.closed;
    expect(inOrder(log)).toEqual(['data 1 5', 'eof', 'eof', 'exit 3', 'close ok']);
  });

  test('close delivers what was written before, also writes that still wait for the window', async () => {
    const [client, agent] = channelPair();
    const size = 700_000;
    let got = 0;
    client.handle({ data: (_stream, bytes) => tick().then(() => void (got += bytes.length)) });
    const written = agent.write(1, someBytes(size));
    agent.close('ok');
    await client.closed;
    await written;
    expect(got).toBe(size);
  });

  test('a bad ending does not wait for writers that the window keeps out', async () => {
    const [client, agent] = channelPair();
    client.handle({ data: () => new Promise(() => {}) });
    const written = agent.write(1, someBytes(700_000));
    agent.close('killed', 'by an operator');
    expect(await errorOf(written)).toBeInstanceOf(ChannelClosed);
    expect(await errorOf(agent.write(1, bytesOf('x')))).toBeInstanceOf(ChannelClosed);
  });

  test('the agent hears of a kill at once, though the command reads no stdin', async () => {
    const [client, agent] = channelPair();
    const log = heard(agent, () => new Promise(() => {}));
    await client.write(0, someBytes(200_000));
    client.close('cancelled');
    expect(await agent.closed).toEqual({ reason: 'cancelled', text: '' });
    expect(await client.closed).toEqual({ reason: 'cancelled', text: '' });
    expect(log.at(-1)).toBe('close cancelled');
  });

  test('abort ends both sides now', async () => {
    const [client, agent] = channelPair();
    agent.handle({});
    client.abort('timeout', 'too long');
    expect(await agent.closed).toEqual({ reason: 'timeout', text: 'too long' });
    expect(client.isEnded).toBe(true);
  });

  test('a handler that fails ends the channel as io', async () => {
    for (const data of [
      () => Promise.reject(new RangeError('mine')),
      () => {
        throw new RangeError('mine');
      },
    ]) {
      const [client, agent] = channelPair();
      client.handle({ data });
      agent.handle({});
      await agent.write(1, bytesOf('x'));
      expect(await agent.closed).toEqual({ reason: 'io', text: 'RangeError' });
    }
  });

  test('an OPEN that is refused rejects `opened`', async () => {
    const { other } = linkPair({ first: (_link, raw) => raw.close('denied', 'by role ops') });
    const client = ChannelEnd.open(other, execOpen);
    expect(await errorOf(client.opened)).toMatchObject({ ending: { reason: 'denied', text: 'by role ops' } });
    expect(await client.closed).toEqual({ reason: 'denied', text: 'by role ops' });
  });
});

describe('HB-4: windows', () => {
  test('P4: a reader that stands still stops the writer at one window, and nothing grows', async () => {
    const [client, agent] = channelPair();
    let release: () => void = () => {};
    client.handle({ data: () => new Promise<void>((resolve) => (release = resolve)) });
    let written = 0;
    const writing = (async () => {
      for (let part = 0; part < 100; part++) {
        await agent.write(1, someBytes(16 * 1024));
        written += 16 * 1024;
      }
    })();
    await settle(50);
    expect(written).toBe(256 * 1024);
    expect(client.memoryBytes + agent.memoryBytes).toBeLessThan(2.2 * 256 * 1024);
    const timer = setInterval(() => release(), 0);
    await writing;
    clearInterval(timer);
    expect(agent.sent.out).toBe(1_600 * 1024);
  });

  test('writes before OPEN_OK wait for the window it gives', async () => {
    const { other } = linkPair({
      first: (_link, raw, first) =>
        void (first.type === 'open' && ChannelEnd.accept(raw, first.open, { session, windowMax: 1024 })),
    });
    const client = ChannelEnd.open(other, execOpen);
    let written = false;
    void client.write(0, someBytes(1025)).then(() => (written = true));
    void client.write(0, new Uint8Array());
    await client.opened;
    await settle();
    expect([client.sent.in, written, client.isEnded]).toEqual([1024, false, false]);
  });

  test('streams do not wait for each other', async () => {
    const [client, agent] = channelPair();
    const log = heard(client, (stream) => (stream === 1 ? new Promise(() => {}) : undefined));
    void agent.write(1, someBytes(400_000)).catch(() => {});
    await agent.write(2, someBytes(400_000));
    await settle();
    expect(log.filter((line) => line.startsWith('data 1')).length).toBe(1);
    expect(client.received.err).toBe(400_000);
  });

  test('OPEN asks for a larger window', async () => {
    const [client, agent] = channelPair({
      kind: 'copy-out',
      server: 'a',
      path: '/x',
      recursive: false,
      preserve: false,
      window: 1_048_576,
    });
    client.handle({ data: () => new Promise(() => {}) });
    await agent.write(1, someBytes(1_048_576));
    const more = agent.write(1, bytesOf('x'));
    expect(await Promise.race([more.then(() => 'in'), settle().then(() => 'out')])).toBe('out');
    more.catch(() => {});
  });

  test('small reads are credited once the reader is idle, so the writer keeps nothing', async () => {
    const [client, agent] = channelPair();
    client.handle({});
    await agent.write(1, bytesOf('a few bytes'));
    await settle();
    expect(agent.memoryBytes).toBeGreaterThan(0);
    await Bun.sleep(500);
    expect(agent.memoryBytes).toBe(0);
  });
});

/** A client's end against frames made by hand. */
function againstWire() {
  const answers: (Frame | undefined)[] = [];
  const { other, sockets } = linkPair({
    first: (_link, raw) =>
      raw.adopt({ onFrame: (frame) => void answers.push(frame), pull: () => undefined, onDown: () => {} }),
  });
  const end = ChannelEnd.open(other, execOpen);
  sockets[1].deliver(1);
  const send = (bytes: Uint8Array) => {
    sockets[0].send(bytes);
    sockets[0].deliver(1);
    sockets[1].deliver(20);
  };
  const frame = (one: Frame) => send(encodeFrame(one));
  frame({ type: 'openOk', channel: 1, body: { session, window: 1024 } });
  return { end, answers, send, frame };
}

describe('faults of the other side', () => {
  const cases: [string, Frame[], CloseReason][] = [
    ['DATA the wrong way', [{ type: 'data', channel: 1, stream: 0, bytes: bytesOf('x') }], 'protocol'],
    [
      'DATA after EOF',
      [
        { type: 'eof', channel: 1, stream: 1 },
        { type: 'data', channel: 1, stream: 1, bytes: bytesOf('x') },
      ],
      'protocol',
    ],
    [
      'EXIT before the EOFs',
      [
        { type: 'eof', channel: 1, stream: 1 },
        { type: 'exit', channel: 1, body: exitOf(0) },
      ],
      'protocol',
    ],
    ['CREDIT for bytes that were not sent', [{ type: 'credit', channel: 1, stream: 0, count: 1 }], 'protocol'],
    ['CREDIT the wrong way', [{ type: 'credit', channel: 1, stream: 1, count: 0 }], 'protocol'],
    ['SIGNAL to a client', [{ type: 'signal', channel: 1, name: 'INT' }], 'protocol'],
    ['a second OPEN_OK', [{ type: 'openOk', channel: 1, body: { session, window: 1024 } }], 'protocol'],
  ];
  test.each(cases)('%s', async (_name, frames, reason) => {
    const { end, answers, frame } = againstWire();
    end.handle({});
    for (const one of frames) frame(one);
    expect((await end.closed).reason).toBe(reason);
    expect(answers.at(-1)).toMatchObject({ type: 'close', reason });
  });

  test('HB-4: DATA past the window is a flow violation', async () => {
    const { end, send, answers } = againstWire();
    for (let part = 0; part < 16; part++) send(encodeData(1, 1, Buffer.alloc(16 * 1024)));
    expect(end.isEnded).toBe(false);
    send(encodeData(1, 1, Buffer.alloc(1)));
    expect(end.isEnded).toBe(true);
    expect(answers.at(-1)).toMatchObject({ type: 'close', reason: 'flow-violation' });
    expect(end.memoryBytes).toBe(0);
  });

  test('kubernetes#73056: a broken stream is never exit 0', async () => {
    const { end, frame } = againstWire();
    const log = heard(end);
    frame({ type: 'data', channel: 1, stream: 1, bytes: bytesOf('half') });
    frame({ type: 'close', channel: 1, reason: 'ok', text: '' });
    await end.closed;
    expect(log).toEqual(['data 1 4', 'close ok']);
  });
});

test('the frames on the wire are those of fleet plane 5', async () => {
  const { other, sockets } = linkPair({
    first: (_link, raw, first) => first.type === 'open' && ChannelEnd.accept(raw, first.open, { session }).handle({}),
  });
  const client = ChannelEnd.open(other, execOpen);
  await client.opened;
  sockets[1].records = true;
  await client.write(0, bytesOf('hi'));
  await settle();
  client.sendSignal('TERM');
  client.end(0);
  await settle();
  expect(sockets[1].sent.map((message) => Buffer.from(message).toString('hex'))).toEqual([
    '1000000001006869',
    '13000000015445524d',
    '120000000100',
  ]);
  expect(decodeFrame(sockets[1].sent[0]!)).toMatchObject({ type: 'data', stream: 0 });
});
