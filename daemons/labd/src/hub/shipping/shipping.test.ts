/** AG-7 at labd: batches of agents that nobody trusts, and a collector that nobody controls. */
import { afterEach, describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { decodeFrame, encodeFrame } from '@labmesh/wire/frame/codec';
import { type LogAck, logBatchLimits } from '@labmesh/wire/frame/log-batch';
import fc from 'fast-check';
import { LogDesk } from './log-desk.ts';
import { LogForwarder, queueBytesMax } from './log-forwarder.ts';
import { type CollectorAnswer, OtlpCollector } from './otlp-collector.ts';
import { otlpLogs, type ServerBatch } from './otlp-logs.ts';
import { readBatch } from './read-batch.ts';

const settle = async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
};
const id = (n: number) => `01900000-0000-7000-8000-${String(n).padStart(12, '0')}`;
const line = (text: string) => ({ at: null, text });
const batchOf = (n: number, lines: ServerBatch['lines'] = [line(`${n}`)]): ServerBatch => ({
  id: id(n),
  serverId: `s${n}`,
  hostname: `web-${n}`,
  version: '1.0.0',
  readAt: 1_700_000_000_000,
  lines,
});

describe('what an agent sends', () => {
  const anyLine = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.record(
      {
        at: fc.jsonValue({ maxDepth: 1 }),
        level: fc.jsonValue({ maxDepth: 1 }),
        unit: fc.string(),
        file: fc.string(),
        text: fc.string(),
      },
      { requiredKeys: [] },
    ),
    fc.record({ at: fc.option(fc.nat(), { nil: null }), text: fc.string() }),
  );

  test('anything becomes lines within bounds, or is refused; nothing throws', () => {
    fc.assert(
      fc.property(fc.array(anyLine, { maxLength: 20 }), (lines) => {
        const read = readBatch(lines);
        if (read === undefined) return;
        expect(read).toHaveLength(lines.length);
        for (const one of read) {
          expect(one.text.length).toBeLessThanOrEqual(logBatchLimits.lineBytesMax);
          expect(Object.keys(one).every((key) => ['at', 'level', 'unit', 'file', 'text'].includes(key))).toBe(true);
        }
        JSON.parse(otlpLogs([batchOf(1, read)], [{}]));
      }),
      { numRuns: 1_000 },
    );
  });

  test('the frame around it, bent in any byte, is a batch, another message, or a protocol error', () => {
    const whole = encodeFrame({
      type: 'msg',
      channel: 0,
      body: { kind: 'log-batch', id: id(1), lines: [line('a'), line('b')] },
    });
    fc.assert(
      fc.property(fc.nat(whole.length - 6), fc.nat(255), (at, byte) => {
        const bent = Buffer.from(whole);
        bent[5 + at] = byte;
        try {
          const frame = decodeFrame(bent);
          if (frame?.type === 'msg' && frame.body.kind === 'log-batch') readBatch(frame.body.lines);
        } catch (error) {
          expect((error as Error).name).toBe('ProtocolError');
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('none, too many, or one that is too long', () => {
    expect(readBatch([])).toBeUndefined();
    expect(readBatch(Array.from({ length: logBatchLimits.linesMax + 1 }, () => line('a')))).toBeUndefined();
    expect(readBatch([line('a'), line('x'.repeat(logBatchLimits.lineBytesMax + 1))])).toBeUndefined();
    expect(readBatch([{ ...line('a'), 'host.name': 'another' }])).toEqual([line('a')]);
  });
});

test('OTLP: one resource a service, ids that only this machine can have, severities, well-formed text', () => {
  const lines: ServerBatch['lines'] = [
    { at: 1_700_000_000_123, level: 'err', unit: 'nginx.service', text: 'no \ud800 half' },
    { at: null, file: '/var/log/app.log', text: 'two' },
    { at: null, level: 'info', unit: 'nginx.service', text: 'three' },
    { at: null, text: 'four' },
  ];
  const [first, second, third] = (
    JSON.parse(otlpLogs([batchOf(1, lines)], [{ env: 'prod' }])) as { resourceLogs: unknown[] }
  ).resourceLogs;
  const at = (key: string, value: string) => ({ key, value: { stringValue: value } });
  const resource = (service: string) => ({
    attributes: [
      at('service.name', service),
      at('host.name', 'web-1'),
      at('host.id', 's1'),
      at('labmesh.label.env', 'prod'),
    ],
  });
  const scope = { name: 'lab-agent', version: '1.0.0' };
  const observedTimeUnixNano = '1700000000000000000';
  const uid = (n: number) => at('log.record.uid', `s1/${id(1)}/${n}`);
  expect(first).toEqual({
    resource: resource('nginx'),
    scopeLogs: [
      {
        scope,
        logRecords: [
          {
            timeUnixNano: '1700000000123000000',
            observedTimeUnixNano,
            severityNumber: 17,
            severityText: 'err',
            body: { stringValue: 'no \ufffd half' },
            attributes: [uid(0), at('systemd.unit', 'nginx.service')],
          },
          {
            observedTimeUnixNano,
            severityNumber: 9,
            severityText: 'info',
            body: { stringValue: 'three' },
            attributes: [uid(2), at('systemd.unit', 'nginx.service')],
          },
        ],
      },
    ],
  });
  expect(second).toMatchObject({
    resource: resource('app.log'),
    scopeLogs: [{ logRecords: [{ attributes: [uid(1), at('log.file.path', '/var/log/app.log')] }] }],
  });
  expect(third).toMatchObject({ resource: resource('unknown_service') });
});

describe('a collector', () => {
  const servers: Bun.Server<undefined>[] = [];
  afterEach(() => Promise.all(servers.splice(0).map((server) => server.stop(true))));
  const signal = new AbortController().signal;

  async function post(answer: () => Response | Promise<Response>, timeoutMs = 5_000): Promise<CollectorAnswer> {
    const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: answer });
    servers.push(server);
    const url = `http://127.0.0.1:${server.port}/v1/logs`;
    return new OtlpCollector({ url, headers: {}, timeoutMs }).post('{}', signal);
  }

  test.each<[number, Record<string, string>, CollectorAnswer]>([
    [200, {}, { status: 'taken', rejectedLines: 0 }],
    [202, {}, { status: 'taken', rejectedLines: 0 }],
    [400, {}, { status: 'refused' }],
    [413, {}, { status: 'refused' }],
    [422, {}, { status: 'refused' }],
    [
      302,
      { location: 'http://127.0.0.1:1/' },
      { status: 'away', why: 'it answered 302', retryAfterMs: undefined, mayBeContent: true },
    ],
    [401, {}, { status: 'away', why: 'it answered 401', retryAfterMs: undefined }],
    [429, { 'retry-after': '7' }, { status: 'away', why: 'it answered 429', retryAfterMs: 7_000 }],
    [
      503,
      { 'retry-after': '999999' },
      { status: 'away', why: 'it answered 503', retryAfterMs: 60_000, mayBeContent: true },
    ],
    [
      503,
      { 'retry-after': 'Fri, 31 Dec 1999 23:59:59 GMT' },
      { status: 'away', why: 'it answered 503', retryAfterMs: undefined, mayBeContent: true },
    ],
  ])('%d %j', async (status, headers, expected) => {
    expect(await post(() => new Response('', { status, headers }))).toEqual(expected);
  });

  test('what it rejects of a request is counted, and nonsense is not believed', async () => {
    const told = (body: string) => post(() => new Response(body));
    expect(await told('{"partialSuccess":{"rejectedLogRecords":"3"}}')).toEqual({ status: 'taken', rejectedLines: 3 });
    for (const body of ['{"partialSuccess":{"rejectedLogRecords":"-3"}}', '{"partialSuccess":7}', 'no json', '[]'])
      expect(await told(body)).toEqual({ status: 'taken', rejectedLines: 0 });
  });

  test('one that is not there, never answers, or never ends its answer', async () => {
    const gone = new OtlpCollector({ url: 'http://127.0.0.1:9/v1/logs', headers: {} });
    expect(await gone.post('{}', signal)).toMatchObject({ status: 'away' });
    expect(await post(() => new Promise(() => {}), 200)).toMatchObject({ status: 'away', why: 'TimeoutError' });
    const endless = new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(10_000)) });
    expect(await post(() => new Response(endless))).toMatchObject({ status: 'taken' });
  });
});

/** A forwarder whose collector answers when the test does. */
function rig(answers?: (texts: string[]) => CollectorAnswer) {
  const clock = new FakeClock();
  const posts: { texts: string[]; answer: (answer: CollectorAnswer) => void }[] = [];
  const warned: string[] = [];
  const log = {
    ...silentLogger,
    warn: (text: string) => void warned.push(text),
    info: (text: string) => void warned.push(text),
  };
  const forwarder = new LogForwarder({
    post: (body) => {
      const texts = [...body.matchAll(/"body":{"stringValue":"([^"]*)"/g)].map(([, text = '']) => text);
      if (answers !== undefined) return Promise.resolve(answers(texts));
      return new Promise((answer) => void posts.push({ texts, answer }));
    },
    labels: async () => ({}),
    clock,
    log,
  });
  return { clock, posts, warned, forwarder };
}
const taken = { status: 'taken', rejectedLines: 0 } as const;
const away = { status: 'away', why: 'test', retryAfterMs: undefined } as const;

describe('forwarding', () => {
  test('two requests at a time; what comes meanwhile goes together, in its order', async () => {
    const { posts, forwarder } = rig();
    const outcomes = Array.from({ length: 10 }, (_, n) => forwarder.forward(batchOf(n)));
    await settle();
    expect(posts.map(({ texts }) => texts)).toEqual([['0'], ['1']]);
    posts[0]?.answer(taken);
    await settle();
    expect(posts[2]?.texts).toEqual(['2', '3', '4', '5', '6', '7', '8', '9']);
    for (const { answer } of posts) answer(taken);
    expect(await Promise.all(outcomes)).toEqual(outcomes.map(() => ({ status: 'done' })));
    await settle();
    expect([forwarder.queuedBytes, forwarder.counts.takenLines, forwarder.counts.posts]).toEqual([0, 10, 3]);
  });

  test('a request is no larger than about a MiB', async () => {
    const { posts, forwarder } = rig();
    const lines = Array.from({ length: 50 }, () => line('x'.repeat(1_000)));
    const outcomes = Array.from({ length: 60 }, (_, n) => forwarder.forward(batchOf(n, lines)));
    for (let answered = 0; answered < 6; answered++) {
      await settle();
      posts.at(answered)?.answer(taken);
    }
    await Promise.all(outcomes.slice(0, 20));
    expect(Math.max(...posts.map(({ texts }) => texts.length))).toBeLessThanOrEqual(50 * 18);
    for (const { answer } of posts) answer(taken);
  });

  test('names of files and units count, too: they may be longer than the texts', async () => {
    const { posts, forwarder } = rig();
    void forwarder.forward(batchOf(1, [{ at: null, unit: 'u'.repeat(200), file: 'f'.repeat(4_000), text: '' }]));
    expect(forwarder.queuedBytes).toBeGreaterThan(4_200);
    await settle();
    posts[0]?.answer(taken);
  });

  test('one batch that is refused costs the others nothing', async () => {
    const { forwarder } = rig((texts) => (texts.includes('5') ? { status: 'refused' } : taken));
    const outcomes = await Promise.all(Array.from({ length: 12 }, (_, n) => forwarder.forward(batchOf(n))));
    expect(outcomes.map(({ status }) => status)).toEqual(
      Array.from({ length: 12 }, (_, n) => (n === 5 ? 'refused' : 'done')),
    );
    expect([forwarder.counts.takenLines, forwarder.counts.refusedLines]).toEqual([11, 1]);
  });

  test('away: told once, nobody waits, tried again after a while that grows, and told when it is over', async () => {
    let answer: CollectorAnswer = away;
    const { clock, warned, forwarder } = rig(() => answer);
    const first = await forwarder.forward(batchOf(1));
    expect(first.status).toBe('retry');
    expect(first.retryAfterMs).toBeGreaterThan(0);
    expect([forwarder.turnAway('s1')?.status, forwarder.isAway]).toEqual(['retry', true]);
    // Behind the one that failed: no request of its own.
    expect((await forwarder.forward(batchOf(2))).status).toBe('retry');
    expect(forwarder.counts.posts).toBe(1);
    for (let round = 0; round < 20; round++) {
      await clock.advance(60_000);
      expect(forwarder.turnAway('s1')).toBeUndefined();
      expect((await forwarder.forward(batchOf(3))).retryAfterMs).toBeLessThanOrEqual(45_000);
    }
    answer = taken;
    await clock.advance(60_000);
    expect(await forwarder.forward(batchOf(4))).toEqual({ status: 'done' });
    expect(warned).toHaveLength(2);
    expect([forwarder.isAway, forwarder.turnAway('s1')]).toEqual([false, undefined]);
  });

  test('a collector that stands still fills 16 MiB, and no more', async () => {
    const { posts, forwarder } = rig();
    const lines = [line('x'.repeat(20_000)), line('y'.repeat(20_000))];
    let waiting = 0;
    for (; forwarder.turnAway('s1') === undefined; waiting++) void forwarder.forward(batchOf(waiting, lines));
    expect(forwarder.queuedBytes).toBeLessThan(queueBytesMax + 64 * 1024);
    expect(forwarder.turnAway('s1')).toMatchObject({ status: 'retry' });
    for (const answered of [0, 1, 2]) {
      await settle();
      posts[answered]?.answer(taken);
    }
    await settle();
    expect(forwarder.turnAway('s1')).toBeUndefined();
    const ended = forwarder[Symbol.asyncDispose]();
    for (let n = 3; n < 40; n++, await settle()) posts[n]?.answer(away);
    await ended;
    expect(forwarder.queuedBytes).toBe(0);
  });
});

describe('the desk', () => {
  function desk(forwarder: LogForwarder | undefined) {
    const acks: LogAck[] = [];
    const one = new LogDesk({ forwarder, wall: () => 1_700_000_000_000 });
    const links: number[] = [];
    const agent = (n: number, linkOf: number) => ({
      agentId: `a${n}`,
      serverId: `s${n}`,
      hostname: `web-${n}`,
      version: '1',
      link: { sendMsg: (ack: LogAck) => links.push(linkOf) > 0 && acks.push(ack) > 0 },
    });
    const take = async (n: number, batch: number, lines: unknown[] = [line(`${n}`)], linkOf = 0) => {
      one.take(agent(n, linkOf), { kind: 'log-batch', id: id(batch), lines });
      await settle();
    };
    return { desk: one, acks, links, take };
  }

  test('without a collector: off', async () => {
    const { desk: one, acks, take } = desk(undefined);
    await take(1, 1);
    expect([one.isOn, acks]).toEqual([false, [{ kind: 'log-ack', id: id(1), status: 'off' }]]);
  });

  test('done is said when the collector has it, not before; an agent has one batch here at a time, others have theirs', async () => {
    const { posts, forwarder } = rig();
    const { acks, take } = desk(forwarder);
    await take(1, 1);
    await take(1, 2);
    await take(2, 3);
    expect(acks).toEqual([{ kind: 'log-ack', id: id(2), status: 'retry', retryAfterMs: 1_000 }]);
    posts[0]?.answer(taken);
    await settle();
    expect(acks.at(-1)).toEqual({ kind: 'log-ack', id: id(1), status: 'done' });
    await take(1, 2);
    posts[1]?.answer(taken);
    posts[2]?.answer(taken);
    await settle();
    expect(acks.map(({ id: of, status }) => `${of.slice(-1)} ${status}`)).toEqual([
      '2 retry',
      '1 done',
      '3 done',
      '2 done',
    ]);
  });

  test('a batch that comes again while it is here is not taken twice; the one answer goes over the link of the last', async () => {
    const { posts, forwarder } = rig();
    const { acks, links, take } = desk(forwarder);
    await take(1, 1, undefined, 1);
    await take(1, 1, undefined, 1);
    await take(1, 1, undefined, 2);
    expect([acks, posts.length]).toEqual([[], 1]);
    posts[0]?.answer(taken);
    await settle();
    expect([acks, links]).toEqual([[{ kind: 'log-ack', id: id(1), status: 'done' }], [2]]);
    await take(1, 1);
    expect(posts).toHaveLength(2);
    posts[1]?.answer(taken);
  });

  test('a batch that is none is refused, away is told before it is read', async () => {
    const { clock, forwarder } = rig(() => away);
    const { desk: one, acks, take } = desk(forwarder);
    await take(1, 1, [7]);
    await take(1, 2);
    await take(1, 3, [7]);
    expect(acks.map(({ status }) => status)).toEqual(['refused', 'retry', 'retry']);
    expect(one.unreadable).toBe(1);
    await clock.advance(0);
  });

  test('what agents report is summed over those that are here', () => {
    const { desk: one } = desk(undefined);
    const report = (n: number) => ({ spooledBytes: n, shippedLines: n * 2, droppedLines: n * 3 });
    one.heard('a', report(1));
    one.heard('b', report(10));
    one.heard('a', report(2));
    one.heard('c', undefined);
    expect(one.reported).toEqual({ spooledBytes: 12, shippedLines: 24, droppedLines: 36 });
    one.left('b');
    expect(one.reported.spooledBytes).toBe(2);
  });
});
