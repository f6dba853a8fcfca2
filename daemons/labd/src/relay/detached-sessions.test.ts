import { afterEach, beforeEach, expect, test } from 'bun:test';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { openSchema } from '@labmesh/wire/frame/open';
import { uuidv7 } from '@labmesh/wire/ids';
import { DetachedSessions } from './detached-sessions.ts';
import { detachSession, endingOf, endSession, findSession, insertSession } from './session-rows.ts';

const tester = system('test');
const agentId = uuidv7();
let store: Store;
let adopted: string[];
let here: Set<string>;
let live: string[];
beforeEach(async () => {
  store = await openStore({ url: 'sqlite::memory:', log: silentLogger });
  [adopted, here, live] = [[], new Set(), []];
});
afterEach(() => store[Symbol.asyncDispose]());

/** A detached session, and its parts as [replica, whether it has ended]. */
async function session(parts: readonly [string, boolean][], detach = true): Promise<string> {
  const id = uuidv7();
  const open = openSchema.parse({ kind: 'exec', server: 'web-1', shell: 'sleep 60', detach });
  const principal = { kind: 'user', id: 'u1', name: 'ada' } as const;
  await store.write(tester, async (tx) => {
    await insertSession(tx, { id, open, serverId: 's1', agentId, principal, token: 't', now: 1 });
    for (const [part, [replica, isOver]] of parts.entries()) {
      const row = { id: uuidv7(), created_at: 1, session_id: id, replica_id: replica, part, url: 'file:x', bytes: 0 };
      const more = { sha256: null, sealed_key: '', ended_at: isOver ? 2 : null };
      await tx
        .insertInto('recordings')
        .values({ ...row, ...more })
        .execute();
    }
  });
  return id;
}

async function look(holder = agentId): Promise<string[]> {
  await using sessions = new DetachedSessions({
    store,
    clock: systemClock,
    log: silentLogger,
    hub: { find: (id) => (id === holder ? ({} as never) : undefined) },
    replicas: { others: () => live.map((id) => ({ id }) as never) },
    replicaId: 'a',
    isHere: (id) => here.has(id),
    adopt: async (row) => void adopted.push(row.id),
  });
  await sessions.look();
  return adopted;
}

test('EX-8: a session whose replica is gone is taken over where its agent is', async () => {
  const id = await session([['b', false]]);
  live = ['c'];
  expect(await look()).toEqual([id]);
});

test('what another replica still records is left alone, and so is what it has just taken over', async () => {
  await session([['b', false]]);
  await session([
    ['c', true],
    ['b', false],
  ]);
  live = ['b'];
  expect(await look()).toEqual([]);
});

test('RP-2: a replica that came back does not know it any more: its part has an end', async () => {
  const ended = await session([['b', true]]);
  const own = await session([['a', false]]);
  live = ['b'];
  expect((await look()).toSorted()).toEqual([ended, own].toSorted());
});

test('nothing is taken that is here, not detached, not recorded, over, or of an agent elsewhere', async () => {
  here.add(await session([['a', false]]));
  await session([['b', false]], false);
  await session([]);
  const over = await session([['b', false]]);
  const report = { session: over, exit: undefined, close: { reason: 'killed', text: '' } } as const;
  await store.write(tester, (tx) => endSession(tx, report, 5, null));
  expect(endingOf((await findSession(store, tester, over))!)).toEqual({ reason: 'killed', text: '' });
  expect(await look()).toEqual([]);
  await session([['b', false]]);
  expect(await look('another agent')).toEqual([]);
});

test('EX-8: a session that its client left in the middle is one of them', async () => {
  const id = await session([['b', false]], false);
  expect(endingOf((await findSession(store, tester, id))!)).toBeUndefined();
  await detachSession(store, id);
  expect(await look()).toEqual([id]);
});
