/** The parts between a log and the link: lines, batches, what is sent and when. */
import { describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { OptionsError } from '@labmesh/kit/options';
import { silentLogger } from '@labmesh/kit/log';
import { encodeFrame } from '@labmesh/wire/frame/codec';
import { type LogAck, logBatchLimits, shippedLineSchema } from '@labmesh/wire/frame/log-batch';
import fc from 'fast-check';
import { Batcher, batchMs } from './batcher.ts';
import { checkShipping } from './check-shipping.ts';
import { answerMs, Sender } from './sender.ts';
import { shippedLine } from './shipped-line.ts';
import type { Batch } from './spool/entry.ts';

const tick = () => new Promise((resolve) => setImmediate(resolve));
const settle = async () => {
  for (let i = 0; i < 20; i++) await tick();
};

describe('a line', () => {
  const anyText = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40_000 }),
    fc.integer({ min: 0, max: 70_000 }).map((n) => '\u0001'.repeat(n)),
    fc.integer({ min: 0, max: 70_000 }).map((n) => '€"\\'.repeat(n / 3)),
    fc.integer({ min: 0, max: 30_000 }).map((n) => '\ud800'.repeat(n)),
  );

  test('whatever a log holds, it is one that labd takes, and within its bytes', () => {
    fc.assert(
      fc.property(
        anyText,
        fc.option(fc.double(), { nil: null }),
        fc.string(),
        fc.string({ maxLength: 400 }),
        (text, at, level, unit) => {
          const { line, bytes } = shippedLine({ at, text, level, unit, cursor: 'c' }, '/var/log/x');
          expect(shippedLineSchema.safeParse(line).success).toBe(true);
          expect(bytes).toBeLessThanOrEqual(logBatchLimits.lineBytesMax + 1);
          if (bytes < 1_000) expect(line.text).toBe(text);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('level and time are told as far as they are known; a cut is told', () => {
    expect(shippedLine({ at: 5.7, text: 'a', level: 'err', unit: 'x.service', cursor: '' }).line).toEqual({
      at: 5,
      level: 'err',
      unit: 'x.service',
      text: 'a',
    });
    expect(shippedLine({ at: -1, text: 'a', level: 'loud', cursor: '' }, '/f').line).toEqual({
      at: null,
      file: '/f',
      text: 'a',
    });
    expect(shippedLine({ at: null, text: 'x'.repeat(64 * 1024), cursor: '' }).line.text).toEndWith('x [labmesh: cut]');
  });
});

describe('AG-7 batches', () => {
  const lineOf = (text: string) => shippedLine({ at: null, text, cursor: '' });

  test('each fits one frame, and together they are all lines in order with the last place of each source', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.nat(30_000), { maxLength: 40 }), async (sizes) => {
        const batches: Batch[] = [];
        const batcher = new Batcher(
          async (batch) => void batches.push(batch),
          () => 7,
        );
        for (const [n, size] of sizes.entries())
          await batcher.add(lineOf(`${n} ${'y'.repeat(size)}`), `s${n % 2}`, `${n}`);
        await batcher.flush();
        const texts = batches.flatMap(({ lines }) => lines.map(({ text }) => Number(text.split(' ')[0])));
        expect(texts).toEqual(sizes.map((_, n) => n));
        for (const { id, readAt, lines } of batches) {
          const frame = encodeFrame({ type: 'msg', channel: 0, body: { kind: 'log-batch', id, readAt, lines } });
          expect(frame.length).toBeLessThanOrEqual(65_541);
        }
        const places = Object.assign({}, ...batches.map((batch) => batch.places)) as Record<string, string>;
        const last = (parity: number) => sizes.map((_, n) => n).findLast((n) => n % 2 === parity);
        for (const parity of [0, 1]) expect(places[`s${parity}`]).toBe(last(parity)?.toString() as string);
      }),
      { numRuns: 60 },
    ));

  test('a thousand lines are full, however short', async () => {
    const sizes: number[] = [];
    const batcher = new Batcher(
      async ({ lines }) => void sizes.push(lines.length),
      () => 0,
    );
    for (let n = 0; n < 2_500; n++) await batcher.add(lineOf(''), 's', undefined);
    await batcher.flush();
    expect(sizes).toEqual([1_000, 1_000, 500]);
  });

  test('one that is not full leaves a second after its first line', async () => {
    const left = Promise.withResolvers<Batch>();
    const batcher = new Batcher(
      async (batch) => left.resolve(batch),
      () => 0,
    );
    const from = performance.now();
    await batcher.add(lineOf('alone'), 's', 'p');
    expect(await left.promise).toMatchObject({ places: { s: 'p' }, lines: [{ text: 'alone' }] });
    expect(performance.now() - from).toBeGreaterThanOrEqual(batchMs - 5);
  });
});

describe('AG-7 sending', () => {
  const id = (n: number) => `01900000-0000-7000-8000-${String(n).padStart(12, '0')}`;

  /** A sender with `count` batches in its spool. */
  function rig(count: number) {
    const clock = new FakeClock();
    const queue: Batch[] = Array.from({ length: count }, (_, n) => ({
      id: id(n),
      readAt: 0,
      places: {},
      lines: [{ at: null, text: 'x' }],
    }));
    const sent: string[] = [];
    const ends: string[] = [];
    const world = { takes: true, offs: 0 };
    const sender = new Sender({
      spool: {
        head: async () => queue[0],
        done: async (done, how) => {
          if (queue[0]?.id !== done) return;
          queue.shift();
          ends.push(`${done.at(-1)} ${how}`);
        },
      },
      send: (msg) => {
        if (world.takes) sent.push(msg.id.slice(-1));
        return world.takes;
      },
      onOff: () => {
        world.offs++;
        sender.turn(false);
      },
      clock,
      log: silentLogger,
    });
    const ending = new AbortController();
    const running = sender.run(ending.signal);
    const ack = async (n: number, status: LogAck['status'], retryAfterMs?: number) => {
      sender.answered({ kind: 'log-ack', id: id(n), status, ...(retryAfterMs !== undefined && { retryAfterMs }) });
      await settle();
    };
    const stop = async () => {
      ending.abort();
      await running;
    };
    return { clock, sent, ends, world, sender, ack, stop };
  }

  test('one at a time, the next after the answer; refused ones go, too', async () => {
    const { sent, ends, sender, ack, stop } = rig(3);
    sender.turn(true);
    await settle();
    expect(sent).toEqual(['0']);
    await ack(2, 'done');
    expect(sent).toEqual(['0']);
    await ack(0, 'done');
    await ack(1, 'refused');
    await ack(2, 'done');
    expect([sent, ends]).toEqual([
      ['0', '1', '2'],
      ['0 shipped', '1 dropped', '2 shipped'],
    ]);
    await stop();
  });

  test('no answer, a lost link, a full socket, a retry: the same batch again', async () => {
    const { clock, sent, ends, world, sender, ack, stop } = rig(1);
    sender.turn(true);
    await settle();
    await clock.advance(answerMs);
    await settle();
    expect(sent).toEqual(['0', '0']);
    sender.turn(false);
    await settle();
    await ack(0, 'retry');
    expect(ends).toEqual([]);
    world.takes = false;
    sender.turn(true);
    await settle();
    world.takes = true;
    await clock.advance(2_000);
    await settle();
    expect(sent).toEqual(['0', '0', '0']);
    await ack(0, 'retry', 10_000);
    await clock.advance(9_000);
    await settle();
    expect(sent).toHaveLength(3);
    await clock.advance(10_000);
    await settle();
    expect(sent).toHaveLength(4);
    await ack(0, 'done');
    expect([ends, sender.hasFlowed(1_000)]).toEqual([['0 shipped'], true]);
    await stop();
  });

  test('an answer that comes when none is awaited: `done` of this batch is done, of another it is nothing', async () => {
    const { clock, sent, ends, sender, ack, stop } = rig(2);
    sender.turn(true);
    await settle();
    await clock.advance(answerMs);
    await settle();
    await ack(0, 'retry', 10_000);
    // In the wait that labd asked for.
    await ack(1, 'done');
    await ack(0, 'refused');
    expect(ends).toEqual([]);
    await ack(0, 'done');
    expect([ends, sender.hasFlowed(1_000)]).toEqual([['0 shipped'], true]);
    await clock.advance(20_000);
    await settle();
    expect(sent).toEqual(['0', '0', '1']);
    await stop();
  });

  test('labd has no collector after all: nothing more is sent', async () => {
    const { clock, sent, ends, world, sender, ack, stop } = rig(2);
    sender.turn(true);
    await settle();
    await ack(0, 'off');
    await clock.advance(120_000);
    await settle();
    expect([sent, ends, world.offs, sender.hasFlowed(1e9)]).toEqual([['0'], [], 1, false]);
    await stop();
  });
});

describe('settings', () => {
  const good = { shipEnabled: true, shipFiles: ['/var/log/a.log'], shipUnits: ['ssh*.service'], spoolMax: 1024 * 1024 };
  const refusal = (wrong: Partial<typeof good>) => {
    try {
      checkShipping({ ...good, ...wrong });
      return 'taken';
    } catch (error) {
      return error instanceof OptionsError ? error.message : String(error);
    }
  };

  test('what can work is taken, and what cannot is told by its key', () => {
    expect(refusal({})).toBe('taken');
    expect(refusal({ spoolMax: 0 })).toBe('taken');
    expect(refusal({ shipEnabled: false, shipFiles: [], shipUnits: [] })).toBe('taken');
    expect(refusal({ shipFiles: [], shipUnits: [] })).toStartWith('agent.ship.enabled: ');
    expect(refusal({ spoolMax: 1_000 })).toStartWith('agent.spool_max: ');
    for (const file of ['app.log', '', '/a\0b', `/${'a'.repeat(5_000)}`])
      expect(refusal({ shipFiles: [file] })).toStartWith('agent.ship.files: ');
    for (const unit of ['', '--since=0 x', 'a b', 'a;b', 'x'.repeat(256)])
      expect(refusal({ shipUnits: [unit] })).toStartWith('agent.ship.units: ');
    const many = Array.from({ length: 65 }, (_, n) => `/var/log/${n}`);
    expect(refusal({ shipFiles: many })).toContain('more than 64');
    expect(refusal({ shipUnits: many.map((one) => one.slice(9)) })).toContain('more than 64');
  });
});
