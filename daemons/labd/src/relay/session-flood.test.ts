import { expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import type { RawChannel } from '@labmesh/link/raw-channel';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { openSchema } from '@labmesh/wire/frame/open';
import type { Caller } from '../login/caller.ts';
import type { SessionServiceParts } from './session-parts.ts';
import { SessionService } from './session-service.ts';

const open = openSchema.parse({ kind: 'logs', server: 'web-1' });
const callerOf = (id: string): Caller => ({
  principal: { kind: 'user', id, name: id },
  sourceIp: '',
  requestId: 'r',
});

test('AU-4 one identity cannot fill the audit queue with OPENs; others go on', async () => {
  const gate = Promise.withResolvers<undefined>();
  const rows: unknown[] = [];
  const noted: unknown[] = [];
  const parts = {
    clock: new FakeClock(),
    log: silentLogger,
    denyList: { assertFresh: () => undefined, onChange: () => () => undefined },
    policies: { onChange: () => () => undefined, mayAny: () => true },
    // Nothing is found, but slowly.
    view: { find: () => gate.promise },
    audit: {
      append: async (entry: unknown) => ({ seq: rows.push(entry) }),
      note: (entry: unknown) => noted.push(entry),
    },
  };
  await using sessions = new SessionService(parts as unknown as SessionServiceParts);
  const closed: string[] = [];
  const ask = (id: string) =>
    sessions.first(
      callerOf(id),
      { close: (reason: string) => closed.push(`${id} ${reason}`) } as unknown as RawChannel,
      {
        type: 'open',
        open,
      },
    );
  for (let i = 0; i < 5_000; i++) ask('ann');
  ask('bob');
  expect(closed.length).toBe(5_000 - 1_024);
  expect(new Set(closed)).toEqual(new Set(['ann limit']));
  // That it was too many is a row, once.
  expect(noted).toMatchObject([
    { action: 'logs.open', resource: 'server/web-1', result: 'error', code: 'RATE_LIMITED' },
  ]);
  gate.resolve(undefined);
  await Bun.sleep(20);
  expect(rows).toHaveLength(1_025);
  expect(closed.at(-1)).toBe('bob not-found');
  ask('ann');
  await Bun.sleep(5);
  expect(closed.at(-1)).toBe('ann not-found');
});

test('LD-4 a proof that has run out opens nothing, and that is a row', async () => {
  const rows: { code?: string }[] = [];
  const clock = new FakeClock();
  const parts = {
    clock,
    log: silentLogger,
    denyList: { assertFresh: () => undefined, onChange: () => () => undefined },
    policies: { onChange: () => () => undefined },
    view: { find: async () => undefined },
    audit: { append: async (entry: { code?: string }) => ({ seq: rows.push(entry) }) },
  };
  await using sessions = new SessionService(parts as unknown as SessionServiceParts);
  const closed: string[] = [];
  const raw = { close: (reason: string, text: string) => closed.push(`${reason}: ${text}`) } as unknown as RawChannel;
  sessions.first({ ...callerOf('ann'), expiresAt: clock.wall() }, raw, { type: 'open', open });
  await Bun.sleep(5);
  expect([closed, rows.map(({ code }) => code)]).toEqual([
    ['denied: this login has expired: labctl login'],
    ['denied'],
  ]);
});

test('AU-4 a deny list that is too old opens nothing, and that is a row, once a minute', async () => {
  const rows: { code?: string }[] = [];
  const clock = new FakeClock();
  const stale = () => {
    throw new FleetError('REVOCATION_STALE');
  };
  const parts = {
    clock,
    log: silentLogger,
    denyList: { assertFresh: stale, onChange: () => () => undefined },
    policies: { onChange: () => () => undefined },
    audit: { note: (entry: { code?: string }) => rows.push(entry) },
  };
  await using sessions = new SessionService(parts as unknown as SessionServiceParts);
  const raw = { close: () => undefined } as unknown as RawChannel;
  const ask = async () => {
    sessions.first(callerOf('ann'), raw, { type: 'open', open });
    await Bun.sleep(2);
  };
  await ask();
  await ask();
  expect(rows.map(({ code }) => code)).toEqual(['REVOCATION_STALE']);
  await clock.advance(61_000);
  await ask();
  expect(rows).toHaveLength(2);
});

test.each([
  ['ended', ['revoked'], 0],
  ['other', [], 1],
])('RB-11 a login that is %s while its OPEN is judged: %p', async (login, expected, reached) => {
  const revoked = new Set<string>();
  const rows: { phase?: string; code?: string }[] = [];
  const asked: unknown[] = [];
  const agent = { adopt: () => undefined, close: () => undefined };
  const parts = {
    clock: new FakeClock(),
    log: silentLogger,
    denyList: { assertFresh: () => undefined, onChange: () => () => undefined },
    policies: { onChange: () => () => undefined, mayAny: () => true, decide: () => ({ allowed: true }) },
    view: { find: async () => ({ row: { id: 's1', agentId: 'a1', hostname: 'web-1' }, targetLabels: {} }) },
    audit: {
      append: async (entry: { phase?: string; code?: string }) => {
        // Between the cut of what stood and the session that is not there yet.
        revoked.add('ended');
        return { seq: rows.push(entry) };
      },
    },
    routes: { hub: { find: () => ({ link: { open: (first: unknown) => (asked.push(first), agent) } }) } },
    revoked,
    orphanTtlMs: 60_000,
  };
  await using sessions = new SessionService(parts as unknown as SessionServiceParts);
  const closed: string[] = [];
  const begun = Promise.withResolvers<undefined>();
  const raw = {
    adopt: () => begun.resolve(undefined),
    close: (reason: string) => {
      closed.push(reason);
      begun.resolve(undefined);
    },
  } as unknown as RawChannel;
  sessions.first({ ...callerOf('ann'), session: login }, raw, { type: 'open', open });
  await begun.promise;
  await Bun.sleep(0);
  expect([closed, asked.length, sessions.live.size]).toEqual([expected, reached, reached]);
});
