import { describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { createLogger } from '@labmesh/kit/log';
import { FleetError, fleetErrorBody } from '@labmesh/wire/fleet/fleet-errors';
import { codeOf, localRoot, newRequest, storedText } from '../login/testing/callers.ts';
import { approveAgent, deleteAgent } from './agent-lifecycle.ts';
import { banServer, unbanServer } from './ban.ts';
import { reenroll } from './reenroll.ts';
import { renew } from './renew.ts';
import { asAgent, count, join, newMachine, newToken, openFleet, otherKey, serverRow } from './testing/fleet.ts';

const minute = 60_000;
const day = 24 * 60 * minute;

describe('enrolment when things break', () => {
  test('a conflict at every statement: each step happens once (ST-3)', async () => {
    await using fleet = await openFleet({ injectFaults: 'every-statement' });
    const token = await newToken(fleet, { labels: { a: 'b' } });
    const machine = await newMachine();
    const { answer } = await join(fleet, token, machine);
    expect((await join(fleet, token, machine)).answer).toEqual(answer);
    expect(await fleet.tokens.get(localRoot, token.slice(0, 12))).toMatchObject({ uses: 1, state: 'used' });
    expect([await count(fleet, 'servers'), await count(fleet, 'agents')]).toEqual([1, 1]);
    const caller = await asAgent(fleet, answer.agentId);
    const { csrPem } = await newRequest();
    const renewed = await renew(caller, { csrPem }, fleet.renewing);
    expect((await renew(caller, { csrPem }, fleet.renewing)).answer).toEqual(renewed.answer);
    expect(await count(fleet, 'certificates')).toBe(2);
    await banServer(localRoot, machine.hostname, fleet.lifecycle, 'x');
    await unbanServer(localRoot, machine.hostname, fleet.lifecycle);
    expect((await serverRow(fleet, answer.serverId)).status).toBe('active');
    await deleteAgent(localRoot, machine.hostname, fleet.lifecycle);
    expect((await join(fleet, await newToken(fleet), await otherKey(machine))).answer.serverId).toBe(answer.serverId);
  });

  test('waiting and approval survive conflicts, too', async () => {
    await using fleet = await openFleet({ injectFaults: 'every-statement' });
    const token = await newToken(fleet, { approve: true });
    const machine = await newMachine();
    expect(await codeOf(join(fleet, token, machine))).toBe('WAITING_APPROVAL');
    await approveAgent(localRoot, machine.hostname, fleet.lifecycle);
    const { answer } = await join(fleet, token, machine);
    await fleet.clock.advance(40 * day);
    const caller = await asAgent(fleet, answer.agentId);
    const { csrPem } = await newRequest();
    expect(await codeOf(reenroll(caller, { csrPem }, fleet.reenrolling))).toBe('WAITING_APPROVAL');
    await approveAgent(localRoot, machine.hostname, fleet.lifecycle);
    const first = await reenroll(caller, { csrPem }, fleet.reenrolling);
    expect((await reenroll(caller, { csrPem }, fleet.reenrolling)).answer).toEqual(first.answer);
    expect(await count(fleet, 'certificates')).toBe(2);
  });

  test('the answer is lost and labd restarts: the retry gets the identical certificate (JT-5)', async () => {
    const folder = await mkdtemp(path(tmpdir(), 'labmesh-enrol-'));
    try {
      const url = `sqlite://${path(folder, 'labd.db')}`;
      const machine = await newMachine();
      const before = await (async () => {
        await using fleet = await openFleet({ url });
        const token = await newToken(fleet);
        const { answer } = await join(fleet, token, machine);
        return { token, answer, clock: fleet.clock, sealer: fleet.sealer };
      })();
      await before.clock.advance(5 * minute);
      await using fleet = await openFleet({ url, clock: before.clock, sealer: before.sealer });
      expect((await join(fleet, before.token, machine)).answer).toEqual(before.answer);
      expect(await codeOf(join(fleet, before.token, await newMachine()))).toBe('TOKEN_USED');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('two machines of one MAC race with two tokens: one server, one refused', async () => {
    await using fleet = await openFleet();
    const replica = await fleet.replica();
    const first = await newMachine();
    const second = { ...(await newMachine()), macs: first.macs };
    const [one, two] = [await newToken(fleet), await newToken(fleet)];
    const codes = await Promise.all([codeOf(join(fleet, one, first)), codeOf(join(replica, two, second))]);
    expect(codes.toSorted()).toEqual(['SERVER_EXISTS', 'none']);
    expect(await count(fleet, 'servers')).toBe(1);
  });

  test('a token revoked while machines race: each is in or told, and the count is right', async () => {
    await using fleet = await openFleet();
    const token = await newToken(fleet, { type: 'reusable' });
    const machines = await Promise.all(Array.from({ length: 12 }, () => newMachine()));
    const [codes] = await Promise.all([
      Promise.all(machines.map((machine) => codeOf(join(fleet, token, machine)))),
      fleet.tokens.revoke(localRoot, token.slice(0, 12)),
    ]);
    const joined = codes.filter((code) => code === 'none').length;
    expect(codes.filter((code) => code === 'TOKEN_REVOKED')).toHaveLength(12 - joined);
    expect((await fleet.tokens.get(localRoot, token.slice(0, 12))).uses).toBe(joined);
    expect(await count(fleet, 'servers')).toBe(joined);
  });

  test('no token in the store, in notes, in errors or in what a log makes of them (acceptance 12)', async () => {
    await using fleet = await openFleet();
    const lines: string[] = [];
    const log = createLogger({ level: 'debug', format: 'json', write: (line) => lines.push(line) });
    const told: unknown[] = [];
    const secrets: string[] = [];
    const attempt = async (token: string, machine = newMachine()) => {
      secrets.push(token, token.slice(13));
      try {
        told.push((await join(fleet, token, await machine)).note);
      } catch (error) {
        if (!(error instanceof FleetError)) throw error;
        log.error('refused', { error, log: error.log, cause: error.cause });
        told.push(fleetErrorBody(error, 'req'), error.log, String(error.cause));
      }
    };
    const used = await newToken(fleet);
    for (let n = 0; n < 2; n++) await attempt(used);
    await attempt(await newToken(fleet, { hostname: 'nobody' }));
    await attempt(await newToken(fleet, { approve: true }));
    const revoked = await newToken(fleet);
    await fleet.tokens.revoke(localRoot, revoked.slice(0, 12));
    await attempt(revoked);
    await attempt(`${revoked.slice(0, -1)}A`);
    const service = await newToken(fleet, { kind: 'service' });
    for (let n = 0; n < 2; n++) await attempt(service, newMachine({ hostname: 'gateway' }));
    const where = `${await storedText(fleet.store)}${JSON.stringify(told)}${lines.join('\n')}`;
    expect(lines.length).toBeGreaterThanOrEqual(5);
    for (const secret of secrets) expect(where.includes(secret)).toBe(false);
  });
});
