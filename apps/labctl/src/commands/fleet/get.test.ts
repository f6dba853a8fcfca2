import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { Stopped } from '@labmesh/kit/run';
import { failed, type FleetGround, openFleetGround, quickClock } from '../../testing/fleet-ground.ts';
import * as samples from '../../testing/fleet-samples.ts';
import { expectGolden } from '../../testing/golden.ts';

const { agent, at, bastion, binding, certificate, id, machine, node, pageOf, permission, replica, role, server } =
  samples;
const { session, token, user } = samples;
let ground: FleetGround;
beforeAll(async () => (ground = await openFleetGround()));
afterAll(() => ground[Symbol.asyncDispose]());
beforeEach(() => void (ground.labd.asked.length = 0));

/** Times differ from run to run. */
const steady = (text: string) => text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '2026-01-01T00:00:00.000Z');
const golden = (name: string, text: string) =>
  expectGolden(join(import.meta.dir, 'testdata', `${name}.golden.txt`), steady(text));

const servers = [
  server(),
  server({
    id: id(31),
    hostname: 'db-1',
    status: 'offline',
    role: 'db',
    labels: {},
    lastSeenAt: at(-200),
    cloud: 'aws',
    agentVersion: '0.0.9',
  }),
  server({
    id: id(32),
    hostname: `a-very-long-host-name.${'x'.repeat(60)}.lab.example`,
    status: 'waiting-approval',
    environment: null,
    role: null,
    lastSeenAt: null,
    agentVersion: null,
  }),
];
const lists = {
  servers,
  agents: [agent(), agent({ hostname: 'db-1', status: 'offline', pin: '0.0.9', connectedAt: null })],
  users: [user(), user({ name: 'bob', email: null, roles: [], disabledAt: at(-10) })],
  roles: [role(), role({ name: 'admin', builtIn: true, description: null, rules: ['allow * on *'] })],
  permissions: [permission()],
  bindings: [binding(), binding({ subjectKind: 'group', subject: 'sre', role: 'admin', expiresAt: at(90) })],
  tokens: [token(), token({ prefix: 'lmj_11111111', type: 'reusable', state: 'used', maxUses: 50, uses: 50 })],
  certificates: [certificate(), certificate({ name: 'bob', revokedAt: at(-1) })],
  sessions: [session(), session({ state: 'open', endedAt: null, exit: null, recordingId: null })],
  bastions: [bastion()],
  machines: [machine(), machine({ mac: '52:54:00:00:00:02', hostname: null, role: null, state: 'discovered' })],
  nodes: [node(), node({ name: 'site-b', status: 'offline', state: null, tenant: '', address: null, mode: null })],
  replicas: [replica(), replica({ live: false, seenAt: at(-60) })],
} as const;
beforeAll(() => {
  for (const [name, items] of Object.entries(lists)) ground.on(`GET /api/${name}`, pageOf(...items));
});

describe('get', () => {
  test('golden: every type at 80 and 200 columns, wide, and piped (CT-6)', async () => {
    const out: string[] = [];
    for (const name of [...Object.keys(lists), 'recordings']) {
      for (const columns of [80, 200, undefined]) {
        const { exitCode, stdout, stderr } = await ground.labctl(`get ${name}`, { columns });
        expect([exitCode, stderr]).toEqual([0, '']);
        if (columns !== undefined) {
          const widest = Math.max(...stdout.split('\n').map((line) => Bun.stringWidth(line)));
          expect(widest).toBeLessThanOrEqual(columns);
        }
        out.push(`$ labctl get ${name}   (${columns ?? 'piped'})\n${stdout}`);
      }
      out.push(`$ labctl get ${name} -o wide\n${(await ground.labctl(`get ${name} -o wide`)).stdout}`);
    }
    golden('get-all', out.join('\n'));
  });

  test('CT-6 JSON is the API’s object, alone on stdout; -o name, ndjson and yaml', async () => {
    const { stdout } = await ground.labctl('get servers -o json');
    expect(JSON.parse(stdout)).toEqual(pageOf(...servers));
    const lines = (await ground.labctl('get servers -o ndjson')).stdout.trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { hostname: string }).hostname)).toEqual(
      servers.map(({ hostname }) => hostname),
    );
    expect((await ground.labctl('get users -o name')).stdout).toBe('user/alice\nuser/bob\n');
    expect((await ground.labctl('get bastions -o yaml')).stdout).toContain('- id: ');
  });

  test('filters go to labd as the contract names them', async () => {
    await ground.labctl(['get', 'servers', '-l', 'team=search,!old', '--env', 'production', '--cloud', 'aws']);
    await ground.labctl('get agents --status offline --role web --match web');
    await ground.labctl(`get sessions --status open --server server/web-1 --job ${id(1)}`);
    await ground.labctl('get tokens --status live --kind bastion');
    await ground.labctl('get certificates --status live --match alice');
    expect(ground.asked()).toEqual([
      'GET /api/servers?limit=500&label=team%3Dsearch%2C%21old&environment=production&cloud=aws',
      'GET /api/agents?limit=500&role=web&status=offline&q=web',
      `GET /api/sessions?limit=500&state=open&server=web-1&job=${id(1)}`,
      'GET /api/tokens?limit=500&state=live&kind=bastion',
      'GET /api/certificates?limit=500&live=true&identity=alice',
    ]);
  });

  test('filters that labd has not are applied here', async () => {
    const names = async (words: string) => (await ground.labctl(`get ${words} -o name`)).stdout.trim().split('\n');
    expect(await names('machines --match node')).toEqual(['machine/52:54:00:ab:cd:ef']);
    expect(await names('machines --status discovered')).toEqual(['machine/52:54:00:00:00:02']);
    expect(await names('bindings --role admin')).toHaveLength(1);
    expect((await ground.labctl('get permissions --role nobody')).stderr).toBe('no permissions\n');
  });

  test.each([
    ['get users --env production', '--env means nothing for users'],
    ['get bastions -l a=b', '--selector means nothing for bastions'],
    ['get servers --status green', '--status: found "green", expected one of online'],
    ['get sessions --job 7', '--job: found "7"'],
    ['get servrs', 'unknown type "servrs"; did you mean servers?'],
    ['get', 'the type is missing'],
    ['get clusters', 'clusters cannot be listed here'],
    ['get recordings --kind agent', '--kind means nothing for recordings'],
    ['get aliases --status active', '--status means nothing for aliases'],
    ['get server/web-1 --env x', 'either names or filters'],
    ['get server/web-1 user/alice', 'one type at a time'],
    ['get replica/', 'the name of the replica is empty'],
    ['get servers --sort colour', '--sort: there is no "colour"'],
  ])('exit 2: labctl %s', async (words, problem) => {
    const { exitCode, stderr, stdout } = await ground.labctl(words);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain(`error: ${problem}`);
  });

  test('things that are named, by every form of a reference', async () => {
    ground.on('GET /api/servers/:id', ({ path }) => ({ json: server({ hostname: path.split('/').at(-1) ?? '' }) }));
    for (const words of ['get server/web-1', 'get srv web-1', 'get SERVERS web-1']) {
      expect((await ground.labctl(`${words} -o name`)).stdout).toBe('server/web-1\n');
    }
    expect((await ground.labctl('get server web-1 web-2 -o name')).stdout).toBe('server/web-1\nserver/web-2\n');
    expect(JSON.parse((await ground.labctl('get server/web-1 -o json')).stdout)).toMatchObject({ hostname: 'web-1' });
    expect((await ground.labctl(`get binding/${id(5)} -o name`)).stdout).toBe(`binding/${id(5)}\n`);
    expect((await ground.labctl('get machine/52-54-00-AB-CD-EF -o name')).stdout).toBe('machine/52:54:00:ab:cd:ef\n');
    expect((await ground.labctl(`get replica/${id(9)} -o name`)).stdout).toBe(`replica/${id(9)}\n`);
  });

  test('CT-8 exit 5 for what is not there, also where the API only lists', async () => {
    const { exitCode, stderr } = await ground.labctl('get bastion/none');
    expect(exitCode).toBe(5);
    expect(stderr).toBe(
      'error: there is no bastion none, or you may not see it (NOT_FOUND)\n' +
        'hint: labctl get bastions lists what there is and you may see\n',
    );
    expect((await ground.labctl('get user/none')).exitCode).toBe(5);
  });

  test('--sort by column, by field, turned round; what is missing comes last', async () => {
    const order = async (key: string) =>
      (await ground.labctl(['get', 'servers', `--sort=${key}`, '-o', 'name'])).stdout
        .trim()
        .split('\n')
        .map((name) => name.slice(7, 12));
    expect(await order('name')).toEqual(['a-ver', 'db-1', 'web-1']);
    expect(await order('-hostname')).toEqual(['web-1', 'db-1', 'a-ver']);
    expect(await order('last-seen')).toEqual(['db-1', 'web-1', 'a-ver']);
    expect(await order('-lastSeenAt')).toEqual(['web-1', 'db-1', 'a-ver']);
    expect(await order('cloud')).toEqual(['db-1', 'web-1', 'a-ver']);
  });

  test('nothing found is told on stderr, and is no failure', async () => {
    ground.on('GET /api/bastions', pageOf());
    expect(await ground.labctl('get bastions')).toMatchObject({ exitCode: 0, stdout: '', stderr: 'no bastions\n' });
    ground.on('GET /api/bastions', pageOf(bastion()));
  });
});

/** Runs `get -w` for some rounds. */
async function watch(words: string, rounds: ((n: number) => void)[], how: object = {}) {
  const stopping = new AbortController();
  let round = 0;
  const sleep = async () => {
    const next = rounds[round++];
    if (next === undefined) {
      stopping.abort(new Stopped());
      throw stopping.signal.reason as Error;
    }
    next(round);
  };
  const life = {
    signal: stopping.signal,
    stack: new AsyncDisposableStack(),
    stopped: new Promise<void>(() => {}),
    stop: () => {},
  };
  return ground.labctl(words, { life, clock: { ...quickClock, sleep }, ...how });
}

describe('get -w', () => {
  test('piped: a line for each thing that is new or has changed; what is gone on stderr; Ctrl-C is 130', async () => {
    ground.on('GET /api/agents', pageOf(agent(), agent({ hostname: 'db-1' })));
    const found = await watch('get agents -w', [
      () => {},
      () => ground.on('GET /api/agents', pageOf(agent({ status: 'offline', lastSeenAt: null }))),
    ]);
    expect(found.exitCode).toBe(130);
    const seen = found.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { hostname: string; status: string });
    expect(seen.map(({ hostname, status }) => `${hostname} ${status}`)).toEqual([
      'web-1 online',
      'db-1 online',
      'web-1 offline',
    ]);
    expect(found.stderr).toBe('agent/db-1 is gone\n');
  });

  test('on a terminal the table is drawn anew', async () => {
    ground.on('GET /api/agents', pageOf(agent()));
    const { stdout } = await watch('get agents -w', [() => {}], { columns: 100 });
    expect(stdout.split('\u001b[H\u001b[J')).toHaveLength(3);
    expect(stdout.match(/NAME {3}STATUS/g)).toHaveLength(2);
    expect(stdout).toContain('UTC; Ctrl-C ends');
  });

  test('a labd that is away for a moment does not end it, one that never was there does', async () => {
    ground.on('GET /api/agents', pageOf(agent()));
    const away = () => ground.on('GET /api/agents', () => failed('SHUTTING_DOWN', 503, { retryAfterMs: 1e9 }));
    const back = () => ground.on('GET /api/agents', pageOf(agent({ status: 'suspect' })));
    const found = await watch('get agents -w', [away, back]);
    expect(found.stderr).toContain('watching goes on');
    expect(found.stdout.trim().split('\n')).toHaveLength(2);
    away();
    expect((await watch('get agents -w', [back])).exitCode).toBe(6);
  });
});

describe('describe', () => {
  test('golden: every type', async () => {
    ground.on('GET /api/servers/:id', server());
    ground.on('GET /api/servers/:id/facts', { kernel: '6.12', disks: [{ name: 'sda', bytes: 5 }], uptimeS: 99 });
    ground.on('GET /api/agents/:id', agent());
    ground.on('GET /api/users/:id', user());
    ground.on('GET /api/roles/:id', role());
    ground.on('GET /api/tokens/:id', token({ labels: { a: 'b' }, hostname: 'web-*', macs: ['52:54:00:00:00:01'] }));
    ground.on('GET /api/sessions/:id', session());
    ground.on('GET /api/nodes/:id', { ...node(), modelIds: ['llama3.2:3b', 'qwen3:8b'] });
    const out: string[] = [];
    for (const ref of [
      'server/web-1',
      'agent/web-1',
      'user/alice',
      'role/web-ops',
      `permission/${id(6)}`,
      `binding/${id(5)}`,
      'token/lmj_0a1b2c3d',
      `certificate/${certificate().serial}`,
      `session/${id(8)}`,
      'bastion/lab',
      'machine/node-1',
      'node/site-a',
      `replica/${id(9)}`,
    ]) {
      const { exitCode, stdout, stderr } = await ground.labctl(`describe ${ref}`);
      expect([ref, exitCode, stderr]).toEqual([ref, 0, '']);
      out.push(`$ labctl describe ${ref}\n${stdout}`);
    }
    golden('describe-all', out.join('\n'));
  });

  test('a server as JSON has its facts in it; two things are two documents', async () => {
    const { stdout } = await ground.labctl('describe server/web-1 -o json');
    expect(JSON.parse(stdout)).toMatchObject({ hostname: 'web-1', facts: { kernel: '6.12' } });
    const lines = (await ground.labctl('describe server web-1 web-2 -o ndjson')).stdout.trim().split('\n');
    expect(lines).toHaveLength(2);
  });

  test('who may not list bindings is told so in their place', async () => {
    ground.on('GET /api/bindings', () => failed('PERMISSION_DENIED', 403));
    const { exitCode, stdout } = await ground.labctl('describe role/web-ops');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('you may not list them');
    ground.on('GET /api/bindings', () => failed('INTERNAL', 500));
    expect((await ground.labctl('describe user/alice')).exitCode).toBe(1);
    ground.on('GET /api/bindings', pageOf(binding()));
  });

  test('a running session tells how to join it', async () => {
    ground.on('GET /api/sessions/:id', session({ state: 'detached', endedAt: null, exit: null, recordingId: null }));
    expect((await ground.labctl(`describe session/${id(8)}`)).stdout).toContain(
      `labctl attach session/${id(8)} joins it`,
    );
  });

  test('exit 2 without a name', async () => {
    expect(await ground.labctl('describe servers')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('the name of the server is missing'),
    });
  });

  test('CT-6 control characters from an agent are escaped', async () => {
    ground.on('GET /api/servers/:id/facts', { motd: 'hi\u001b[2J\nroot' });
    const { stdout } = await ground.labctl('describe server/web-1');
    expect(stdout).toContain('motd=hi\\x1b[2J\\nroot');
    expect(stdout).not.toContain('\u001b');
  });
});
