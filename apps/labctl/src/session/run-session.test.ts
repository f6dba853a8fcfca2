import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import type { ChannelEnd } from '@labmesh/link/channel-end';
import { type Open, openSchema } from '@labmesh/wire/frame/open';
import type { CommandError } from '../command-error.ts';
import { ClientLink } from './client-link.ts';
import { runSession } from './run-session.ts';
import { finish, MemoryLabd, pass, passUntil, say, settle } from './testing/memory-labd.ts';
import { MemoryIo } from './testing/memory-io.ts';

const tty = { term: 'xterm', cols: 80, rows: 24 };
const target = '01900000-0000-7000-8000-00000000000c';

type Started = {
  labd: MemoryLabd;
  io: MemoryIo;
  clock: FakeClock;
  notes: string[];
  /** The agent's end. */
  end: () => ChannelEnd;
  code: Promise<number | CommandError>;
};

/** A session against an agent that does what the test says. */
function start(
  wanted: object,
  agent: (end: ChannelEnd) => void = (end) => end.handle({}),
  io = new MemoryIo(),
): Started {
  const open: Open = openSchema.parse({ kind: 'exec', server: 'web-1', ...wanted });
  const labd = new MemoryLabd((_open, accept) => agent(accept()));
  const clock = new FakeClock();
  const notes: string[] = [];
  const note = (text: string) => void notes.push(text);
  const link = new ClientLink({ connect: labd.connect, clock, random: () => 0.5, timeoutMs: 30_000, note });
  const hasTerminal = 'tty' in open && open.tty !== null;
  const plan = { open, target: 'server/web-1', sendsInput: true, tty: hasTerminal };
  const code = runSession(plan, { link, io, note, now: () => clock.wall() }).catch((error: CommandError) => error);
  return { labd, io, clock, notes, code, end: () => [...labd.sessions.values()].at(-1)! };
}

/** What an agent hears of a session. */
function listen(end: ChannelEnd) {
  const heard = { input: [] as Uint8Array[], eof: false, signals: [] as string[], sizes: [] as [number, number][] };
  const closed = { reason: '', text: '' };
  end.handle({
    data: (_stream, bytes) => void heard.input.push(bytes.slice()),
    eof: () => void (heard.eof = true),
    signal: (name) => void heard.signals.push(name),
    resize: (cols, rows) => void heard.sizes.push([cols, rows]),
    close: (ending) => void Object.assign(closed, ending),
  });
  return { heard, closed, text: () => Buffer.concat(heard.input).toString() };
}

describe('pipes (EX-3)', () => {
  test('both outputs apart, byte for byte, and the code of the command', async () => {
    const [out, err] = [randomBytes(1024 * 1024), randomBytes(300_000)];
    const { io, code } = start({}, (end) => void say(end, out, 7, err));
    expect(await code).toBe(7);
    expect(io.bytes(1).equals(out)).toBe(true);
    expect(io.bytes(2).equals(err)).toBe(true);
  });

  test('1 MiB through cat over twenty cuts, then end of input (P3)', async () => {
    const { io, code, labd, clock } = start({}, (end) => {
      end.handle({ data: (_stream, bytes) => end.write(1, bytes.slice()), eof: () => finish(end, { code: 0 }) });
    });
    await settle();
    const sent = randomBytes(1024 * 1024);
    for (let at = 0; at < sent.length; at += 50_000) {
      io.type(sent.subarray(at, at + 50_000));
      await settle(at % 7);
      labd.cut();
    }
    io.endInput();
    expect(await passUntil(clock, code)).toBe(0);
    expect(io.bytes(1).equals(sent)).toBe(true);
  });

  test('a slow reader of ours stops the command: no more than a window is on its way', async () => {
    const held = Promise.withResolvers<void>();
    const io = new MemoryIo();
    io.hold = held.promise;
    let written = 0;
    const { code } = start(
      {},
      (end) => {
        end.handle({});
        const yes = async () => {
          for (let round = 0; round < 200; round++) {
            await end.write(1, new Uint8Array(16_384));
            written += 16_384;
          }
          finish(end, { code: 0 });
        };
        void yes();
      },
      io,
    );
    await settle(100);
    expect(written).toBeLessThanOrEqual(256 * 1024 + 16_384);
    held.resolve();
    expect(await code).toBe(0);
    expect(io.bytes(1).length).toBe(200 * 16_384);
  });

  test('a command that reads no input does not hold labctl', async () => {
    const io = new MemoryIo();
    io.type(new Uint8Array(2_000_000));
    const { code } = start({}, (end) => void say(end, 'done'), io);
    expect(await code).toBe(0);
  });

  test('whoever read our output is gone: the command is ended, 141', async () => {
    const io = new MemoryIo();
    io.isGone = true;
    const { code, end } = start({}, (one) => (listen(one), void one.write(1, new Uint8Array(10))), io);
    expect(await code).toBe(141);
    expect((await end().closed).reason).toBe('cancelled');
  });
});

describe('signals (EX-5, EX-6)', () => {
  test('the first Ctrl-C is the command’s, the second ends it', async () => {
    let agent: ReturnType<typeof listen> | undefined;
    const { io, code } = start({}, (end) => void (agent = listen(end)));
    await settle();
    io.told!('INT');
    await settle();
    expect(agent!.heard.signals).toEqual(['INT']);
    io.told!('INT');
    expect(await code).toBe(130);
    expect(agent!.closed.reason).toBe('cancelled');
    expect(io.told).toBeUndefined();
  });

  test.each([
    ['TERM', 143],
    ['HUP', 129],
  ] as const)('SIG%s ends the session with %d', async (name, wanted) => {
    let agent: ReturnType<typeof listen> | undefined;
    const { io, code } = start({}, (end) => void (agent = listen(end)));
    await settle();
    io.told!(name);
    expect(await code).toBe(wanted);
    expect(agent!.closed.reason).toBe('cancelled');
  });

  test('Ctrl-C before labd has answered', async () => {
    const io = new MemoryIo();
    const labd = new MemoryLabd(() => {});
    const link = new ClientLink({ connect: labd.connect, clock: new FakeClock(), timeoutMs: 1_000, note: () => {} });
    const open: Open = openSchema.parse({ kind: 'exec', server: 'web-1' });
    const plan = { open, target: 'server/web-1', sendsInput: false, tty: false };
    const code = runSession(plan, { link, io, note: () => {}, now: Date.now });
    await settle();
    io.told!('INT');
    expect(await code).toBe(130);
  });
});

describe('a terminal (EX-3, EX-8)', () => {
  const terminal = () => {
    const io = new MemoryIo();
    io.stdinIsTerminal = io.stdoutIsTerminal = true;
    return io;
  };

  test('raw while it lasts, keys and Ctrl-C as bytes, our size is its size', async () => {
    const io = terminal();
    let agent: ReturnType<typeof listen> | undefined;
    const { code, end } = start({ tty }, (one) => void (agent = listen(one)), io);
    await settle();
    expect(io.isRaw).toBe(true);
    io.type('ls\r\u0003');
    io.resized!({ cols: 120, rows: 40 });
    await settle();
    expect([agent!.text(), agent!.heard.sizes, agent!.heard.signals]).toEqual(['ls\r\u0003', [[120, 40]], []]);
    finish(end(), { code: 4 });
    expect(await code).toBe(4);
    expect(io.raws).toEqual({ on: 1, off: 1 });
  });

  test('Enter ~d detaches: the command is left to labd', async () => {
    const io = terminal();
    let agent: ReturnType<typeof listen> | undefined;
    const { code, notes, end } = start({ tty }, (one) => void (agent = listen(one)), io);
    await settle();
    io.type('make\r~d');
    expect(await code).toBe(0);
    expect(agent!.text()).toBe('make\r');
    expect(agent!.closed).toEqual({ reason: 'ok', text: 'detach' });
    expect(notes).toEqual([`detached; the command goes on: labctl attach session/${end().session}`]);
    expect(io.isRaw).toBe(false);
  });

  test('Enter ~. ends the command', async () => {
    const io = terminal();
    let agent: ReturnType<typeof listen> | undefined;
    const { code } = start({ tty }, (one) => void (agent = listen(one)), io);
    await settle();
    io.type('\r~.');
    expect(await code).toBe(255);
    expect(agent!.closed.reason).toBe('cancelled');
  });

  test('attach: ~d leaves the command alone, ~. hangs it up', async () => {
    for (const [keys, wanted, signals] of [
      ['~d', { reason: 'ok', text: '' }, []],
      ['~.', { reason: 'cancelled', text: '' }, ['HUP']],
    ] as const) {
      const io = terminal();
      let agent: ReturnType<typeof listen> | undefined;
      const { code, notes } = start({ kind: 'attach', target, tty }, (one) => void (agent = listen(one)), io);
      await settle();
      io.type(keys);
      await code;
      await settle();
      expect(agent!.closed).toEqual({ ...wanted });
      expect(agent!.heard.signals).toEqual([...signals]);
      if (keys === '~d') expect(notes[0]).toContain(`session/${target}`);
    }
  });
});

describe('never 0 without EXIT (P3, EX-6)', () => {
  test.each(['ok', 'link-lost', 'agent-restarted', 'recording-limit', 'killed'] as const)(
    'closed as %s',
    async (reason) => {
      const { code, labd, end, clock } = start({}, (one) => {
        one.handle({});
        void one.write(1, new TextEncoder().encode('half'));
      });
      await settle();
      if (reason === 'link-lost') labd.away = new Error('away');
      if (reason === 'link-lost') labd.cut();
      else end().close(reason);
      await pass(clock, 62_000);
      expect(await code).toMatchObject({ exitCode: 255 });
    },
  );

  test('200 cuts at any moment: the true code, or 255', async () => {
    for (let round = 0; round < 200; round++) {
      const { code, labd, clock } = start({}, (end) => void say(end, new Uint8Array(40_000), 3));
      await settle(round % 9);
      if (round % 3 === 0) labd.sessions.clear();
      labd.cut();
      await settle();
      // A cut before OPEN_OK: nobody can know whether it was started.
      const ended = await passUntil(clock, code);
      expect(typeof ended === 'number' ? ended : ((ended as { ending?: unknown }).ending ?? ended.exitCode)).not.toBe(
        0,
      );
      if (typeof ended === 'number') expect(ended).toBe(3);
    }
  });

  test('--detach: over as soon as labd has begun it', async () => {
    const began: string[] = [];
    const labd = new MemoryLabd((_open, accept) => accept().handle({}));
    const io = new MemoryIo();
    await using link = new ClientLink({
      connect: labd.connect,
      clock: new FakeClock(),
      timeoutMs: 1_000,
      note: () => {},
    });
    const open: Open = openSchema.parse({ kind: 'exec', server: 'web-1', argv: ['x'], detach: true });
    const plan = { open, target: 'server/web-1', sendsInput: false, tty: false };
    const parts = {
      link,
      io,
      note: () => {},
      now: Date.now,
      began: ({ session }: { session: string }) => void began.push(session),
    };
    expect(await runSession(plan, parts)).toBe(0);
    expect(began).toEqual([...labd.sessions.keys()]);
  });
});
