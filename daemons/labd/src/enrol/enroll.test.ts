import { describe, expect, test } from 'bun:test';
import { enrolledSchema, enrollSchema } from '@labmesh/wire/fleet/enrolment';
import { type FleetError, fleetErrorBody } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import { codeOf, localRoot, storedText, stranger } from '../login/testing/callers.ts';
import { deleteAgent } from './agent-lifecycle.ts';
import { banServer } from './ban.ts';
import {
  agentRow,
  agentUrls,
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
const day = 24 * 60 * minute;

const labelsOf = (fleet: Fleet, serverId: string) =>
  fleet.store.read(system('test'), (db) =>
    db
      .selectFrom('server_labels')
      .select(['key', 'value', 'source'])
      .where('server_id', '=', serverId)
      .orderBy('key')
      .execute(),
  );

describe('enrolment (JT-3)', () => {
  test('a token and a request become server, agent and certificate', async () => {
    await using fleet = await openFleet();
    const scope = { labels: { team: 'a' }, environment: 'staging', cloud: 'lab', role: 'worker' };
    const token = await newToken(fleet, scope);
    const machine = await newMachine({ facts: { kernel: '6.1' }, labels: { zone: 'z1', environment: 'production' } });
    const { answer, note } = await join(fleet, token, machine);
    expect(enrolledSchema.parse(answer)).toEqual(answer);
    expect(answer).toMatchObject({ agentUrls, caPem: fleet.authority.bundle().pem });
    expect(answer.caPin).toBe(fleet.authority.bundle().pins.join(','));
    expect(Date.parse(answer.expiresAt)).toBe(fleet.clock.wall() + day);
    const server = await serverRow(fleet, answer.serverId);
    expect(server).toMatchObject({ hostname: machine.hostname, machine_id: machine.machineId, status: 'active' });
    expect(server).toMatchObject({ environment: 'staging', cloud: 'lab', role: 'worker', ip: stranger.sourceIp });
    expect(JSON.parse(server.macs)).toEqual(machine.macs);
    expect(await agentRow(fleet, answer.agentId)).toMatchObject({
      server_id: answer.serverId,
      key_hash: machine.keyHash,
    });
    expect(note).toMatchObject({ resource: `server/${machine.hostname}`, resourceId: answer.serverId });
    expect(JSON.stringify(note)).not.toContain(token);
  });

  test('labels: the token’s are the token’s, the agent’s are facts.* and decide nothing (RB-4)', async () => {
    await using fleet = await openFleet();
    const token = await newToken(fleet, { labels: { team: 'a' } });
    const reported = { team: 'b', environment: 'production', 'facts.os': 'linux' };
    const { answer } = await join(fleet, token, await newMachine({ labels: reported }));
    expect(await labelsOf(fleet, answer.serverId)).toEqual([
      { key: 'facts.environment', value: 'production', source: 'agent' },
      { key: 'facts.os', value: 'linux', source: 'agent' },
      { key: 'facts.team', value: 'b', source: 'agent' },
      { key: 'team', value: 'a', source: 'token' },
    ]);
    expect((await serverRow(fleet, answer.serverId)).environment).toBeNull();
  });

  test('names and addresses are taken in one form, anything else is refused at the edge', () => {
    const good = { token: 'x', csrPem: '-----BEGIN CERTIFICATE REQUEST-----\nAA\n-----END CERTIFICATE REQUEST-----\n' };
    const machine = { ...good, hostname: 'WEB-1', machineId: 'ABC', macs: ['52-54-00-AA-BB-CC'], agentVersion: '1' };
    const parsed = enrollSchema.parse(machine);
    expect(parsed).toMatchObject({ hostname: 'web-1', machineId: 'abc', macs: ['52:54:00:aa:bb:cc'] });
    const bad = [
      { hostname: 'a b' },
      { hostname: '../x' },
      { hostname: '\u001b[2J' },
      { machineId: '' },
      { machineId: 'a%b' },
      { macs: ['52:54:00:aa:bb'] },
      { macs: ['%"%'] },
      { csrPem: 'nothing' },
      { facts: { big: 'x'.repeat(64 * 1_024) } },
      { labels: { 'a b': 'c' } },
      { extra: 1 },
    ];
    for (const more of bad) expect(enrollSchema.safeParse({ ...machine, ...more }).success).toBe(false);
  });

  test('services and bastions join by tokens of their kind', async () => {
    await using fleet = await openFleet();
    for (const kind of ['service', 'bastion'] as const) {
      const machine = await newMachine({ hostname: `${kind}-1` });
      const { answer, note } = await join(fleet, await newToken(fleet, { kind, labels: { a: 'b' } }), machine);
      expect(note.resource).toBe(`${kind}/${kind}-1`);
      const table = kind === 'service' ? 'users' : 'bastions';
      const row = await fleet.store.read(system('test'), (db) =>
        db.selectFrom(table).selectAll().where('id', '=', answer.agentId).executeTakeFirstOrThrow(),
      );
      expect(row.name).toBe(`${kind}-1`);
      const again = await otherKey(machine);
      expect(await codeOf(join(fleet, await newToken(fleet, { kind }), again))).toBe('SERVER_EXISTS');
      const taken = await join(fleet, await newToken(fleet, { kind, takeover: true }), again);
      expect(taken.answer.agentId).toBe(answer.agentId);
    }
    expect(await count(fleet, 'servers')).toBe(0);
    await fleet.users.create(localRoot, { name: 'alice', roles: ['admin'] });
    const asAlice = await newMachine({ hostname: 'alice' });
    const token = await newToken(fleet, { kind: 'service', takeover: true });
    expect(await codeOf(join(fleet, token, asAlice))).toBe('SERVER_EXISTS');
  });
});

describe('the token (JT-4, AP-6)', () => {
  test('50 racing clients, one one-time token: 1 wins, 49 TOKEN_USED', async () => {
    await using fleet = await openFleet();
    const token = await newToken(fleet);
    const machines = await Promise.all(Array.from({ length: 50 }, () => newMachine()));
    const codes = await Promise.all(machines.map((machine) => codeOf(join(fleet, token, machine))));
    expect(codes.filter((code) => code === 'none')).toHaveLength(1);
    expect(codes.filter((code) => code === 'TOKEN_USED')).toHaveLength(49);
    expect([await count(fleet, 'servers'), await count(fleet, 'certificates')]).toEqual([1, 1]);
  });

  test('who has not the right secret learns nothing, whatever the state of the token', async () => {
    await using fleet = await openFleet();
    const used = await newToken(fleet);
    await join(fleet, used, await newMachine());
    const revoked = await newToken(fleet);
    await fleet.tokens.revoke(localRoot, revoked.slice(0, 12));
    const scoped = await newToken(fleet, { hostname: 'db-*' });
    const old = await newToken(fleet);
    await fleet.clock.advance(30 * minute);
    const machine = await newMachine();
    const right = [used, revoked, old].map((token) => codeOf(join(fleet, token, machine)));
    expect(await Promise.all(right)).toEqual(['TOKEN_USED', 'TOKEN_REVOKED', 'TOKEN_EXPIRED']);
    const guess = (token: string) => token.slice(0, -43) + 'A'.repeat(43);
    const answers = new Set<string>();
    for (const token of [used, revoked, scoped, old].map(guess).concat('lmj_00000000_x', '', used.toUpperCase())) {
      const error = await join(fleet, token, machine).catch((reason: unknown) => reason);
      answers.add(JSON.stringify(fleetErrorBody(error as FleetError, 'req')));
    }
    expect(answers.size).toBe(1);
    expect([...answers][0]).toContain('TOKEN_INVALID');
  });

  test('scope: host name, MAC and network; a refused try uses nothing up', async () => {
    await using fleet = await openFleet();
    const machine = await newMachine({ hostname: 'web-77' });
    for (const scope of [{ hostname: 'db-*' }, { macs: ['52:54:00:ff:ff:ff'] }, { cidrs: ['10.0.0.0/8'] }]) {
      const token = await newToken(fleet, scope);
      expect(await codeOf(join(fleet, token, machine))).toBe('TOKEN_SCOPE');
      expect(await fleet.tokens.get(localRoot, token.slice(0, 12))).toMatchObject({ uses: 0, state: 'live' });
    }
    const scope = { hostname: 'web-*', macs: machine.macs, cidrs: ['192.0.2.0/24'] };
    expect(await codeOf(join(fleet, await newToken(fleet, scope), machine))).toBe('none');
  });

  test('a refused join uses no token up: bad key, known server, banned', async () => {
    await using fleet = await openFleet();
    const machine = await newMachine();
    await join(fleet, await newToken(fleet), machine);
    const token = await newToken(fleet);
    expect(await codeOf(join(fleet, token, await otherKey(machine)))).toBe('SERVER_EXISTS');
    const half = machine.csrPem.length / 2;
    const csrPem = `${machine.csrPem.slice(0, half)}AAAA${machine.csrPem.slice(half + 4)}`;
    const garbage = { ...(await newMachine()), csrPem };
    expect(['VALIDATION_FAILED', 'KEY_TYPE_REFUSED']).toContain(await codeOf(join(fleet, token, garbage)));
    expect(await codeOf(join(fleet, token, await newMachine()))).toBe('none');
  });

  test('no secret in the store, the notes or the errors', async () => {
    await using fleet = await openFleet();
    const token = await newToken(fleet);
    await join(fleet, token, await newMachine());
    const error = (await join(fleet, token, await newMachine()).catch((reason: unknown) => reason)) as FleetError;
    const told = `${await storedText(fleet.store)}${error.message}${error.hint}${error.log}`;
    expect(told).not.toContain(token.slice(13));
  });
});

describe('an answer that was lost (JT-5, spire#2454)', () => {
  test('the same token and key get the identical certificate for 10 min, here and on another replica', async () => {
    await using fleet = await openFleet();
    const token = await newToken(fleet);
    const machine = await newMachine();
    const { answer } = await join(fleet, token, machine);
    const replica = await fleet.replica();
    await fleet.clock.advance(9 * minute);
    for (const one of [fleet, replica]) expect((await join(one, token, machine)).answer).toEqual(answer);
    expect(await count(fleet, 'certificates')).toBe(1);
    await fleet.clock.advance(minute);
    expect(await codeOf(join(fleet, token, machine))).toBe('TOKEN_USED');
  });

  test('also when the token ran out meanwhile, and when both tries race on two replicas', async () => {
    await using fleet = await openFleet();
    const replica = await fleet.replica();
    const token = await newToken(fleet, { ttlMs: minute });
    const machine = await newMachine();
    const answers = await Promise.all([join(fleet, token, machine), join(replica, token, machine)]);
    expect(answers[0].answer).toEqual(answers[1].answer);
    await fleet.clock.advance(2 * minute);
    expect((await join(fleet, token, machine)).answer).toEqual(answers[0].answer);
  });

  test('not when it was revoked or banned since', async () => {
    await using fleet = await openFleet();
    const [first, second] = [await newMachine(), await newMachine()];
    const [one, two] = [await newToken(fleet), await newToken(fleet)];
    await join(fleet, one, first);
    await join(fleet, two, second);
    await deleteAgent(localRoot, first.hostname, fleet.lifecycle);
    await banServer(localRoot, second.hostname, fleet.lifecycle, 'test');
    expect(await codeOf(join(fleet, one, first))).toBe('REVOKED');
    expect(await codeOf(join(fleet, two, second))).toBe('BANNED');
  });

  test('a reusable token: each key its own server, each repeated on its own', async () => {
    await using fleet = await openFleet();
    const token = await newToken(fleet, { type: 'reusable' });
    const machines = await Promise.all(Array.from({ length: 10 }, () => newMachine()));
    const first = await Promise.all(machines.map((machine) => join(fleet, token, machine)));
    const again = await Promise.all(machines.map((machine) => join(fleet, token, machine)));
    expect(again.map(({ answer }) => answer)).toEqual(first.map(({ answer }) => answer));
    expect(new Set(first.map(({ answer }) => answer.serverId)).size).toBe(10);
    expect((await fleet.tokens.get(localRoot, token.slice(0, 12))).uses).toBe(10);
  });
});

describe('known machines (JT-7, MeshCentral#2831)', () => {
  test('by machine id, MAC or host name: SERVER_EXISTS, and no twin row', async () => {
    await using fleet = await openFleet();
    const machine = await newMachine();
    await join(fleet, await newToken(fleet), machine);
    const fresh = () => newMachine();
    for (const same of [{ machineId: machine.machineId }, { macs: machine.macs }, { hostname: machine.hostname }]) {
      // Silent for a while, as a machine is that is being installed again.
      await fleet.clock.advance(minute);
      expect(await codeOf(join(fleet, await newToken(fleet), { ...(await fresh()), ...same }))).toBe('SERVER_EXISTS');
    }
    expect(await count(fleet, 'servers')).toBe(1);
  });

  test('a MAC that many have says nothing', async () => {
    await using fleet = await openFleet();
    const macs = ['00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff'];
    for (let n = 0; n < 2; n++)
      expect(await codeOf(join(fleet, await newToken(fleet), await newMachine({ macs })))).toBe('none');
  });

  test('takeover after a reinstall: the serverId and admin labels stay, the old certificate is out', async () => {
    await using fleet = await openFleet();
    const machine = await newMachine();
    const first = await join(fleet, await newToken(fleet, { labels: { old: '1' }, role: 'worker' }), machine);
    const { serverId, agentId } = first.answer;
    await fleet.store.write(system('test'), (tx) =>
      tx
        .insertInto('server_labels')
        .values({ server_id: serverId, key: 'team', value: 'mine', source: 'admin' })
        .execute(),
    );
    const reinstalled = { ...(await newMachine()), hostname: machine.hostname, macs: machine.macs };
    const token = await newToken(fleet, { takeover: true, labels: { fresh: '1', team: 'theirs' }, environment: 'lab' });
    const { answer, note } = await join(fleet, token, reinstalled);
    expect([answer.serverId, answer.agentId]).toEqual([serverId, agentId]);
    expect(note.details).toMatchObject({ how: 'takeover' });
    expect(fleet.denials.check({ serial: String(first.note.details?.['serial']) })).toBe('serial');
    expect(
      fleet.denials.check({ serial: String(note.details?.['serial']), keyHash: reinstalled.keyHash }),
    ).toBeUndefined();
    const server = await serverRow(fleet, serverId);
    expect(server).toMatchObject({ machine_id: reinstalled.machineId, role: 'worker', environment: 'lab' });
    expect((await labelsOf(fleet, serverId)).map(({ key, value }) => `${key}=${value}`)).toEqual([
      'fresh=1',
      'team=mine',
    ]);
  });

  test('host name of one and MAC of another: refused, takeover or not', async () => {
    await using fleet = await openFleet();
    const [a, b] = [await newMachine(), await newMachine()];
    for (const machine of [a, b]) await join(fleet, await newToken(fleet), machine);
    const mixed = { ...(await newMachine()), hostname: a.hostname, macs: b.macs };
    expect(await codeOf(join(fleet, await newToken(fleet, { takeover: true }), mixed))).toBe('SERVER_EXISTS');
  });

  test('one key, one identity', async () => {
    await using fleet = await openFleet();
    const machine = await newMachine();
    await join(fleet, await newToken(fleet), machine);
    const thief = { ...(await newMachine()), csrPem: machine.csrPem, keyHash: machine.keyHash };
    expect(await codeOf(join(fleet, await newToken(fleet), thief))).toBe('CONFLICT');
  });

  test('a takeover of a machine that is alive under its own id waits for an operator', async () => {
    await using fleet = await openFleet();
    const machine = await newMachine();
    const { answer } = await join(fleet, await newToken(fleet), machine);
    await hear(fleet, answer.serverId);
    const second = await otherKey(machine);
    const token = await newToken(fleet, { takeover: true });
    expect(await codeOf(join(fleet, token, second))).toBe('WAITING_APPROVAL');
    expect((await agentRow(fleet, answer.agentId))?.key_hash).toBe(machine.keyHash);
    expect((await serverRow(fleet, answer.serverId)).status).toBe('active');
  });
});
