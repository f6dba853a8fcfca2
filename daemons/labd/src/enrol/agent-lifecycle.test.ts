import { describe, expect, test } from 'bun:test';
import { system } from '@labmesh/wire/fleet/principal';
import { codeOf, localRoot, newRequest } from '../login/testing/callers.ts';
import { testDomain } from '../login/testing/replica-ca.ts';
import { approveAgent, deleteAgent, retireServer } from './agent-lifecycle.ts';
import { banServer, unbanServer } from './ban.ts';
import { reenroll } from './reenroll.ts';
import { renew } from './renew.ts';
import {
  agentRow,
  asAgent,
  count,
  type Fleet,
  hear,
  join,
  newMachine,
  newToken,
  openFleet,
  otherKey,
  serverRow,
} from './testing/fleet.ts';

const minute = 60_000;

/** A machine that joined. */
async function joined(fleet: Fleet) {
  const machine = await newMachine();
  const { answer, note } = await join(fleet, await newToken(fleet), machine);
  return { machine, ...answer, serial: String(note.details?.['serial']) };
}
const approve = (fleet: Fleet, ref: string, revision?: number) =>
  approveAgent(localRoot, ref, fleet.lifecycle, revision);

describe('waiting for an operator (JT-2, JT-7)', () => {
  test('held, shown as waiting, let in by approval; the key that waited gets the certificate, and no other', async () => {
    await using fleet = await openFleet();
    const token = await newToken(fleet, { approve: true });
    const machine = await newMachine();
    expect(await codeOf(join(fleet, token, machine))).toBe('WAITING_APPROVAL');
    expect(await codeOf(join(fleet, token, machine))).toBe('WAITING_APPROVAL');
    expect([await count(fleet, 'servers'), await count(fleet, 'certificates')]).toEqual([1, 0]);
    const { agentId, serverId, keyHash } = await approve(fleet, machine.hostname);
    expect(keyHash).toBe(machine.keyHash);
    expect(await codeOf(join(fleet, token, await otherKey(machine)))).toBe('TOKEN_USED');
    // Much later than the token and its repetition lasted: an approval is worth what the operator said.
    await fleet.clock.advance(2 * 24 * 60 * minute);
    const { answer, note } = await join(fleet, token, machine);
    expect([answer.serverId, answer.agentId]).toEqual([serverId, agentId]);
    expect(note.details).toMatchObject({ how: 'approved' });
    expect((await serverRow(fleet, serverId)).status).toBe('active');
    expect((await join(fleet, token, machine)).answer).toEqual(answer);
    expect(await codeOf(approve(fleet, machine.hostname))).toBe('CONFLICT');
  });

  test('an operator approves what they looked at: a request that came since is another (revision)', async () => {
    await using fleet = await openFleet();
    const token = await newToken(fleet, { approve: true, type: 'reusable' });
    const machine = await newMachine();
    await codeOf(join(fleet, token, machine));
    const { agentId } = await approve(fleet, machine.hostname);
    const seen = await agentRow(fleet, agentId);
    const thief = await otherKey(machine);
    expect(await codeOf(join(fleet, token, thief))).toBe('WAITING_APPROVAL');
    expect(await codeOf(approve(fleet, machine.hostname, seen?.revision))).toBe('STALE_REVISION');
    // The earlier yes was for the earlier key.
    expect(await codeOf(join(fleet, token, thief))).toBe('WAITING_APPROVAL');
  });

  test('approve on a known server: it lives on until then, and is out afterwards', async () => {
    await using fleet = await openFleet();
    const first = await joined(fleet);
    const token = await newToken(fleet, { approve: true });
    const second = { ...(await otherKey(first.machine)), machineId: 'f'.repeat(32) };
    expect(await codeOf(join(fleet, token, second))).toBe('WAITING_APPROVAL');
    const caller = await asAgent(fleet, first.agentId);
    const renewed = await newRequest();
    expect(await codeOf(renew(caller, { csrPem: renewed.csrPem }, fleet.renewing))).toBe('none');
    expect(await codeOf(join(fleet, token, second))).toBe('WAITING_APPROVAL');
    await approve(fleet, first.machine.hostname);
    const { answer } = await join(fleet, token, second);
    expect(answer.serverId).toBe(first.serverId);
    expect(fleet.denials.check({ serial: first.serial })).toBe('serial');
    expect((await serverRow(fleet, first.serverId)).machine_id).toBe('f'.repeat(32));
    expect((await agentRow(fleet, first.agentId))?.key_hash).toBe(second.keyHash);
  });

  test('two live machines of one machine id: the second waits, and becomes a server of its own', async () => {
    await using fleet = await openFleet();
    const first = await joined(fleet);
    await hear(fleet, first.serverId);
    const clone = { ...(await newMachine()), machineId: first.machine.machineId };
    const token = await newToken(fleet);
    expect(await codeOf(join(fleet, token, clone))).toBe('WAITING_APPROVAL');
    await approve(fleet, clone.hostname);
    const { answer } = await join(fleet, token, clone);
    expect(answer.serverId).not.toBe(first.serverId);
    expect((await serverRow(fleet, first.serverId)).machine_id).toBe(first.machine.machineId);
    expect((await serverRow(fleet, answer.serverId)).machine_id).toBeNull();
    expect(fleet.denials.check({ serial: first.serial })).toBeUndefined();
  });

  test('a waiting request is told once, however often the machine asks', async () => {
    await using fleet = await openFleet();
    const token = await newToken(fleet, { approve: true });
    const machine = await newMachine();
    for (let n = 0; n < 3; n++) await codeOf(join(fleet, token, machine));
    const events = await fleet.store.read(system('test'), (db) => db.selectFrom('events').selectAll().execute());
    expect(events.map(({ type }) => type)).toEqual(['server-waiting']);
    expect(JSON.parse(events[0]?.details ?? '')).toEqual({ hostname: machine.hostname, keyHash: machine.keyHash });
  });

  test('approve ends a conflict (HB-10)', async () => {
    await using fleet = await openFleet();
    const { machine, serverId } = await joined(fleet);
    await fleet.store.write(system('test'), (tx) =>
      tx.updateTable('servers').set({ status: 'conflict' }).where('id', '=', serverId).execute(),
    );
    await approve(fleet, machine.hostname);
    expect((await serverRow(fleet, serverId)).status).toBe('active');
  });

  test('an agent that came back too late and is sent away keeps its server', async () => {
    await using fleet = await openFleet();
    const { machine, serverId, agentId } = await joined(fleet);
    const caller = await asAgent(fleet, agentId);
    await fleet.clock.advance(40 * 24 * 60 * minute);
    const { csrPem } = await newRequest();
    expect(await codeOf(reenroll(caller, { csrPem }, fleet.reenrolling))).toBe('WAITING_APPROVAL');
    expect((await serverRow(fleet, serverId)).status).toBe('waiting-approval');
    await deleteAgent(localRoot, machine.hostname, fleet.lifecycle);
    expect((await serverRow(fleet, serverId)).hostname).toBe(machine.hostname);
    const { answer } = await join(fleet, await newToken(fleet), await otherKey(machine));
    expect(answer.serverId).toBe(serverId);
    expect((await serverRow(fleet, serverId)).status).toBe('active');
  });

  test('sent away: the waiting server goes, and its token is used', async () => {
    await using fleet = await openFleet();
    const token = await newToken(fleet, { approve: true });
    const machine = await newMachine();
    await codeOf(join(fleet, token, machine));
    await deleteAgent(localRoot, machine.hostname, fleet.lifecycle);
    expect(await count(fleet, 'servers')).toBe(0);
    expect(await codeOf(join(fleet, token, machine))).toBe('TOKEN_USED');
  });
});

describe('deleted is not banned (CA-9, spire#1257)', () => {
  test('a deleted agent is out at once and joins again by token, as the same server', async () => {
    await using fleet = await openFleet();
    const { machine, serverId, agentId, serial } = await joined(fleet);
    const caller = await asAgent(fleet, agentId);
    await deleteAgent(localRoot, machine.hostname, fleet.lifecycle);
    expect(fleet.denials.check({ serial })).toBe('serial');
    expect(await agentRow(fleet, agentId)).toBeUndefined();
    const { csrPem } = await newRequest();
    expect(await codeOf(renew(caller, { csrPem }, fleet.renewing))).toBe('UNAUTHENTICATED');
    expect(await codeOf(reenroll(caller, { csrPem }, fleet.reenrolling))).toBe('UNAUTHENTICATED');
    for (const again of [machine, await otherKey(machine)]) {
      const { answer, note } = await join(fleet, await newToken(fleet), again);
      expect(answer.serverId).toBe(serverId);
      expect(answer.agentId).not.toBe(agentId);
      expect(fleet.denials.check({ serial: String(note.details?.['serial']), keyHash: again.keyHash })).toBeUndefined();
      await deleteAgent(localRoot, machine.hostname, fleet.lifecycle);
    }
  });

  test('a banned server: key, machine and identity are refused until unban, whatever the token', async () => {
    await using fleet = await openFleet();
    const { machine, serverId, agentId } = await joined(fleet);
    const caller = await asAgent(fleet, agentId);
    await banServer(localRoot, machine.hostname, fleet.lifecycle, 'stolen');
    await banServer(localRoot, serverId, fleet.lifecycle, 'stolen');
    const identity = `spiffe://${testDomain}/agent/${agentId}`;
    expect(fleet.denials.check({ keyHash: machine.keyHash })).toBe('key');
    expect(fleet.denials.check({ machineId: machine.machineId })).toBe('machine');
    expect(fleet.denials.check({ identity })).toBe('identity');
    const { csrPem } = await newRequest();
    expect(await codeOf(renew(caller, { csrPem }, fleet.renewing))).toBe('BANNED');
    expect(await codeOf(reenroll(caller, { csrPem }, fleet.reenrolling))).toBe('BANNED');
    const tries = [
      await otherKey(machine),
      { ...(await newMachine()), machineId: machine.machineId },
      { ...(await newMachine()), macs: machine.macs },
      { ...(await newMachine()), csrPem: machine.csrPem },
    ];
    for (const machine of tries)
      for (const token of [{}, { takeover: true }, { approve: true }])
        expect(await codeOf(join(fleet, await newToken(fleet, token), machine))).toBe('BANNED');
    expect(await codeOf(deleteAgent(localRoot, machine.hostname, fleet.lifecycle))).toBe('BANNED');
    expect(await codeOf(retireServer(localRoot, machine.hostname, fleet.lifecycle))).toBe('BANNED');
  });

  test('unban: the agent goes on with the certificate it has', async () => {
    await using fleet = await openFleet();
    const { machine, serverId, agentId, serial } = await joined(fleet);
    expect(await codeOf(unbanServer(localRoot, serverId, fleet.lifecycle))).toBe('CONFLICT');
    await banServer(localRoot, serverId, fleet.lifecycle, 'by mistake');
    await unbanServer(localRoot, machine.hostname, fleet.lifecycle);
    const identity = `spiffe://${testDomain}/agent/${agentId}`;
    const { machineId, keyHash } = machine;
    expect(fleet.denials.check({ serial, identity, keyHash, machineId })).toBeUndefined();
    expect((await serverRow(fleet, serverId)).status).toBe('active');
    const { csrPem } = await newRequest();
    expect(await codeOf(renew(await asAgent(fleet, agentId), { csrPem }, fleet.renewing))).toBe('none');
  });

  test('unban lifts its own ban only: what was denied for another reason stays', async () => {
    await using fleet = await openFleet();
    const { machine, serverId } = await joined(fleet);
    await fleet.store.write(system('test'), (tx) => fleet.denials.deny(tx, 'key', machine.keyHash, 'key leaked'));
    await banServer(localRoot, serverId, fleet.lifecycle, 'and banned');
    await unbanServer(localRoot, serverId, fleet.lifecycle);
    expect(fleet.denials.check({ keyHash: machine.keyHash })).toBe('key');
    expect(fleet.denials.check({ machineId: machine.machineId })).toBeUndefined();
  });

  test('a retired server keeps its row and comes back by token', async () => {
    await using fleet = await openFleet();
    const { machine, serverId, serial } = await joined(fleet);
    await retireServer(localRoot, machine.hostname, fleet.lifecycle);
    expect(await serverRow(fleet, serverId)).toMatchObject({ status: 'retired', retired_at: fleet.clock.wall() });
    expect(fleet.denials.check({ serial })).toBe('serial');
    const { answer } = await join(fleet, await newToken(fleet), await otherKey(machine));
    expect(answer.serverId).toBe(serverId);
    expect(await serverRow(fleet, serverId)).toMatchObject({ status: 'active', retired_at: null });
  });

  test('unknown ones are not found', async () => {
    await using fleet = await openFleet();
    for (const act of [deleteAgent, retireServer, unbanServer])
      expect(await codeOf(act(localRoot, 'nobody', fleet.lifecycle))).toBe('NOT_FOUND');
    expect(await codeOf(banServer(localRoot, 'nobody', fleet.lifecycle, ''))).toBe('NOT_FOUND');
    expect(await codeOf(approve(fleet, 'nobody'))).toBe('NOT_FOUND');
  });
});
