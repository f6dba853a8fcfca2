import { describe, expect, test } from 'bun:test';
import { system } from '@labmesh/wire/fleet/principal';
import type { Caller } from '../login/caller.ts';
import { asUser, codeOf, localRoot, newRequest, stranger } from '../login/testing/callers.ts';
import { approveAgent } from './agent-lifecycle.ts';
import { reenroll } from './reenroll.ts';
import { renew } from './renew.ts';
import { agentRow, asAgent, type Fleet, join, newMachine, newToken, openFleet, serverRow } from './testing/fleet.ts';

const hour = 3_600_000;
const day = 24 * hour;

async function joined(fleet: Fleet, kind: 'agent' | 'bastion' | 'service' = 'agent') {
  const machine = await newMachine();
  const { answer } = await join(fleet, await newToken(fleet, { kind }), machine);
  const caller: Caller = { ...(await asAgent(fleet, answer.agentId)) };
  caller.principal = { ...caller.principal, kind };
  return { machine, ...answer, caller };
}

/** The caller after a renewal: over its new certificate. */
const over = async (fleet: Fleet, caller: Caller): Promise<Caller> => ({
  ...(await asAgent(fleet, caller.principal.id)),
  principal: caller.principal,
});
const back = (fleet: Fleet, caller: Caller, csrPem: string) => codeOf(reenroll(caller, { csrPem }, fleet.reenrolling));

describe('renewal (CA-6)', () => {
  test('a new key each time, over the live identity; the agent’s last key is the new one', async () => {
    await using fleet = await openFleet();
    const { agentId, caller: first } = await joined(fleet);
    let caller = first;
    for (let n = 0; n < 3; n++) {
      await fleet.clock.advance(12 * hour);
      const { csrPem, keyHash } = await newRequest();
      const { answer, note } = await renew(caller, { csrPem }, fleet.renewing);
      expect(Date.parse(answer.expiresAt)).toBe(fleet.clock.wall() + day);
      expect(note).toMatchObject({ resourceId: agentId });
      expect((await agentRow(fleet, agentId))?.key_hash).toBe(keyHash);
      caller = await over(fleet, caller);
    }
  });

  test('half life, give or take 1/20 of life; the same key twice is the same certificate', async () => {
    await using fleet = await openFleet();
    const { caller } = await joined(fleet);
    const { csrPem } = await newRequest();
    const first = await renew(caller, { csrPem }, fleet.renewing);
    const again = await renew(caller, { csrPem }, fleet.renewing);
    expect(again.answer).toEqual(first.answer);
    const half = Date.parse(first.answer.renewAfter) - fleet.clock.wall();
    expect(half).toBeGreaterThanOrEqual(12 * hour - 1.2 * hour);
    expect(half).toBeLessThanOrEqual(12 * hour + 1.2 * hour);
  });

  test('users, bastions and services renew here too; strangers, labd and nodes do not', async () => {
    await using fleet = await openFleet();
    const { csrPem } = await newRequest();
    for (const kind of ['bastion', 'service'] as const) {
      const { caller } = await joined(fleet, kind);
      const request = await newRequest();
      expect(await codeOf(renew(caller, { csrPem: request.csrPem }, fleet.renewing))).toBe('none');
    }
    const { user, token } = await fleet.users.create(localRoot, { name: 'alice', roles: [] });
    const first = await newRequest();
    await fleet.userEnrol.enroll(stranger, { token, csrPem: first.csrPem });
    const alice = asUser(user, { keyHash: first.keyHash });
    expect(await codeOf(renew(alice, { csrPem }, fleet.renewing))).toBe('none');
    expect(await codeOf(renew(stranger, { csrPem }, fleet.renewing))).toBe('UNAUTHENTICATED');
    const labd: Caller = { ...stranger, principal: { kind: 'labd', id: 'r1', name: 'r1' }, keyHash: 'x' };
    expect(await codeOf(renew(labd, { csrPem }, fleet.renewing))).toBe('PERMISSION_DENIED');
  });

  test('a service that was disabled or deleted renews no more', async () => {
    await using fleet = await openFleet();
    const { caller, machine } = await joined(fleet, 'service');
    const { csrPem } = await newRequest();
    await fleet.users.patch(localRoot, machine.hostname, { disabled: true });
    expect(await codeOf(renew(caller, { csrPem }, fleet.renewing))).toBe('UNAUTHENTICATED');
    await fleet.users.delete(localRoot, machine.hostname);
    expect(await codeOf(renew(caller, { csrPem }, fleet.renewing))).toBe('UNAUTHENTICATED');
  });
});

describe('expired while away (CA-7, certificates#177, spire#1562)', () => {
  test('+10 d: in at once; +40 d and +400 d: waits, and is let in by approval, as the same agent', async () => {
    await using fleet = await openFleet();
    for (const [days, code] of [
      [10, 'none'],
      [40, 'WAITING_APPROVAL'],
      [400, 'WAITING_APPROVAL'],
    ] as const) {
      const { agentId, serverId, caller, machine } = await joined(fleet);
      await fleet.clock.advance(days * day);
      await fleet.authority.tick();
      const { csrPem, keyHash } = await newRequest();
      expect(await back(fleet, caller, csrPem)).toBe(code);
      if (code === 'WAITING_APPROVAL') {
        expect((await serverRow(fleet, serverId)).status).toBe('waiting-approval');
        expect(await back(fleet, caller, csrPem)).toBe(code);
        await approveAgent(localRoot, machine.hostname, fleet.lifecycle);
        expect(await back(fleet, caller, csrPem)).toBe('none');
      }
      expect(await agentRow(fleet, agentId)).toMatchObject({ key_hash: keyHash, pending_csr: null });
      expect((await serverRow(fleet, serverId)).status).toBe('active');
    }
  });

  test('a lost answer: the old certificate with the same new key gets the same one again', async () => {
    await using fleet = await openFleet();
    const { caller } = await joined(fleet);
    await fleet.clock.advance(10 * day);
    const { csrPem } = await newRequest();
    const first = await reenroll(caller, { csrPem }, fleet.reenrolling);
    const again = await reenroll(caller, { csrPem }, fleet.reenrolling);
    expect(again.answer).toEqual(first.answer);
  });

  test('an earlier key than the last one issued is nobody', async () => {
    await using fleet = await openFleet();
    const { caller } = await joined(fleet);
    const second = await newRequest();
    await fleet.clock.advance(12 * hour);
    await renew(caller, { csrPem: second.csrPem }, fleet.renewing);
    await fleet.clock.advance(3 * day);
    const { csrPem } = await newRequest();
    expect(await back(fleet, caller, csrPem)).toBe('UNAUTHENTICATED');
    expect(await back(fleet, await over(fleet, caller), csrPem)).toBe('none');
  });

  test('denied serials and keys stay out, however long they waited', async () => {
    await using fleet = await openFleet();
    const [one, two] = [await joined(fleet), await joined(fleet)];
    await fleet.clock.advance(40 * day);
    const [first, second] = [await newRequest(), await newRequest()];
    expect(await back(fleet, one.caller, first.csrPem)).toBe('WAITING_APPROVAL');
    await approveAgent(localRoot, one.machine.hostname, fleet.lifecycle);
    await fleet.store.write(system('test'), async (tx) => {
      await fleet.denials.deny(tx, 'serial', one.caller.serial ?? '', 'lost');
      await fleet.denials.deny(tx, 'key', two.machine.keyHash, 'lost');
    });
    expect(await back(fleet, one.caller, first.csrPem)).toBe('REVOKED');
    expect(await back(fleet, two.caller, second.csrPem)).toBe('BANNED');
  });

  test('mode approve: always waits; another key than the approved one waits again', async () => {
    await using fleet = await openFleet();
    const { caller, machine } = await joined(fleet);
    const parts = { ...fleet.reenrolling, mode: 'approve' as const };
    await fleet.clock.advance(2 * day);
    const [first, second] = [await newRequest(), await newRequest()];
    const by = (csrPem: string) => codeOf(reenroll(caller, { csrPem }, parts));
    expect(await by(first.csrPem)).toBe('WAITING_APPROVAL');
    await approveAgent(localRoot, machine.hostname, fleet.lifecycle);
    expect(await by(second.csrPem)).toBe('WAITING_APPROVAL');
    expect(await by(first.csrPem)).toBe('WAITING_APPROVAL');
    await approveAgent(localRoot, machine.hostname, fleet.lifecycle);
    expect(await by(first.csrPem)).toBe('none');
  });

  test('bastions and services come back within the grace; later by token. People log in', async () => {
    await using fleet = await openFleet();
    for (const kind of ['bastion', 'service'] as const) {
      const { caller } = await joined(fleet, kind);
      await fleet.clock.advance(20 * day);
      const { csrPem } = await newRequest();
      expect(await back(fleet, caller, csrPem)).toBe('none');
      await fleet.clock.advance(40 * day);
      expect(await back(fleet, await over(fleet, caller), (await newRequest()).csrPem)).toBe('UNAUTHENTICATED');
    }
    const person: Caller = { ...asUser({ id: 'u', name: 'u' }), keyHash: 'k', serial: 's' };
    const { csrPem } = await newRequest();
    expect(await back(fleet, person, csrPem)).toBe('PERMISSION_DENIED');
    expect(await back(fleet, stranger, csrPem)).toBe('UNAUTHENTICATED');
  });
});
