import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { decideJoin, type KnownServer } from './join-decision.ts';

const machine = { hostname: 'web-1', machineId: 'id-1', macs: ['52:54:00:00:00:01'] };
const plain = { takeover: false, approve: false };
const takeover = { ...plain, takeover: true };
const approve = { ...plain, approve: true };

const known = (more: Partial<KnownServer> = {}): KnownServer => ({
  serverId: 's1',
  hostname: 'web-1',
  status: 'active',
  machineId: 'id-1',
  macs: ['52:54:00:00:00:01'],
  agentId: 'a1',
  isAlive: false,
  ...more,
});

describe('who may join (JT-7)', () => {
  test('unknown: in, or waiting when the token says so', () => {
    expect(decideJoin(machine, [], plain)).toEqual({ kind: 'fresh' });
    expect(decideJoin(machine, [], takeover)).toEqual({ kind: 'fresh' });
    expect(decideJoin(machine, [], approve)).toEqual({ kind: 'pending', server: undefined, isTwin: false });
  });

  test('known by id, name or MAC: refused without takeover or approve', () => {
    const other = { hostname: 'x', machineId: 'y', macs: [] };
    for (const same of [{ hostname: 'web-1' }, { machineId: 'id-1' }, { macs: ['52:54:00:00:00:01'] }])
      expect(decideJoin(machine, [known({ ...other, ...same })], plain)).toEqual({
        kind: 'refused',
        code: 'SERVER_EXISTS',
      });
  });

  test('takeover and approve keep the server', () => {
    expect(decideJoin(machine, [known()], takeover)).toEqual({ kind: 'takeover', server: known() });
    expect(decideJoin(machine, [known()], approve)).toEqual({ kind: 'pending', server: known(), isTwin: false });
    expect(decideJoin(machine, [known()], { takeover: true, approve: true }).kind).toBe('pending');
  });

  test('an agent that was deleted leaves the place open (CA-9)', () => {
    const empty = known({ agentId: null });
    expect(decideJoin(machine, [empty], plain)).toEqual({ kind: 'rejoin', server: empty });
  });

  test('two live ones of one machine id: the second waits', () => {
    const alive = known({ isAlive: true });
    expect(decideJoin(machine, [alive], takeover)).toEqual({ kind: 'pending', server: alive, isTwin: false });
    const clone = known({ isAlive: true, hostname: 'web-2', macs: ['52:54:00:00:00:02'] });
    for (const rights of [plain, takeover, approve])
      expect(decideJoin(machine, [clone], rights)).toEqual({ kind: 'pending', server: undefined, isTwin: true });
    const dead = { ...clone, isAlive: false };
    expect(decideJoin(machine, [dead], plain)).toEqual({ kind: 'refused', code: 'SERVER_EXISTS' });
  });

  test('half of one and half of another, or a ban: refused whatever the token', () => {
    const two = [known({ machineId: 'x' }), known({ serverId: 's2', hostname: 'web-9' })];
    const banned = [known({ status: 'banned' })];
    for (const rights of [plain, takeover, approve]) {
      expect(decideJoin(machine, two, rights)).toEqual({ kind: 'refused', code: 'SERVER_EXISTS' });
      expect(decideJoin(machine, banned, rights)).toEqual({ kind: 'refused', code: 'BANNED' });
    }
  });

  test('of any rows and rights: a live identity never goes to whoever has neither takeover nor approval', () => {
    const server = fc.record({
      serverId: fc.constantFrom('s1', 's2'),
      hostname: fc.constantFrom('web-1', 'web-2'),
      status: fc.constantFrom('active', 'banned', 'retired', 'waiting-approval', 'conflict'),
      machineId: fc.constantFrom('id-1', 'id-2', null),
      macs: fc.constantFrom([], ['52:54:00:00:00:01']),
      agentId: fc.constantFrom('a1', null),
      isAlive: fc.boolean(),
    });
    const rights = fc.record({ takeover: fc.boolean(), approve: fc.boolean() });
    fc.assert(
      fc.property(fc.array(server, { maxLength: 3 }), rights, (servers, right) => {
        const decision = decideJoin(machine, servers, right);
        if (decision.kind === 'takeover') expect(right).toEqual({ takeover: true, approve: false });
        if (decision.kind === 'rejoin') expect(decision.server.agentId).toBeNull();
        if (decision.kind === 'fresh') expect(servers).toHaveLength(0);
        if (right.approve) expect(['pending', 'refused']).toContain(decision.kind);
        if (servers.some(({ status }) => status === 'banned')) expect(decision.kind).toBe('refused');
      }),
    );
  });
});
