import { describe, expect, test } from 'bun:test';
import { parseCsr } from '@labmesh/pki/csr';
import { enrollSchema } from '@labmesh/wire/fleet/enrolment';
import { system } from '@labmesh/wire/fleet/principal';
import { tokenScopeSchema } from '@labmesh/wire/fleet/tokens';
import { codeOf, newRequest } from '../login/testing/callers.ts';
import { pendingState, waitingApproval } from './agent-certificates.ts';
import { refuseDenied } from './denied.ts';
import { aliveMs, findAgent, knownServers, ownMacs, writeServer } from './server-rows.ts';
import { type Fleet, hear, join, newMachine, newToken, openFleet, serverRow } from './testing/fleet.ts';

const self = system('test');

async function body(more: object = {}) {
  const { keyHash: _, ...machine } = await newMachine();
  return enrollSchema.parse({ ...machine, token: 'x', ...more });
}
const write = (fleet: Fleet, machine: Awaited<ReturnType<typeof body>>, known?: string, scope: object = {}) =>
  fleet.store.write(self, (tx) =>
    writeServer(tx, machine, known, {
      status: 'active',
      machineId: machine.machineId,
      ip: '192.0.2.7',
      scope: tokenScopeSchema.parse(scope),
      now: fleet.clock.wall(),
    }),
  );

describe('rows of servers', () => {
  test('known by machine id, host name or any MAC; nobody else is', async () => {
    await using fleet = await openFleet();
    const machine = await body({ macs: ['52:54:00:aa:00:01', '52:54:00:aa:00:02'] });
    const id = await write(fleet, machine);
    await write(fleet, await body());
    const known = async (more: object) => {
      const asked = { ...(await body()), ...more };
      return (await fleet.store.read(self, (db) => knownServers(db, asked, 0))).map(({ serverId }) => serverId);
    };
    expect(await known({})).toEqual([]);
    expect(await known({ hostname: machine.hostname })).toEqual([id]);
    expect(await known({ machineId: machine.machineId })).toEqual([id]);
    expect(await known({ macs: ['52:54:00:aa:00:02'] })).toEqual([id]);
    expect(await known({ macs: ['52:54:00:aa:00:03', '52:54:00:aa:00:01'] })).toEqual([id]);
    // A MAC is looked for whole: its halves in two others are not it.
    expect(await known({ macs: ['54:00:aa:00:01:52'] })).toEqual([]);
  });

  test('alive for 30 s after it was heard of', async () => {
    await using fleet = await openFleet();
    const { answer } = await join(fleet, await newToken(fleet), await newMachine());
    const { hostname } = await serverRow(fleet, answer.serverId);
    await hear(fleet, answer.serverId);
    const alive = async () => {
      const asked = { ...(await body()), hostname };
      const [found] = await fleet.store.read(self, (db) => knownServers(db, asked, fleet.clock.wall()));
      return found?.isAlive;
    };
    expect(await alive()).toBe(true);
    await fleet.clock.advance(aliveMs - 1);
    expect(await alive()).toBe(true);
    await fleet.clock.advance(1);
    expect(await alive()).toBe(false);
  });

  test('a known row keeps what neither the machine nor the token names', async () => {
    await using fleet = await openFleet();
    const machine = await body({ facts: { os: 'linux' } });
    const id = await write(fleet, machine, undefined, { role: 'worker', cloud: 'lab', labels: { a: '1' } });
    const { facts: _, ...silent } = machine;
    expect(await write(fleet, silent, id, { cloud: 'other', labels: { b: '2' } })).toBe(id);
    const row = await serverRow(fleet, id);
    expect(row).toMatchObject({ role: 'worker', cloud: 'other', environment: null, revision: 2 });
    expect(JSON.parse(row.facts ?? '')).toEqual({ os: 'linux' });
    const labels = await fleet.store.read(self, (db) => db.selectFrom('server_labels').selectAll().execute());
    expect(labels).toEqual([{ server_id: id, key: 'b', value: '2', source: 'token' }]);
  });

  test('MACs once each, without those that say nothing', () => {
    const macs = ['52:54:00:aa:00:01', '00:00:00:00:00:00', '52:54:00:aa:00:01', 'ff:ff:ff:ff:ff:ff'];
    expect(ownMacs(macs)).toEqual(['52:54:00:aa:00:01']);
  });

  test('an agent by its id, its server’s id or host name', async () => {
    await using fleet = await openFleet();
    const machine = await newMachine();
    const { answer } = await join(fleet, await newToken(fleet), machine);
    for (const ref of [answer.agentId, answer.serverId, machine.hostname])
      expect((await fleet.store.read(self, (db) => findAgent(db, ref))).id).toBe(answer.agentId);
    expect(await codeOf(fleet.store.read(self, (db) => findAgent(db, 'nobody')))).toBe('NOT_FOUND');
  });
});

describe('what waits, and what is denied', () => {
  test('a request waits for its own key only', async () => {
    const [mine, other] = [await newRequest(), await newRequest()];
    const state = (pending_csr: string | null, approved_at: number | null) =>
      pendingState({ pending_csr, approved_at }, mine.keyHash);
    expect(parseCsr(mine.csrPem).keyHash).toBe(mine.keyHash);
    expect(state(null, null)).toBe('none');
    expect(state(null, 1)).toBe('none');
    expect(state(other.csrPem, 1)).toBe('other');
    expect(state(mine.csrPem, null)).toBe('waiting');
    expect(state(mine.csrPem, 1)).toBe('approved');
    expect(waitingApproval('web-1')).toMatchObject({ code: 'WAITING_APPROVAL', hint: 'labctl approve agent/web-1' });
  });

  test('serial and identity are revoked, key and machine banned; lifted is neither', async () => {
    await using fleet = await openFleet();
    const check = (subject: object) => codeOf(fleet.store.read(self, (db) => refuseDenied(db, subject)));
    const deny = (kind: 'serial' | 'identity' | 'key' | 'machine', value: string) =>
      fleet.store.write(self, (tx) => fleet.denials.deny(tx, kind, value, 'test'));
    for (const kind of ['serial', 'identity', 'key', 'machine'] as const) await deny(kind, 'x');
    expect(await check({ serial: 'x' })).toBe('REVOKED');
    expect(await check({ identity: 'x' })).toBe('REVOKED');
    expect(await check({ keyHash: 'x' })).toBe('BANNED');
    expect(await check({ machineId: 'x', serial: 'x' })).toBe('BANNED');
    expect(await check({ serial: 'y', keyHash: 'y' })).toBe('none');
    await fleet.store.write(self, (tx) => fleet.denials.lift(tx, 'key', 'x'));
    expect(await check({ keyHash: 'x' })).toBe('none');
  });
});
