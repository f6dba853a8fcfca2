import { thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import type { ChannelEnd } from '@labmesh/link/channel-end';
import { seeded } from '@labmesh/link/testing/relay-world';
import { exitSchema } from '@labmesh/wire/frame/messages';
import { type Open, openExecSchema } from '@labmesh/wire/frame/open';
import { ClientLinks } from '../client-links.ts';
import { finish, MemoryLabd, passUntil, say, settle } from '../testing/memory-labd.ts';
import { MemoryIo } from '../testing/memory-io.ts';
import { FanOut, type FanPlan, type FanTarget } from './fan-out.ts';
import { exitCodeOfAll, summaryLines, type TargetResult } from './fan-result.ts';
import { prefixOutput } from './line-outputs.ts';
import { failuresMax } from './run-many.ts';

const target = (index: number, status: FanTarget['status'] = 'online'): FanTarget => ({
  id: `01900000-0000-7000-8000-${String(index).padStart(12, '0')}`,
  hostname: `web-${index}`,
  status,
  lastSeenAt: null,
});
const targets = (count: number) => Array.from({ length: count }, (_, index) => target(index));
const indexOf = (open: Open) => Number('server' in open ? open.server?.slice(-12) : NaN);

function world(plan: Partial<FanPlan>, agent: (end: ChannelEnd, index: number) => void) {
  const labd = new MemoryLabd((open, accept) => agent(accept(), indexOf(open)));
  const clock = new FakeClock();
  const io = new MemoryIo();
  const links = new ClientLinks({ connect: labd.connect, clock, random: () => 0.5, timeoutMs: 30_000, note: () => {} });
  const exec = openExecSchema.parse({ kind: 'exec', server: 'each', argv: ['x'], job: target(0).id });
  const output = prefixOutput((stream, bytes) => io.write(stream, bytes));
  const fan = new FanOut(
    { targets: targets(3), exec, batch: 50, failuresMax: Infinity, ...plan },
    { open: links.open.bind(links), output, clock, random: () => 0.5 },
  );
  return { labd, clock, io, fan, links };
}

const states = (results: readonly TargetResult[]) =>
  Object.fromEntries(results.map(({ server, state }) => [server, state]));

describe('many servers at once (FO-2)', () => {
  test('each has its own session, all share the job, and the window is bounded', async () => {
    const { fan, labd, io } = world({}, (end, index) => void say(end, `hi ${index}\n`, index));
    const results = await fan.run();
    expect(states(results)).toEqual({ 'web-0': 'ok', 'web-1': 'failed', 'web-2': 'failed' });
    expect(new Set(results.map(({ session }) => session)).size).toBe(3);
    expect(labd.opens.map((open) => 'job' in open && open.job)).toEqual(Array(3).fill(target(0).id));
    expect(labd.opens.every((open) => 'window' in open && open.window === 128 * 1024)).toBe(true);
    expect(io.text(1).split('\n').toSorted()).toEqual(['', 'web-0 | hi 0', 'web-1 | hi 1', 'web-2 | hi 2']);
  });

  test('offline servers are told at once, and never asked', async () => {
    const away = { ...target(7, 'offline'), lastSeenAt: new Date(1_700_000_000_000 - 180_000).toISOString() };
    const { fan, labd } = world({ targets: [target(0), away, target(8, 'banned')] }, (end) => void say(end, ''));
    const results = await fan.run();
    expect(states(results)).toEqual({ 'web-0': 'ok', 'web-7': 'unreachable', 'web-8': 'unreachable' });
    expect(results.find(({ server }) => server === 'web-7')?.why).toBe('last seen 3m ago');
    expect(results.find(({ server }) => server === 'web-8')?.why).toBe('banned, never seen');
    expect(labd.opens).toHaveLength(1);
  });

  test('--batch: never more at a time', async () => {
    let [now, most] = [0, 0];
    const { fan } = world({ targets: targets(40), batch: 7 }, (end) => {
      most = Math.max(most, ++now);
      end.handle({});
      void settle(3).then(() => {
        now--;
        finish(end, { code: 0 });
      });
    });
    expect(exitCodeOfAll(await fan.run())).toBe(0);
    expect(most).toBe(7);
  });

  test('--max-fail stops new starts and lets the others end', async () => {
    const { fan, labd } = world({ targets: targets(100), batch: 5, failuresMax: 2 }, (end) => void say(end, '', 1));
    const results = await fan.run();
    expect(results).toHaveLength(100);
    const failed = results.filter(({ state }) => state === 'failed').length;
    expect(failed).toBeGreaterThan(2);
    expect(failed).toBeLessThanOrEqual(3 + 5);
    expect(labd.opens).toHaveLength(failed);
    expect(exitCodeOfAll(results)).toBe(1);
    expect([failuresMax('3', 10), failuresMax('25%', 10), failuresMax(undefined, 10)]).toEqual([3, 2, Infinity]);
    for (const text of ['x', '-1', '101%', '1.5']) expect(() => failuresMax(text, 10)).toThrow('--max-fail');
  });

  test('a refusal because of labd’s own bounds is waited out, not a failure', async () => {
    const { fan, labd, clock } = world({}, (end) => void say(end, 'late\n'));
    let refusals = 4;
    const { agent } = labd;
    labd.agent = (open, accept) =>
      refusals-- > 0 ? { reason: 'limit', text: 'too many sessions' } : agent(open, accept);
    expect(states(await passUntil(clock, fan.run()))).toEqual({ 'web-0': 'ok', 'web-1': 'ok', 'web-2': 'ok' });
    expect(clock.now()).toBeGreaterThan(0);
  });

  test('what became of each: denied, away, killed by a signal, out of time, lost', async () => {
    const { fan, labd, clock } = world({ targets: targets(6) }, (end, index) => {
      end.handle({});
      if (index === 2) finish(end, { signal: 'KILL' });
      if (index === 3) finish(end, { timedOut: true, signal: 'TERM' });
      if (index === 4) end.close('recording-unavailable', 'the session cannot be recorded');
      if (index === 5) finish(end, { code: 0 });
    });
    const { agent } = labd;
    labd.agent = (open, accept) => {
      if (indexOf(open) === 0) return { reason: 'denied', text: 'exec on server/web-0 denied: no rule allows it' };
      if (indexOf(open) === 1) return { reason: 'agent-offline', text: 'server/web-1 is not connected, never seen' };
      return agent(open, accept);
    };
    const results = await passUntil(clock, fan.run());
    expect(summaryLines(results)).toEqual([
      'ok 1: web-5',
      'failed 1: web-2 (KILL)',
      'unreachable 1: web-1 (not connected, never seen)',
      'timed out 1: web-3',
      'denied 1: web-0 (exec on denied: no rule allows it)',
      'error 1: web-4 (the session cannot be recorded)',
    ]);
    expect(exitCodeOfAll(results)).toBe(255);
  });

  test('Ctrl-C: nothing more is started, and what runs gets the signal; again: all are ended', async () => {
    const heard: string[] = [];
    const closed: string[] = [];
    const { fan } = world({ targets: targets(5), batch: 2 }, (end, index) =>
      end.handle({
        signal: (name) => {
          heard.push(`${index} ${name}`);
          if (index === 0) finish(end, { signal: 'INT' });
        },
        close: ({ reason }) => void closed.push(reason),
      }),
    );
    const running = fan.run();
    await settle();
    fan.interrupt();
    await settle();
    expect(heard).toEqual(['0 INT', '1 INT']);
    fan.cancel();
    const results = await running;
    expect(states(results)).toMatchObject({ 'web-0': 'failed', 'web-2': 'not-started', 'web-4': 'not-started' });
    expect(closed).toContain('cancelled');
  });

  test('labd is gone for good: those that wait are not tried one after the other', async () => {
    const { fan, labd, clock } = world({ targets: targets(30), batch: 3 }, (end) => end.handle({}));
    const running = fan.run();
    await settle();
    labd.away = new Error('away');
    labd.cut();
    const results = await passUntil(clock, running);
    expect(results.filter(({ state }) => state === 'not-started').length).toBeGreaterThan(20);
    expect(clock.now()).toBeLessThan(200_000);
    expect(exitCodeOfAll(results)).toBe(255);
  });

  test('our own output is gone: all are ended', async () => {
    const { fan, io, labd } = world({}, (end) => void end.write(1, new TextEncoder().encode('x\n')));
    for (const end of labd.sessions.values()) end.handle({});
    io.isGone = true;
    expect(await thrower(fan.run())).toThrow('nobody reads');
  });
});

describe('500 servers (FO-3)', () => {
  test('whole lines of 500 servers over cuts: none mixed, lost or doubled, and each in order', async () => {
    const random = seeded(7);
    const linesEach = 20;
    const line = (index: number, number: number) => `${index}:${number}:${'x'.repeat((index * 7 + number * 13) % 90)}`;
    const { fan, labd, clock, io } = world({ targets: targets(500), batch: 100 }, (end, index) => {
      end.handle({});
      const text = Array.from({ length: linesEach }, (_, number) => `${line(index, number)}\n`).join('');
      const bytes = new TextEncoder().encode(text);
      const write = async () => {
        // Cut anywhere, also inside a line.
        for (let at = 0; at < bytes.length;) {
          const size = 1 + Math.floor(random() * 200);
          await end.write(1, bytes.slice(at, at + size));
          at += size;
          if (random() < 0.3) await settle(1);
        }
        finish(end, { code: 0 });
      };
      void write();
    });
    labd.perTurn = () => 1 + Math.floor(random() * 8);
    const running = fan.run();
    for (let cut = 0; cut < 5; cut++) {
      await settle(250);
      labd.cut();
    }
    const results = await passUntil(clock, running);
    // A session that was cut while it was being opened is unreachable, as a real one would be.
    const ran = results.filter(({ state }) => state === 'ok').map(({ server }) => server);
    expect(ran.length).toBeGreaterThan(100);
    const got = new Map<string, string[]>();
    for (const shown of io.text(1).split('\n').slice(0, -1)) {
      const [, server = '', text = ''] = /^(web-\d+) \| (.*)$/.exec(shown) ?? [];
      got.set(server, [...(got.get(server) ?? []), text]);
    }
    for (const server of ran) {
      const index = Number(server.slice(4));
      expect(got.get(server)).toEqual(Array.from({ length: linesEach }, (_, number) => line(index, number)));
    }
  }, 60_000);

  test('a reader that stands still: no server has more than its window and a line on the way', async () => {
    const hold = Promise.withResolvers<void>();
    const written = new Map<number, number>();
    const { fan, io, clock, links } = world({ targets: targets(20), batch: 20 }, (end, index) => {
      end.handle({});
      const yes = async () => {
        for (let round = 0; round < 100; round++) {
          await end.write(1, new TextEncoder().encode('y\n'.repeat(4_096)));
          written.set(index, (written.get(index) ?? 0) + 8_192);
        }
        finish(end, { code: 0 });
      };
      void yes();
    });
    io.hold = hold.promise;
    const running = fan.run();
    await settle(200);
    expect(written.size).toBe(20);
    for (const sent of written.values()) expect(sent).toBeLessThanOrEqual(128 * 1024 + 16_384);
    hold.resolve();
    expect(exitCodeOfAll(await passUntil(clock, running))).toBe(0);
    expect(io.text(1).split('\n')).toHaveLength(20 * 100 * 4_096 + 1);
    await links[Symbol.asyncDispose]();
  }, 60_000);
});

describe('the summary (FO-4)', () => {
  const ok = (count: number): TargetResult[] =>
    Array.from({ length: count }, (_, index) => ({
      server: `web-${String(index).padStart(3, '0')}`,
      state: 'ok',
      exit: exitSchema.parse({ code: 0, signal: null, bytes: {} }),
    }));

  test('names of all that need a look, of the others some', () => {
    const [line] = summaryLines(ok(25));
    expect(line).toStartWith('ok 25: web-000, web-001');
    expect(line).toEndWith(' and 5 more');
    const away = Array.from({ length: 30 }, (_, index) => ({ server: `db-${index}`, state: 'unreachable' as const }));
    expect(summaryLines(away)[0]).not.toContain('more');
    expect(summaryLines([{ server: 'x\u001b[2J', state: 'error', why: 'a\nb' }])).toEqual([
      'error 1: x\\x1b[2J (a\\nb)',
    ]);
  });

  test('0 all zero, 1 some failed, 255 some unreachable or ours', () => {
    const one = (state: TargetResult['state']): TargetResult => ({ server: 'a', state });
    expect(exitCodeOfAll(ok(2))).toBe(0);
    for (const state of ['failed', 'timed-out', 'not-started'] as const)
      expect(exitCodeOfAll([...ok(1), one(state)])).toBe(1);
    for (const state of ['unreachable', 'error', 'denied'] as const) {
      expect(exitCodeOfAll([...ok(1), one('failed'), one(state)])).toBe(255);
    }
  });
});
