import { describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import type { ChannelEnd } from '@labmesh/link/channel-end';
import type { AuditRow } from '@labmesh/wire/fleet/resources/records';
import { LogLineError, LogLineReader } from '@labmesh/wire/frame/log-line-reader';
import { type LogLine, type Open, openLogsSchema } from '@labmesh/wire/frame/open';
import fc from 'fast-check';
import { paint } from '../../terminal/paint.ts';
import { ClientLink } from '../client-link.ts';
import { MemoryLabd, pass, passUntil, settle } from '../testing/memory-labd.ts';
import { auditText } from './audit-text.ts';
import { followAudit } from './follow-audit.ts';
import { followLogs } from './follow-logs.ts';
import { logText } from './log-lines.ts';
import { readLogWords, timeOf } from './log-words.ts';

/** What a promise is rejected with, to be looked at. */
const asIs = (error: unknown) => error;

const wanted = openLogsSchema.parse({ kind: 'logs', server: 'web-1', follow: true, tail: 10, since: 5, grep: 'x' });
const lineAt = (number: number): LogLine => ({ at: number, text: `line ${number}`, cursor: `c${number}` });
const ndjson = (lines: readonly LogLine[]) =>
  new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));

function world(agent: (end: ChannelEnd, open: Open) => void) {
  const labd = new MemoryLabd((open, accept) => agent(accept(), open));
  const clock = new FakeClock();
  const shown: LogLine[] = [];
  const warned: string[] = [];
  const stop = new AbortController();
  const link = new ClientLink({ connect: labd.connect, clock, random: () => 0.5, timeoutMs: 1_000, note: () => {} });
  const parts = {
    open: link.open.bind(link),
    show: async (lines: readonly LogLine[]) => void shown.push(...lines),
    warn: (text: string) => void warned.push(text),
    clock,
    signal: stop.signal,
    random: () => 0.5,
  };
  return { labd, clock, shown, warned, stop, parts };
}

describe('logs of a server (LG-1 … LG-3)', () => {
  test('lines as they come, to the end', async () => {
    const { parts, shown, warned, labd } = world((end) => {
      end.handle({});
      void end
        .write(2, new TextEncoder().encode('a word beside'))
        .then(() => end.write(1, ndjson([1, 2, 3].map(lineAt))));
      void settle().then(() => end.close('ok'));
    });
    await followLogs(wanted, parts);
    expect(shown.map(({ text }) => text)).toEqual(['line 1', 'line 2', 'line 3']);
    expect(warned).toEqual(['a word beside']);
    expect(labd.opens[0]).toMatchObject({ kind: 'logs', tail: 10, since: 5, grep: 'x', follow: true });
  });

  test('behind an agent that restarted it goes on at the cursor: nothing lost or repeated', async () => {
    let round = 0;
    const { parts, shown, labd, clock } = world((end, open) => {
      end.handle({});
      const first = 'cursor' in open && open.cursor !== undefined ? Number(open.cursor.slice(1)) + 1 : 1;
      const lines = Array.from({ length: 50 }, (_, index) => lineAt(first + index));
      const bytes = ndjson(lines);
      // The last one is torn in the middle of a line.
      void end.write(1, bytes.subarray(0, bytes.length - 20)).then(async () => {
        await settle();
        end.close(++round < 5 ? 'agent-restarted' : 'ok');
      });
    });
    await passUntil(clock, followLogs(wanted, parts));
    const numbers = shown.map(({ at }) => at!);
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => index + 1));
    expect(numbers.length).toBe(5 * 49);
    expect(labd.opens).toHaveLength(5);
    expect(labd.opens[1]).toMatchObject({ cursor: 'c49', grep: 'x', follow: true });
    expect(labd.opens[1]).not.toHaveProperty('tail');
    expect(labd.opens[1]).not.toHaveProperty('since');
  });

  test('cuts are RESUMEd below, without a new session', async () => {
    const { parts, shown, labd, clock } = world((end) => end.handle({}));
    const following = followLogs(wanted, parts);
    await settle();
    for (let number = 1; number <= 20; number++) {
      void [...labd.sessions.values()][0]!.write(1, ndjson([lineAt(number)]));
      if (number % 3 === 0) await settle(1);
      labd.cut();
      await settle();
    }
    [...labd.sessions.values()][0]!.close('ok');
    await passUntil(clock, following);
    expect(shown.map(({ at }) => at)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    expect(labd.opens).toHaveLength(1);
  });

  test('an agent that stays away: an error after a minute; one that was never there: at once', async () => {
    const { parts, labd, clock } = world((end) => {
      end.handle({});
      void end
        .write(1, ndjson([lineAt(1)]))
        .then(() => settle())
        .then(() => end.close('agent-restarted'));
    });
    const { agent } = labd;
    let isAway = false;
    labd.agent = (open, accept) => {
      if (isAway) return { reason: 'agent-offline', text: 'server/web-1 is not connected, never seen' };
      isAway = true;
      return agent(open, accept);
    };
    const error = await passUntil(
      clock,
      followLogs(wanted, parts).catch((one: unknown) => one),
    );
    expect(error).toMatchObject({ ending: { reason: 'agent-offline' } });
    expect(clock.now()).toBeGreaterThanOrEqual(60_000);
    const [before, opens] = [clock.now(), labd.opens.length];
    expect(await followLogs(wanted, parts).catch(asIs)).toMatchObject({
      message: expect.stringContaining('agent-offline'),
    });
    expect([clock.now(), labd.opens.length]).toEqual([before, opens + 1]);
  });

  test('a denial ends it, Ctrl-C ends it', async () => {
    const { parts, labd, stop } = world((end) => end.handle({}));
    labd.agent = () => ({ reason: 'denied', text: 'no' });
    expect(await followLogs(wanted, parts).catch(asIs)).toMatchObject({ message: expect.stringContaining('denied') });
    labd.agent = (_open, accept) => accept().handle({});
    const following = followLogs(wanted, parts);
    await settle();
    stop.abort(new Error('stopped'));
    expect(await following.catch(asIs)).toMatchObject({ message: expect.stringContaining('stopped') });
    await settle();
    expect((await [...labd.sessions.values()][0]!.closed).reason).toBe('cancelled');
  });

  test('an agent that sends something else is not believed', async () => {
    for (const text of ['no json\n', '{"text":1}\n']) {
      const { parts, clock } = world((end) => {
        end.handle({});
        void end.write(1, new TextEncoder().encode(text)).catch(() => {});
      });
      const error = await passUntil(clock, followLogs(wanted, parts)).catch((one: unknown) => one);
      expect(error).toBeInstanceOf(LogLineError);
    }
    const reader = new LogLineReader();
    const piece = new Uint8Array(1024 * 1024).fill(0x78);
    for (let mebibyte = 0; mebibyte < 8; mebibyte++) reader.push(piece);
    expect(() => reader.push(piece)).toThrow('a log line is too long');
  });
});

describe('lines', () => {
  test('NDJSON in any pieces', () => {
    const line = fc.record({ at: fc.option(fc.nat()), text: fc.string(), cursor: fc.string({ maxLength: 20 }) });
    fc.assert(
      fc.property(fc.array(line), fc.integer({ min: 1, max: 50 }), (lines, size) => {
        const bytes = ndjson(lines);
        const reader = new LogLineReader();
        const found: LogLine[] = [];
        for (let at = 0; at < bytes.length; at += size) found.push(...reader.push(bytes.subarray(at, at + size)));
        expect(found).toEqual(lines);
      }),
    );
  });

  test('what a line holds cannot move the cursor or forge a line', () => {
    const hostile = { at: 0, unit: 'a\u001b[2Jb', text: 'x\n2026-01-01 forged\u202e', cursor: 'c' };
    expect(logText(hostile, paint(false))).toBe('1970-01-01T00:00:00.000Z a\\x1b[2Jb: x\\n2026-01-01 forged\\u202e\n');
    expect(logText({ at: null, text: 'x', cursor: '' }, paint(false))).toBe('- x\n');
    expect(logText({ at: 1e300, text: 'x', cursor: '' }, paint(false))).toBe('- x\n');
    expect(logText({ at: 0, level: 'err', text: 'x', cursor: '' }, paint(true))).toContain('\u001b[31mx');
  });
});

describe('words of logs', () => {
  const now = Date.parse('2026-01-01T12:00:00.000Z');

  test('scopes', () => {
    expect(readLogWords(['web-1'])).toEqual({ of: 'server', name: 'web-1' });
    expect(readLogWords(['srv', 'web-1'])).toEqual({ of: 'server', name: 'web-1' });
    expect(readLogWords(['audit'])).toEqual({ of: 'audit' });
    expect(readLogWords(['server/audit'])).toEqual({ of: 'server', name: 'audit' });
    expect(() => readLogWords([])).toThrow('whose log');
    expect(() => readLogWords(['user/alice'])).toThrow('has no log');
    expect(() => readLogWords(['bastion/b1'])).toThrow('NOT_AVAILABLE');
  });

  test.each([
    ['2h', now - 7_200_000],
    ['2026-01-01T00:00:00Z', now - 12 * 3_600_000],
    ['2026-01-01T00:00:00+01:00', now - 13 * 3_600_000],
  ])('--since %s', (text, at) => expect(timeOf('--since', text, now)).toBe(at));

  test.each(['yesterday', '12:00', '', '2026-13-01', '-5m'])('--since %j is refused', (text) =>
    expect(() => timeOf('--since', text, now)).toThrow('--since: found'),
  );
});

describe('logs audit (AU-7)', () => {
  const row = (seq: number, at: number, chain = 'r1'): AuditRow => ({
    seq,
    chain,
    keyId: 'k1',
    at: new Date(at).toISOString(),
    phase: 'single',
    principal: { kind: 'user', id: 'u1', name: 'alice' },
    action: 'exec.open',
    resource: 'server/web-1',
    result: 'denied',
    code: 'PERMISSION_DENIED',
    prevHash: '0'.repeat(64),
    hash: '0'.repeat(64),
  });

  test('the last rows, oldest first; then each that comes once, also those that were committed late', async () => {
    const clock = new FakeClock();
    const start = clock.wall();
    const rows = Array.from({ length: 700 }, (_, index) => row(index + 1, start - (700 - index) * 1_000));
    const asked: Record<string, unknown>[] = [];
    const labd = {
      call: async (_name: string, input: { query: { limit: number; cursor?: string; since?: string } }) => {
        asked.push(input.query);
        const { limit, cursor, since } = input.query;
        const from = Number(cursor ?? 0);
        const found = rows
          .filter(({ at }) => since === undefined || at >= since)
          .toSorted((a, b) => (a.at < b.at ? 1 : -1));
        const nextCursor = from + limit < found.length ? String(from + limit) : null;
        return { items: found.slice(from, from + limit), nextCursor };
      },
    };
    const shown: number[] = [];
    const stop = new AbortController();
    const following = followAudit(
      { follow: true, tail: 600, since: undefined, until: undefined },
      {
        labd: labd as never,
        show: async (some) => void shown.push(...some.map(({ seq }) => seq)),
        clock,
        signal: stop.signal,
      },
    );
    await settle();
    expect(shown).toEqual(Array.from({ length: 600 }, (_, index) => index + 101));
    expect(asked.map(({ limit }) => limit)).toEqual([500, 100]);
    rows.push(row(701, start + 100));
    await pass(clock, 2_500);
    // Of another replica, with an earlier time.
    rows.push(row(1, start - 3_000, 'r2'), row(702, start + 2_600));
    await pass(clock, 2_500);
    await pass(clock, 20_000);
    expect(shown.slice(600)).toEqual([701, 1, 702]);
    stop.abort(new Error('stopped'));
    expect(await following.catch(asIs)).toMatchObject({ message: expect.stringContaining('stopped') });
  });

  test('a row on one line', () => {
    expect(auditText(row(1, 0))).toBe(
      '1970-01-01T00:00:00.000Z user:alice exec.open server/web-1 denied PERMISSION_DENIED\n',
    );
    expect(auditText({ ...row(1, 0), resource: 'a\nb', phase: 'end', sourceIp: '::1', durationMs: 3.4 })).toBe(
      '1970-01-01T00:00:00.000Z user:alice exec.open(end) a\\nb denied PERMISSION_DENIED from ::1 3ms\n',
    );
  });
});
