import { describe, expect, test } from 'bun:test';
import type { Cell } from '../terminal/table.ts';
import { tones, type View } from './column.ts';
import { bindingView, permissionView, roleView, tokenView, userView } from './people-views.ts';
import { auditView, bastionView, certificateView, machineView, sessionView } from './record-views.ts';
import { agentView } from './server-views.ts';

const now = Date.parse('2026-01-01T12:00:00.000Z');
const at = (minutes: number) => new Date(now + minutes * 60_000).toISOString();
const id = '01900000-0000-7000-8000-000000000001';

/** Cells by heading; absent ones are left out. */
function cells<T>(view: View<T>, item: T): Record<string, Cell> {
  const all = view.columns.map(({ header, value }) => [header, value(item, now)] as const);
  return Object.fromEntries(all.filter(([, value]) => value !== undefined));
}

const certificate = {
  serial: 'ab12',
  identity: 'spiffe://labmesh.internal/user/x',
  kind: 'user',
  name: 'alice',
  keyHash: 'f'.repeat(64),
  issuerKey: 'e'.repeat(64),
  notBefore: at(-60),
  notAfter: at(60),
  issuedBy: 'local:root',
  revokedAt: null,
};

describe('columns', () => {
  test('certificates say how their life stands', () => {
    const state = (changes: object) => cells(certificateView, { ...certificate, ...changes })['STATE'];
    expect(state({})).toBe('live');
    expect(state({ notAfter: at(10) })).toBe('expiring');
    expect(state({ notAfter: at(-1) })).toBe('expired');
    expect(state({ revokedAt: at(-1) })).toBe('revoked');
    for (const word of ['live', 'expiring', 'expired', 'revoked']) expect(tones[word]).toBeDefined();
    expect(cells(certificateView, certificate)).toMatchObject({ EXPIRES: 'in 1h', KEY: 'f'.repeat(16) });
  });

  test('sessions say how they ended', () => {
    const session = {
      id,
      kind: 'exec',
      serverId: id,
      hostname: 'web-1',
      principal: 'user:alice',
      job: null,
      command: 'uptime',
      tty: false,
      state: 'ended' as const,
      startedAt: at(-5),
      endedAt: at(-3),
      exit: null,
      closeCode: null,
      recordingId: null,
    };
    const exit = (value: unknown) => cells(sessionView, { ...session, exit: value })['EXIT'];
    expect(exit({ code: 0, signal: null })).toBe('0');
    expect(exit({ code: null, signal: 'KILL' })).toBe('KILL');
    expect(exit({ code: null, signal: 'TERM', timedOut: true })).toBe('timed out');
    expect([exit(null), exit('x'), exit({})]).toEqual([undefined, undefined, undefined]);
    expect(cells(sessionView, session)).toMatchObject({ STARTED: '5m ago', LASTED: '2m', WHO: 'user:alice' });
    expect(sessionView.name(session)).toBe(`session/${id}`);
  });

  test('tokens show their prefix, uses and scope, never their text', () => {
    const token = {
      id,
      prefix: 'lmj_0a1b2c3d',
      type: 'reusable' as const,
      kind: 'agent' as const,
      state: 'live' as const,
      maxUses: 50,
      uses: 3,
      createdBy: 'user:alice',
      createdAt: at(-5),
      expiresAt: at(25),
      usedAt: at(-1),
      revokedAt: null,
      revision: 1,
      labels: {},
      environment: null,
      cloud: null,
      role: null,
      hostname: 'web-*',
      macs: [],
      cidrs: ['10.0.0.0/8'],
      takeover: true,
      approve: false,
    };
    expect(cells(tokenView, token)).toMatchObject({
      TOKEN: 'lmj_0a1b2c3d',
      USES: '3 of 50',
      EXPIRES: 'in 25m',
      SCOPE: 'hostname web-*, from 10.0.0.0/8, takeover',
    });
    expect(tokenView.name(token)).toBe('token/lmj_0a1b2c3d');
  });

  test('people', () => {
    const user = {
      id,
      name: 'alice',
      kind: 'user',
      email: null,
      roles: ['admin', 'operator'],
      hasPassword: true,
      hasTotp: false,
      disabledAt: null,
      createdAt: at(-120),
      revision: 1,
    };
    expect(cells(userView, user)).toMatchObject({
      STATE: 'active',
      ROLES: 'admin, operator',
      PASSWORD: 'yes',
      TOTP: 'no',
    });
    expect(cells(userView, { ...user, disabledAt: at(-1), roles: [] })).toMatchObject({ STATE: 'disabled' });
    const role = {
      id,
      name: 'ops',
      description: null,
      builtIn: false,
      rules: ['allow * on *'],
      createdAt: at(-1),
      revision: 1,
    };
    expect(cells(roleView, role)).toMatchObject({ 'BUILT IN': 'no', RULES: 1 });
    const rule = {
      id,
      role: 'ops',
      effect: 'deny',
      verbs: ['exec'],
      kinds: ['servers'],
      name: null,
      selector: null,
      limits: null,
      text: 'deny exec on servers',
    };
    expect(cells(permissionView, rule)).toMatchObject({ ROLE: 'ops', RULE: 'deny exec on servers' });
    const binding = {
      id,
      subjectKind: 'user' as const,
      subject: 'alice',
      role: 'ops',
      expiresAt: null,
      createdAt: at(-1),
    };
    expect(cells(bindingView, binding)).toMatchObject({ SUBJECT: 'user:alice', EXPIRES: '-', ID: id });
    expect([userView.name(user), roleView.name(role), permissionView.name(rule), bindingView.name(binding)]).toEqual([
      'user/alice',
      'role/ops',
      `permission/${id}`,
      `binding/${id}`,
    ]);
  });

  test('audit rows', () => {
    const row = {
      seq: 7,
      chain: id,
      keyId: 'k1',
      at: at(-2),
      phase: 'end' as const,
      principal: {
        kind: 'user' as const,
        id,
        name: 'alice',
      },
      action: 'exec.open',
      resource: 'servers',
      resourceId: 'web-1',
      result: 'denied' as const,
      prevHash: 'a'.repeat(64),
      hash: 'b'.repeat(64),
    };
    expect(cells(auditView, row)).toMatchObject({
      WHO: 'user:alice',
      RESULT: 'denied',
      RESOURCE: 'servers/web-1',
      WHEN: '2m ago',
    });
    expect(auditView.name(row)).toBe(`${id}:7`);
  });

  test('agents, bastions and machines', () => {
    const agent = {
      id,
      serverId: id,
      hostname: 'web-1',
      status: 'online' as const,
      version: '0.1.0',
      ring: null,
      pin: null,
      desiredVersion: '0.2.0',
      updateState: 'fetching' as const,
      badVersions: ['0.0.9'],
      keyHash: 'a',
      bundle: 'c'.repeat(64),
      replicaId: null,
      connectedAt: at(-1),
      approvedAt: null,
      lastSeenAt: null,
      createdAt: at(-9),
      revision: 1,
    };
    expect(cells(agentView, agent)).toMatchObject({
      CONNECTED: '1m ago',
      'LAST SEEN': '-',
      'BAD VERSIONS': '0.0.9',
      WANTED: '0.2.0',
      UPDATE: 'fetching',
      BUNDLE: 'c'.repeat(12),
    });
    const bastion = { id, name: 'lab', url: null, lastSeenAt: null, createdAt: at(-1) };
    expect(cells(bastionView, bastion)).toMatchObject({ NAME: 'lab', 'LAST SEEN': '-' });
    const machine = {
      id,
      bastion: 'lab',
      mac: '52:54:00:ab:cd:ef',
      hostname: null,
      role: null,
      state: 'installing',
      updatedAt: at(-1),
    };
    expect(cells(machineView, machine)).toMatchObject({ STATE: 'installing', UPDATED: '1m ago' });
    expect([bastionView.name(bastion), machineView.name(machine), agentView.name(agent)]).toEqual([
      'bastion/lab',
      'machine/52:54:00:ab:cd:ef',
      'agent/web-1',
    ]);
  });
});
