import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { Link } from '@labmesh/link/link';
import { testHello, testHelloOk } from '@labmesh/link/testing/link-pair';
import { MemorySocket } from '@labmesh/link/testing/socket-pair';
import { openStore } from '@labmesh/store/open-store';
import type { PeerIdentity } from '@labmesh/pki/verify-peer';
import { system } from '@labmesh/wire/fleet/principal';
import type { Msg } from '@labmesh/wire/frame/messages';
import { DenyList } from '../ca/deny-list.ts';
import { EventLog } from '../events/event-log.ts';
import { BastionHub } from './bastion-hub.ts';

const id = '01900000-0000-7000-8000-0000000000b1';
const who = system('test');
const identity: PeerIdentity = {
  uri: `spiffe://labmesh.internal/bastion/${id}`,
  trustDomain: 'labmesh.internal',
  kind: 'bastion',
  id,
  serial: 'ab'.repeat(16),
  keyHash: 'cd'.repeat(32),
  issuerKey: 'ef'.repeat(32),
  notBefore: 0,
  notAfter: Date.now() + 3_600_000,
  isExpired: false,
};
const step = (stage: string, status = 'ok', attempt = 1): Msg => ({
  kind: 'bastion-progress',
  actionId: 'a1',
  mac: '52:54:00:00:00:01',
  attempt,
  stage,
  status,
  hostname: 'node-1',
});

async function openBastions(revokedAt: number | null = null) {
  const stack = new AsyncDisposableStack();
  const store = stack.use(await openStore({ url: 'sqlite::memory:' }));
  const row = { id, created_at: 1, name: 'b1', url: null, labels: '{}', last_seen_at: null, revoked_at: revokedAt };
  await store.write(who, (tx) => tx.insertInto('bastions').values(row).execute());
  const common = { store, clock: systemClock, log: silentLogger };
  const denyList = stack.use(await DenyList.open(common));
  const events = stack.use(new EventLog(common));
  const hub = stack.use(new BastionHub({ ...common, denyList, events, welcome: () => testHelloOk }));
  const [ours, theirs] = MemorySocket.pair();
  const heard: Msg[] = [];
  const ended = Promise.withResolvers<number>();
  const link = new Link(
    theirs,
    { msg: (_link, msg) => heard.push(msg), closed: (_link, code) => ended.resolve(code) },
    { side: 'odd' },
  );
  hub.accept(ours, identity);
  const greeted = link.hello({ ...testHello, kind: 'bastion', serverId: '' });
  greeted.catch(() => undefined);
  const machines = () => store.read(who, (db) => db.selectFrom('machines').selectAll().execute());
  return { stack, store, hub, link, greeted, heard, ended: ended.promise, machines, denyList };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200 && !(await holds()); i++) await Bun.sleep(10);
  expect(await holds()).toBe(true);
}

test('HB-12: progress is kept in order, and the same step told twice changes nothing', async () => {
  const { stack, link, greeted, machines } = await openBastions();
  await using _ = stack;
  await greeted;
  for (const one of [
    step('partition'),
    step('packages', 'running'),
    step('packages'),
    step('partition'),
    step('packages'),
  ])
    link.sendMsg(one);
  await until(async () => (await machines())[0]?.state === 'packages: ok');
  const [row] = await machines();
  expect(row).toMatchObject({ bastion_id: id, mac: '52:54:00:00:00:01', hostname: 'node-1', revision: 3 });
  link.sendMsg(step('partition', 'ok', 2));
  await until(async () => (await machines())[0]?.revision === 4);
});

test('what is wanted goes down to the bastion, and nowhere when it is away', async () => {
  const { stack, hub, link, greeted, heard } = await openBastions();
  await using _ = stack;
  await greeted;
  expect(hub.desire(id, { action: 'install' })).toBe(true);
  await until(async () => heard.length === 1);
  expect(heard[0]).toEqual({ kind: 'desired', desired: { action: 'install' } });
  link.close('goingAway');
  await until(async () => !hub.desire(id, {}));
});

test('a bastion tells nobody what to do, and a revoked one is not let in', async () => {
  const first = await openBastions();
  {
    await using _ = first.stack;
    await first.greeted;
    first.link.sendMsg({ kind: 'end-sessions', sessions: [], reason: 'x' });
    expect(await first.ended).toBe(4400);
  }
  const second = await openBastions(5);
  await using _ = second.stack;
  expect(await thrower(second.greeted)).toThrow();
  expect(await second.ended).toBe(4403);
});

test('CA-8: a denied bastion is cut', async () => {
  const { stack, store, greeted, ended, denyList } = await openBastions();
  await using _ = stack;
  await greeted;
  await store.write(who, (tx) => denyList.deny(tx, 'identity', identity.uri, 'test'));
  await denyList.poll();
  expect(await ended).toBe(4403);
});
