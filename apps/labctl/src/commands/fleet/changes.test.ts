import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { failed, type FleetGround, openFleetGround } from '../../testing/fleet-ground.ts';
import { agent, id, server, token } from '../../testing/fleet-samples.ts';

let ground: FleetGround;
beforeAll(async () => {
  ground = await openFleetGround();
  for (const type of ['servers', 'agents', 'users', 'roles', 'bindings']) {
    ground.on(`DELETE /api/${type}/:id`, { ok: true });
  }
  ground.on('PATCH /api/servers/:id', ({ path }) => ({ json: server({ hostname: path.split('/').at(-1) ?? '' }) }));
  ground.on('POST /api/servers/:id/ban', server({ status: 'banned' }));
  ground.on('POST /api/servers/:id/unban', server({ status: 'offline' }));
  ground.on('POST /api/agents/:id/approve', agent());
  ground.on('POST /api/agents/:id/pin', ({ body }) => ({ json: agent({ pin: JSON.parse(body).version }) }));
  ground.on('POST /api/tokens/:id/revoke', token({ state: 'revoked' }));
  ground.on('POST /api/certificates/:serial/revoke', { ok: true });
});
afterAll(() => ground[Symbol.asyncDispose]());
beforeEach(() => void (ground.labd.asked.length = 0));

describe('delete', () => {
  test.each([
    ['server/web-1', 'DELETE /api/servers/web-1'],
    ['agent/web-1', 'DELETE /api/agents/web-1'],
    ['user/alice', 'DELETE /api/users/alice'],
    ['role/web-ops', 'DELETE /api/roles/web-ops'],
    [`binding/${id(5)}`, `DELETE /api/bindings/${id(5)}`],
  ])('%s', async (ref, asked) => {
    const { exitCode, stdout, stderr } = await ground.labctl(`delete ${ref} --yes`);
    expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: '', stderr: `deleted ${ref}\n` });
    expect(ground.asked()).toEqual([asked]);
  });

  test('CT-7 asks for the name at a terminal, and fails without --yes elsewhere', async () => {
    const asked = await ground.labctl('delete user/alice', { answers: ['alice'] });
    expect(asked.questions[0]).toContain('This will delete user/alice, end its sessions and revoke its certificates.');
    expect(asked.exitCode).toBe(0);
    ground.labd.asked.length = 0;
    const wrong = await ground.labctl('delete user/alice', { answers: ['bob'] });
    expect(wrong).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('not confirmed') });
    const alone = await ground.labctl('delete user/alice');
    expect(alone).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('add --yes') });
    expect(ground.asked()).toEqual([]);
  });

  test('--dry-run tells, and labd is not even asked', async () => {
    const { exitCode, stderr } = await ground.labctl('delete server/web-1,web-2 --dry-run');
    expect(exitCode).toBe(0);
    expect(stderr.match(/dry run: would delete server\/web-[12], retire it/g)).toHaveLength(2);
    expect(ground.asked()).toEqual([]);
  });

  test('several, and what was done as JSON', async () => {
    const { stdout } = await ground.labctl('delete user/alice,bob role/x --yes -o json');
    expect(JSON.parse(stdout)).toEqual({ deleted: ['user/alice', 'user/bob', 'role/x'] });
  });

  test.each([
    ['delete token/lmj_0a1b2c3d --yes', 'labctl delete takes no token: token/lmj_0a1b2c3d'],
    ['delete', 'the name is missing'],
    ['delete alice', 'unknown type "alice"'],
  ])('exit 2: labctl %s', async (words, problem) => {
    const { exitCode, stderr } = await ground.labctl(words);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(problem);
  });

  test('the last administrator cannot go: exit 8', async () => {
    ground.on('DELETE /api/bindings/:id', () => failed('LAST_ADMIN', 409));
    expect((await ground.labctl(`delete binding/${id(5)} --yes`)).exitCode).toBe(8);
  });
});

describe('label', () => {
  test('labels set and taken away, and the fields beside them', async () => {
    const { exitCode, stdout } = await ground.labctl([
      'label',
      'server/web-1',
      'team=search',
      'tier-',
      'a=',
      '--env=production',
      '--role=',
      '-oname',
    ]);
    expect([exitCode, stdout]).toEqual([0, 'server/web-1\n']);
    expect(ground.bodies('PATCH /api/servers/:id')).toEqual([
      { labels: { team: 'search', tier: null, a: '' }, environment: 'production', role: null },
    ]);
  });

  test('several servers, bare names too', async () => {
    const { stdout } = await ground.labctl('label server/web-1,web-2 a=b -o name');
    expect(stdout).toBe('server/web-1\nserver/web-2\n');
    expect((await ground.labctl('label web-3 --cloud aws -o name')).stdout).toBe('server/web-3\n');
  });

  test.each([
    [['label', 'server/web-1'], 'nothing to change'],
    [['label', 'a=b'], 'the name is missing'],
    [['label', 'server/web-1', 'a=b', 'a-'], 'the label a is given twice'],
    [['label', 'server/web-1', 'facts.os=x'], 'facts.os is reported by the agent'],
    [['label', 'server/web-1', 'a=b c'], 'the value in "a=b c" is not valid'],
    [['label', 'server/web-1', '=b'], 'the key in "=b" is not valid'],
    [['label', 'user/alice', 'a=b'], 'labctl label takes no user: user/alice'],
  ])('exit 2: %p', async (words, problem) => {
    const { exitCode, stderr } = await ground.labctl(words);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(problem);
    expect(ground.asked()).toEqual([]);
  });

  test('--dry-run shows the change', async () => {
    expect((await ground.labctl('label server/web-1 a=b --dry-run')).stderr).toBe(
      'dry run: would change server/web-1: {"labels":{"a":"b"}}\n',
    );
  });
});

describe('approve, ban, unban, revoke', () => {
  test('approve agent/NAME', async () => {
    expect((await ground.labctl('approve agent/web-1 -o name')).stdout).toBe('agent/web-1\n');
    expect((await ground.labctl('approve web-1,web-2 -o name')).stdout).toBe('agent/web-1\nagent/web-1\n');
    expect(ground.asked()[0]).toBe('POST /api/agents/web-1/approve');
  });

  test('ban asks, with a reason for the audit log; agents ban is the same', async () => {
    const { stdout } = await ground.labctl(['ban', 'server/web-1', '--reason', 'stolen laptop', '--yes']);
    expect(stdout).toContain('banned');
    await ground.labctl('agents ban web-1', { answers: ['web-1'] });
    expect(ground.bodies('POST /api/servers/:id/ban')).toEqual([{ reason: 'stolen laptop' }, {}]);
    expect((await ground.labctl('ban server/web-1')).exitCode).toBe(2);
  });

  test('unban', async () => {
    expect((await ground.labctl('unban server/web-1')).stdout).toContain('offline');
    expect(ground.asked()).toEqual(['POST /api/servers/web-1/unban']);
  });

  test('revoke a token or a certificate', async () => {
    const serial = '7a24eca9845b8b7c97ca2266780398c8';
    expect((await ground.labctl('revoke token/lmj_0a1b2c3d --yes')).stderr).toBe('revoked token/lmj_0a1b2c3d\n');
    await ground.labctl(['revoke', `certificate/${serial}`, '--reason', 'lost', '--yes']);
    expect(ground.asked()).toEqual(['POST /api/tokens/lmj_0a1b2c3d/revoke', `POST /api/certificates/${serial}/revoke`]);
    expect(ground.bodies('POST /api/certificates/:serial/revoke')).toEqual([{ reason: 'lost' }]);
  });

  test('agents remove and pin', async () => {
    expect((await ground.labctl('agents remove web-1 --yes')).stderr).toBe('removed agent/web-1\n');
    expect((await ground.labctl('agents pin web-1 0.1.0')).stdout).toContain('0.1.0');
    await ground.labctl('agents pin agent/web-1 --off');
    expect(ground.bodies('POST /api/agents/:id/pin')).toEqual([{ version: '0.1.0' }, { version: null }]);
    expect((await ground.labctl('agents pin web-1')).stderr).toContain('the version is missing');
    expect((await ground.labctl('agents pin web-1 1 --off')).stderr).toContain('--off takes no version');
  });
});

describe('create token', () => {
  const made = {
    ...token(),
    token: `lmj_0a1b2c3d_${'A'.repeat(43)}`,
    joinCommand: `printf %s lmj_0a1b2c3d_${'A'.repeat(43)} | sudo lab-agent enroll --url https://x:3101 --token-file -`,
    joinCommandArgv: 'lab-agent enroll --token x',
  };
  beforeAll(() => ground.on('POST /api/tokens', () => ({ status: 201, json: made })));

  test('prints the whole join line on stdout, hints on stderr', async () => {
    const { stdout, stderr } = await ground.labctl('create token');
    expect(stdout).toBe(`${made.joinCommand}\n`);
    expect(stderr).toContain('token lmj_0a1b2c3d: one use, ends in 24m; shown this once');
    expect(stderr).not.toContain('AAAA');
    expect(ground.bodies('POST /api/tokens')).toEqual([
      { type: 'one-time', kind: 'agent', labels: {}, macs: [], cidrs: [], takeover: false, approve: false },
    ]);
    expect(JSON.parse((await ground.labctl('create token -o json')).stdout)).toEqual(made);
  });

  test('every flag', async () => {
    await ground.labctl(
      'create token --reusable --ttl 7d --max-uses 20 --label a=b --label c=d --env e --cloud c --role r --hostname web-* ' +
        '--mac 52:54:00:00:00:01 --cidr 10.0.0.0/8 --takeover --approve',
    );
    expect(ground.bodies('POST /api/tokens')).toEqual([
      {
        type: 'reusable',
        kind: 'agent',
        ttlMs: 7 * 24 * 3_600_000,
        maxUses: 20,
        labels: { a: 'b', c: 'd' },
        environment: 'e',
        cloud: 'c',
        role: 'r',
        hostname: 'web-*',
        macs: ['52:54:00:00:00:01'],
        cidrs: ['10.0.0.0/8'],
        takeover: true,
        approve: true,
      },
    ]);
  });

  test.each([
    ['--ttl 25h', '--ttl: is above 24 h'],
    ['--max-uses 2', '--max-uses: a one-time token has one use'],
    ['--kind bastion --approve', '--approve: only agents can wait for approval'],
    ['--cidr nowhere', '--cidr: Invalid'],
    ['--mac x', '--mac: is not a MAC address'],
    ['--label a-', '--label a-: there is nothing to take away yet'],
    ['--kind server', '--kind'],
  ])('exit 2 before labd is asked, naming the flag: %s', async (flags, problem) => {
    const { exitCode, stderr } = await ground.labctl(`create token ${flags}`);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(problem);
    expect(ground.asked()).toEqual([]);
  });

  test('--dry-run', async () => {
    expect(await ground.labctl('create token --reusable --dry-run')).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: 'dry run: would create a reusable token for agents\n',
    });
  });
});
