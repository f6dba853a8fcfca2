import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { Link, type LinkHandlers } from '@labmesh/link/link';
import { testHello } from '@labmesh/link/testing/link-pair';
import { MemorySocket } from '@labmesh/link/testing/socket-pair';
import { helloSchema } from '@labmesh/wire/frame/messages';
import type { DenyList } from '../ca/deny-list.ts';
import type { Caller } from '../login/caller.ts';
import { ClientSockets } from './client-sockets.ts';
import type { SessionService } from './session-service.ts';

const options = {
  channelsMax: 4,
  windowBytes: 1_024,
  windowBytesMax: 1_024,
  socketBufferMax: 1_048_576,
  heartbeatMs: 30_000,
};
const turn = () => Bun.sleep(5);

let denied: string | undefined;
let changed: () => void;
let revoked: Set<string>;
let clients: ClientSockets;

function openSockets(own: typeof options): ClientSockets {
  const denyList = {
    check: ({ serial }: { serial?: string }) => (serial !== undefined && serial === denied ? 'serial' : undefined),
    onChange: (fn: () => void) => {
      changed = fn;
      return () => undefined;
    },
  } as unknown as DenyList;
  const sessions = { first: () => undefined } as unknown as SessionService;
  return new ClientSockets({
    sessions,
    denyList,
    revoked,
    replicaId: 'r1',
    options: own,
    clock: systemClock,
    log: silentLogger,
  });
}

beforeEach(() => {
  denied = undefined;
  revoked = new Set();
  clients = openSockets(options);
});
afterEach(() => clients[Symbol.asyncDispose]());

function connect(more: Partial<Caller>) {
  const caller: Caller = { principal: { kind: 'user', id: 'u1', name: 'ann' }, sourceIp: '', requestId: 'r', ...more };
  const [labd, own] = MemorySocket.pair();
  const seen: { closed?: number; goaways: number } = { goaways: 0 };
  const handlers: LinkHandlers = {
    closed: (_link, code) => void (seen.closed = code),
    goaway: () => void seen.goaways++,
  };
  clients.accept(labd, caller);
  const link = new Link(own, handlers, { side: 'odd' });
  const greeted = link.hello({ ...testHello, kind: 'client', serverId: '' }).catch(() => undefined);
  return { link, seen, greeted };
}

test.each([
  [30_000, 10_000],
  [2_000, 2_000],
])('where agents say each %d ms that they live, clients are asked to each %d ms', async (heartbeatMs, expected) => {
  await clients[Symbol.asyncDispose]();
  clients = openSockets({ ...options, heartbeatMs });
  const { link, greeted } = connect({});
  expect((await greeted)?.heartbeatMs).toBe(expected);
  link.close('goingAway');
});

describe('CA-8 revoked', () => {
  test('what was denied between the look at the upgrade and the socket is cut at its first frame', async () => {
    denied = 's1';
    const { seen } = connect({ serial: 's1', keyHash: 'k' });
    await turn();
    expect([seen.closed, clients.size]).toEqual([4403, 0]);
  });

  test('a change cuts the sockets of who is denied, and no others', async () => {
    const [ann, bob] = [connect({ serial: 's1' }), connect({ serial: 's2' })];
    await Promise.all([ann.greeted, bob.greeted]);
    denied = 's1';
    changed();
    await turn();
    expect([ann.seen.closed, bob.seen.closed, clients.size]).toEqual([4403, undefined, 1]);
  });

  test('an ended login takes its sockets along', async () => {
    const [ann, bob] = [connect({ session: 'l1' }), connect({ session: 'l2' })];
    await Promise.all([ann.greeted, bob.greeted]);
    clients.endLogin('l1');
    await turn();
    expect([ann.seen.closed, bob.seen.closed]).toEqual([4403, undefined]);
  });
});

test('RB-11 a login that was ended between the look at its row and the socket gets none', async () => {
  revoked.add('l1');
  const [ann, bob] = [connect({ session: 'l1' }), connect({ session: 'l2' })];
  await Promise.all([ann.greeted, bob.greeted]);
  expect([ann.seen.closed, bob.seen.closed, clients.size]).toEqual([4403, undefined, 1]);
});

test('LD-4 whose proof has run out is asked once to come back with another, and is not cut', async () => {
  const [over, good] = [connect({ expiresAt: Date.now() - 1 }), connect({ expiresAt: Date.now() + 60_000 })];
  await Promise.all([over.greeted, good.greeted]);
  clients.beat();
  clients.beat();
  await turn();
  expect([over.seen, good.seen]).toEqual([{ goaways: 1 }, { goaways: 0 }]);
  expect(over.link.isUp).toBe(true);
});

test('HB-3 a HELLO whose texts no store would take is none', () => {
  for (const text of ['\0', 'a\0b', '\u001b[2J', 'ü'])
    for (const field of ['version', 'bundle', 'arch'])
      expect(helloSchema.safeParse({ ...testHello, [field]: text }).success).toBe(false);
  expect(helloSchema.safeParse(testHello).success).toBe(true);
});
