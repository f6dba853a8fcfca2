import { describe, expect, test } from 'bun:test';
import { decodeFrame, encodeData, encodeFrame, type Frame } from '@labmesh/wire/frame/codec';
import type { CloseReason, StreamId } from '@labmesh/wire/frame/frame-types';
import type { Exit } from '@labmesh/wire/frame/messages';
import { ChannelEnd } from './channel-end.ts';
import { ChannelClosed, type ChannelEnding } from './channel.ts';
import type { First } from './first-frame.ts';
import type { Link } from './link.ts';
import { resumeEnd } from './resume-end.ts';
import { channelPair } from './testing/channel-pair.ts';
import { linkPair } from './testing/link-pair.ts';
import { execOpen, session, someBytes } from './testing/relay-world.ts';

const tick = () => new Promise<void>((resolve) => setImmediate(resolve));
const settle = async (turns = 10) => {
  for (let turn = 0; turn < turns; turn++) await tick();
};
const bytesOf = (text: string) => new TextEncoder().encode(text);
const exitOf = (code: number): Exit => ({
  code,
  signal: null,
  core: false,
  timedOut: false,
  drained: true,
  bytes: { in: 0, out: 0, err: 0 },
});

/** EOFs of the two outputs come in either order. */
const inOrder = (log: string[]) => log.map((line) => (line.startsWith('eof') ? 'eof' : line));

/** Everything an end is told, in order. */
function heard(end: ChannelEnd, data?: (stream: StreamId, bytes: Uint8Array) => void | Promise<void>) {
  const log: string[] = [];
  end.handle({
    data: (stream, bytes) => {
      log.push(`data ${stream} ${bytes.length}`);
      return data?.(stream, bytes);
    },
    eof: (stream) => log.push(`eof ${stream}`),
    signal: (name) => log.push(`signal ${name}`),
    resize: (cols, rows) => log.push(`resize ${cols}x${rows}`),
    exit: (exit) => log.push(`exit ${exit.code}`),
    cut: (isCut) => log.push(isCut ? 'cut' : 'back'),
    close: (ending) => log.push(`close ${ending.reason}`),
  });
  return log;
}

/** An agent whose end is found again over any link, and a client beside it, without a relay between. */
class Direct {
  acceptor: ChannelEnd | undefined;
  link: Link;
  cut: () => void;
  constructor() {
    [this.link, this.cut] = this.connect();
  }
  connect(): [Link, () => void] {
    const { other, sockets } = linkPair({ first: (_link, raw, first) => this.#first(raw, first) });
    this.link = other;
    this.cut = () => sockets[0].terminate();
    return [this.link, this.cut];
  }
  #first(raw: Parameters<typeof ChannelEnd.accept>[0], first: First): void {
    if (first.type === 'open') this.acceptor = ChannelEnd.accept(raw, first.open, { session });
    else if (this.acceptor === undefined) raw.close('no-session');
    else this.acceptor.resumeFrom(raw, first.resume);
  }
  async open(): Promise<ChannelEnd> {
    const opener = ChannelEnd.open(this.link, execOpen);
    await opener.opened;
    return opener;
  }
}

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
    await expect(client.write(0, bytesOf('x'))).rejects.toBeInstanceOf(TypeError);
    await expect(client.write(1, bytesOf('x'))).rejects.toBeInstanceOf(TypeError);
    await expect(agent.write(0, bytesOf('x'))).rejects.toBeInstanceOf(TypeError);
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
    await expect(written).rejects.toBeInstanceOf(ChannelClosed);
    await expect(agent.write(1, bytesOf('x'))).rejects.toBeInstanceOf(ChannelClosed);
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
    await expect(client.opened).rejects.toMatchObject({ ending: { reason: 'denied', text: 'by role ops' } });
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

describe('HB-6, EX-7: cuts', () => {
  test('signals and the last size wait for the link, in order', async () => {
    const direct = new Direct();
    const client = await direct.open();
    const log = heard(direct.acceptor!);
    const clientLog = heard(client);
    client.sendResize(80, 24);
    await settle();
    direct.cut();
    client.sendResize(100, 30);
    client.sendResize(120, 40);
    for (let index = 0; index < 40; index++) client.sendSignal('USR1');
    client.sendSignal('INT');
    client.sendSignal('TERM');
    expect([client.isCut, direct.acceptor?.isCut]).toEqual([true, true]);
    direct.connect();
    expect(await client.resumeOn(direct.link, { token: 't' })).toBe(true);
    await settle();
    expect(log.slice(0, 4)).toEqual(['resize 80x24', 'cut', 'back', 'resize 120x40']);
    expect([log.length - 4, log.at(-2), log.at(-1)]).toEqual([32, 'signal INT', 'signal TERM']);
    expect(clientLog).toEqual(['cut', 'back']);
  });

  test('EXIT and CLOSE that were lost with the link come after it', async () => {
    const direct = new Direct();
    const client = await direct.open();
    const log = heard(client);
    const agent = direct.acceptor!;
    agent.handle({});
    direct.cut();
    void agent.write(1, bytesOf('last words'));
    agent.end(1);
    agent.end(2);
    agent.sendExit(exitOf(7));
    agent.close('ok');
    await settle();
    expect(agent.isEnded).toBe(false);
    direct.connect();
    await client.resumeOn(direct.link, { token: 't' });
    expect(await client.closed).toEqual({ reason: 'ok', text: '' });
    expect(inOrder(log)).toEqual(['cut', 'back', 'data 1 10', 'eof', 'eof', 'exit 7', 'close ok']);
    await agent.closed;
  });

  test('who closed and finds nothing there has ended as they wished', async () => {
    const direct = new Direct();
    const client = await direct.open();
    direct.acceptor!.handle({});
    client.close('ok');
    await tick();
    direct.acceptor!.abort('ok');
    direct.cut();
    direct.acceptor = undefined;
    direct.connect();
    expect(await client.resumeOn(direct.link, { token: 't' })).toBe(false);
    expect(await client.closed).toEqual({ reason: 'ok', text: '' });
  });

  test('no-session ends it; agent-offline only puts it off', async () => {
    const direct = new Direct();
    const client = await direct.open();
    let answer: CloseReason = 'agent-offline';
    const { other, sockets } = linkPair({ first: (_link, raw) => raw.close(answer) });
    direct.cut();
    expect(await client.resumeOn(other, { token: 't' })).toBe(false);
    expect(client.isCut).toBe(true);
    answer = 'no-session';
    expect(await client.resumeOn(other, { token: 't' })).toBe(false);
    expect(await client.closed).toEqual({ reason: 'no-session', text: '' });
    sockets[0].terminate();
  });

  test('RESUME that counts what was never sent is refused, and the session stays', async () => {
    const direct = new Direct();
    await direct.open();
    const agent = direct.acceptor!;
    direct.cut();
    direct.connect();
    const raw = direct.link.open({
      type: 'resume',
      resume: { session, token: 't', received: { in: 0, out: 9, err: 0 } },
    });
    const answers: string[] = [];
    raw.adopt({ onFrame: (frame) => void answers.push(frame.type), pull: () => undefined, onDown: () => {} });
    await settle();
    expect([answers, agent.isCut, agent.isEnded]).toEqual([['close'], true, false]);
  });

  test('an answer that lost bytes is a protocol error, not a hole', async () => {
    const direct = new Direct();
    const client = await direct.open();
    client.handle({});
    await client.write(0, bytesOf('abc'));
    await settle();
    direct.cut();
    const { other } = linkPair({
      first: (_link, raw) =>
        raw.sendNow(
          encodeFrame({ type: 'resumeOk', channel: raw.id, body: { session, received: { in: 4, out: 0, err: 0 } } }),
        ),
    });
    await client.resumeOn(other, { token: 't' });
    expect(await client.closed).toEqual({ reason: 'protocol', text: 'bytes were lost' });
  });

  test('EX-7: an opener comes back by itself', async () => {
    const direct = new Direct();
    const client = await direct.open();
    const agent = direct.acceptor!;
    agent.handle({});
    let tries = 0;
    const connect = () => {
      if (tries++ === 0) return Promise.reject(new Error('not yet'));
      direct.connect();
      return Promise.resolve(direct.link);
    };
    const back = Promise.withResolvers<boolean>();
    client.handle({ cut: (isCut) => void (isCut && resumeEnd(client, { connect, token: 't' }).then(back.resolve)) });
    direct.cut();
    expect(await back.promise).toBe(true);
    expect(tries).toBe(2);
    await client.write(0, bytesOf('still here'));
    await settle();
    expect(agent.received.in).toBe(10);
  });

  test('EX-7: after a minute it gives up as link-lost', async () => {
    const direct = new Direct();
    const client = await direct.open();
    client.handle({});
    direct.cut();
    const connect = () => Promise.reject(new Error('away'));
    expect(await resumeEnd(client, { connect, token: 't', forMs: 150 })).toBe(false);
    expect((await client.closed) satisfies ChannelEnding).toMatchObject({ reason: 'link-lost' });
  });

  test('before OPEN_OK there is nothing to come back to', async () => {
    const { other, sockets } = linkPair({ first: () => {} });
    const client = ChannelEnd.open(other, execOpen);
    sockets[0].terminate();
    expect(await client.closed).toEqual({ reason: 'link-lost', text: '' });
    await expect(client.opened).rejects.toBeInstanceOf(ChannelClosed);
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
