/** The fleet plane of `labctl up` on a fresh machine: labd, the login of whoever started it, and the agent of this machine. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { LabctlHome, type LabctlProcess, type Ready } from './harness/labctl-process.ts';

const alone = ['--no-discovery', '--no-demo'];
/** Most tests need no API over LLM servers. */
const fleetOnly = ['--only', 'labd,agent'];

type Started = { labctl: LabctlProcess; ready: Ready; server: string };
async function start(home: LabctlHome, ...words: string[]): Promise<Started> {
  const { labctl, ready } = await home.up(...words);
  return { labctl, ready, server: ready.fleet?.server ?? '' };
}
async function stop({ labctl }: Started): Promise<void> {
  labctl.signal('SIGINT');
  expect(await labctl.exited).toBe(0);
}
async function json<T = Record<string, unknown>>(home: LabctlHome, ...words: string[]): Promise<T> {
  const { exitCode, stdout, stderr } = await home.run(...words, '-o', 'json');
  if (exitCode !== 0) throw new Error(`labctl ${words.join(' ')}: ${exitCode} ${stderr}`);
  return JSON.parse(stdout) as T;
}
type Items<T> = { items: T[] };
type Server = { id: string; hostname: string; status: string };

/** Command lines of all processes but this one. */
const commandLines = () =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return '';
      }
    });

describe('the first minute of labctl up', () => {
  const home = new LabctlHome();
  let started: Started;
  beforeAll(async () => {
    started = await start(home, ...alone);
  });
  afterAll(async () => {
    await started.labctl[Symbol.asyncDispose]();
    home[Symbol.dispose]();
  });

  test('the ready line names labd, this machine and the context', () => {
    const { ready } = started;
    expect(ready.api).toStartWith('http://127.0.0.1:');
    expect(ready.fleet).toEqual({
      api: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+$/),
      agents: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+$/),
      server: expect.stringMatching(/^[a-z0-9]/),
      context: 'local',
    });
    expect(ready.notes).toBeUndefined();
  });

  test('ST-5 AU-7 the audit log in the store that all parts share is verified and exported', async () => {
    const found = await json<{ ok: boolean; chains: { rows: number }[] }>(home, 'audit', 'verify');
    expect([found.ok, found.chains.length, (found.chains[0]?.rows ?? 0) > 0]).toEqual([true, 1, true]);
    const { exitCode, stdout } = await home.run('audit', 'export');
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('"action":"enroll"')]);
  });

  test('ID-1 whoever started it is logged in as an administrator, audited as the local root', async () => {
    const me = await json<{ principal: { kind: string; name: string }; roles: string[] }>(home, 'whoami');
    expect(me).toMatchObject({ principal: { kind: 'user' }, roles: ['admin'] });
    const { items } = await json<Items<{ action: string; principal: { kind: string; name: string } }>>(
      home,
      'audit',
      'list',
    );
    const made = items.find(({ action }) => action === 'create-user');
    expect(made?.principal).toMatchObject({ kind: 'local', name: 'root' });
  });

  test('what it keeps is private', () => {
    const mode = (...path: string[]) => statSync(join(...path)).mode & 0o777;
    for (const name of ['labd', 'agent']) expect(mode(home.data, name)).toBe(0o700);
    for (const path of ['labd.sock', 'run.json', 'labmesh.db', 'labd/kek.key', 'agent/identity.pem'])
      expect([path, mode(home.data, path)]).toEqual([path, 0o600]);
    for (const path of ['config.yaml', 'credentials/local.pem'])
      expect([path, mode(home.folder, '.labctl', path)]).toEqual([path, 0o600]);
  });

  test('this machine is the first server, and exec works on it', async () => {
    const { server } = started;
    const { items } = await json<Items<Server>>(home, 'get', 'servers');
    expect(items).toEqual([expect.objectContaining({ hostname: server, status: 'online' })]);
    expect(await home.run('exec', server, '--', 'echo', 'hi')).toMatchObject({ exitCode: 0, stdout: 'hi\n' });
  });

  test('EX-6 exit codes of exec: the command, a signal, no program, no server', async () => {
    const { server } = started;
    const code = async (...words: string[]) => (await home.run('exec', ...words)).exitCode;
    expect(await code(server, '--', 'sh', '-c', 'exit 7')).toBe(7);
    expect(await code(server, '--', 'sh', '-c', 'kill -9 $$')).toBe(137);
    expect(await code(server, '--', '/nonexistent/program')).toBe(127);
    expect(await code('nobody-has-this-name', '--', 'true')).toBe(255);
  });

  test('status shows the fleet; --local finds the admin socket without an installed labd', async () => {
    const status = await home.run('status', '--data', home.data);
    expect(status.stdout).toContain(`fleet      ${started.ready.fleet?.api}, 1 of 1 agents connected`);
    const all = JSON.parse((await home.run('status', '--json', '--data', home.data)).stdout) as object;
    expect(all).toMatchObject({
      running: true,
      models: 0,
      fleet: { api: started.ready.fleet?.api, server: started.server, agents: { connected: 1, known: 1 } },
    });
    // Where a command has no --data, the environment names the folder.
    const child = Bun.spawn([join(import.meta.dir, '../labctl'), '--local', 'whoami', '-o', 'json'], {
      env: { PATH: process.env['PATH'] ?? '', HOME: home.folder, LABMESH_DATA: home.data },
      stdout: 'pipe',
      stderr: 'pipe',
    });
    expect(JSON.parse(await child.stdout.text())).toMatchObject({ principal: { kind: 'local' } });
  });

  test('a second labmesh on another data folder has a context of its own', async () => {
    const data = join(home.folder, 'beside');
    const beside = home.start('up', '--json', '--port', '0', '--data', data, ...fleetOnly);
    await using _ = beside;
    await beside.says('"ready":true');
    const { fleet } = JSON.parse(beside.stdout) as Ready;
    expect(fleet?.context).toMatch(/^local-[0-9a-f]{6}$/);
    expect(fleet?.server).toBe(started.server);
    const there = await json<Items<Server>>(home, '--context', fleet?.context ?? '', 'get', 'servers');
    const here = await json<Items<Server>>(home, 'get', 'servers');
    expect([there.items.length, here.items.length]).toEqual([1, 1]);
    expect(there.items[0]?.id).not.toBe(here.items[0]?.id ?? '');
    beside.signal('SIGINT');
    expect(await beside.exited).toBe(0);
  });
});

describe('labctl up again', () => {
  test('on the same folder: same server, same user, same login; only the address moves', async () => {
    using home = new LabctlHome();
    const seen = async () => ({
      servers: (await json<Items<Server>>(home, 'get', 'servers')).items.map(({ id, hostname }) => ({ id, hostname })),
      users: (await json<Items<{ id: string }>>(home, 'get', 'users')).items.map(({ id }) => id),
    });
    const credentials = () => readFileSync(join(home.folder, '.labctl/credentials/local.pem'), 'utf8');
    const first = await start(home, ...fleetOnly);
    const before = { ...(await seen()), pem: credentials() };
    await stop(first);
    expect(before.servers).toHaveLength(1);
    expect(before.users).toHaveLength(1);
    const second = await start(home, ...fleetOnly);
    await using _ = second.labctl;
    expect({ ...(await seen()), pem: credentials() }).toEqual(before);
    expect((await home.run('exec', second.server, '--', 'true')).exitCode).toBe(0);
    await stop(second);
  });

  test('JT-7 CA-9 a machine that lost its state takes its place again, at once', async () => {
    using home = new LabctlHome();
    const ids = async () => (await json<Items<Server>>(home, 'get', 'servers')).items.map(({ id }) => id);
    const first = await start(home, ...fleetOnly);
    const before = await ids();
    await stop(first);
    rmSync(join(home.data, 'agent'), { recursive: true });
    const second = await start(home, ...fleetOnly);
    await using _ = second.labctl;
    expect(second.ready.notes).toBeUndefined();
    expect(await ids()).toEqual(before);
    expect((await home.run('exec', second.server, '--', 'true')).exitCode).toBe(0);
    await stop(second);
  });

  test('CA-7 after its certificate ran out it is the same server', async () => {
    using home = new LabctlHome();
    const ids = async () => (await json<Items<Server>>(home, 'get', 'servers')).items.map(({ id }) => id);
    writeFileSync(join(home.folder, 'labmesh.toml'), '[ca]\nagent_ttl = "2s"\nexpired_grace = "1s"\n');
    const first = await start(home, ...fleetOnly);
    const before = await ids();
    await stop(first);
    await Bun.sleep(3_500);
    const second = await start(home, ...fleetOnly);
    await using _ = second.labctl;
    expect([await ids(), second.ready.notes]).toEqual([before, undefined]);
    await stop(second);
  });

  test('CA-9 a banned machine stays out, and the start says so', async () => {
    using home = new LabctlHome();
    const first = await start(home, ...fleetOnly);
    await using _ = first.labctl;
    expect(await home.run('ban', `server/${first.server}`, '--yes')).toMatchObject({ exitCode: 0 });
    await stop(first);
    // With its identity, and by a new token.
    for (const isNew of [false, true]) {
      if (isNew) rmSync(join(home.data, 'agent'), { recursive: true });
      const again = await start(home, ...fleetOnly);
      await using __ = again.labctl;
      expect(again.ready.fleet?.server).toBeNull();
      expect(again.ready.notes).toEqual([expect.stringContaining('this machine did not join labd: ')]);
      await stop(again);
    }
  });

  test('a login that labd no longer takes is made anew; another context in force stays so', async () => {
    using home = new LabctlHome();
    const folder = join(home.folder, '.labctl');
    mkdirSync(folder);
    const mine = 'currentContext: prod\ncontexts:\n  prod:\n    labd:\n      url: https://lab.example:3100\n';
    writeFileSync(join(folder, 'config.yaml'), mine, { mode: 0o600 });
    const first = await start(home, ...fleetOnly);
    expect(readFileSync(join(folder, 'config.yaml'), 'utf8')).toStartWith(mine);
    const serial = async () => (await json<{ serial: string }>(home, '--context', 'local', 'whoami')).serial;
    const before = await serial();
    expect((await home.run('revoke', `certificate/${before}`, '--context', 'local', '--yes')).exitCode).toBe(0);
    await stop(first);
    const second = await start(home, ...fleetOnly);
    await using _ = second.labctl;
    expect(await serial()).not.toBe(before);
    await stop(second);
  });
});

describe('parts of labctl up', () => {
  test('--no-fleet leaves labd, the agent and the login out', async () => {
    using home = new LabctlHome();
    const started = await start(home, ...alone, '--no-fleet');
    await using _ = started.labctl;
    expect(started.ready.fleet).toBeUndefined();
    expect(readdirSync(home.data)).not.toContain('labd');
    expect(existsSync(join(home.folder, '.labctl'))).toBe(false);
    expect((await home.run('status', '--data', home.data)).stdout).not.toContain('fleet');
    await stop(started);
  });

  test('--only labd,agent has no gateway, and says so', async () => {
    using home = new LabctlHome();
    const started = await start(home, ...fleetOnly);
    await using _ = started.labctl;
    expect(Object.keys(started.ready)).toEqual(['ready', 'fleet']);
    const status = await home.run('status', '--data', home.data);
    expect(status).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('1 of 1 agents connected') });
    const models = await home.run('models', '--data', home.data);
    expect(models).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('runs without a gateway') });
    await stop(started);
    expect((await home.run('status', '--data', home.data)).exitCode).toBe(1);
  });

  test('what cannot go together, and settings of labd with a fault, end the start', async () => {
    using home = new LabctlHome();
    const up = (...words: string[]) => home.run('up', '--port', '0', '--data', home.data, ...words);
    expect(await up('--only', 'agent')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('needs labd') });
    expect(await up('--only', 'node')).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('[labman]') });
    writeFileSync(join(home.folder, 'labmesh.toml'), '[labd]\nlissten = "x"\n');
    expect(await up()).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('did you mean') });
    // Without a way for agents to be told where labd is.
    writeFileSync(join(home.folder, 'labmesh.toml'), '[labd]\nlisten = "0.0.0.0:0"\n');
    const { exitCode, stderr } = await up();
    expect(stderr).toContain('labd.public_url');
    expect(stderr).toContain('labctl up --no-fleet starts without labd and agent');
    expect(exitCode).toBe(3);
    expect(existsSync(join(home.data, 'run.json'))).toBe(false);
  });

  test('a data folder that lies too deep for a socket has its socket elsewhere', async () => {
    using home = new LabctlHome();
    const data = join(home.folder, 'deep'.repeat(25), 'data');
    const labctl = home.start('up', '--json', '--port', '0', '--data', data, ...fleetOnly);
    await using _ = labctl;
    await labctl.says('"ready":true');
    const { fleet } = JSON.parse(readFileSync(join(data, 'run.json'), 'utf8')) as { fleet: { adminSocket: string } };
    expect(statSync(fleet.adminSocket).mode & 0o777).toBe(0o600);
    expect((await home.run('status', '--data', data)).stdout).toContain('1 of 1 agents connected');
    labctl.signal('SIGINT');
    expect(await labctl.exited).toBe(0);
    expect(existsSync(dirname(fleet.adminSocket))).toBe(false);
  });

  test('SE-3 a wrong key ends the start, and changes nothing', async () => {
    using home = new LabctlHome();
    await stop(await start(home, ...fleetOnly));
    const keyFile = join(home.data, 'labd/kek.key');
    const key = readFileSync(keyFile, 'utf8');
    writeFileSync(keyFile, key.replace(/base64:.*/, `base64:${Buffer.alloc(32, 7).toString('base64')}`));
    const { exitCode, stderr } = await home.run('up', '--port', '0', '--data', home.data, ...fleetOnly);
    expect(stderr).toContain('--no-fleet');
    expect(exitCode).toBe(78);
    writeFileSync(keyFile, key);
    const again = await start(home, ...fleetOnly);
    await using _ = again.labctl;
    await stop(again);
  });
});

describe('the end of labctl up', () => {
  test('SD-1 EX-7 Ctrl-C ends what runs on this machine and leaves nothing behind', async () => {
    using home = new LabctlHome();
    const started = await start(home, ...alone);
    await using _ = started.labctl;
    // Nobody else sleeps this long.
    const nap = `${100_000 + (process.pid % 100_000)}`;
    const session = home.start('exec', started.server, '--', 'sh', '-c', `echo begun; sleep ${nap}`);
    await using __ = session;
    await session.says('begun');
    await stop(started);
    expect(started.labctl.stderr).toEndWith('stopped\n');
    expect(started.labctl.stderr).not.toContain('"level":50');
    // It hears that the agent ended it, and does not look for the link for a minute.
    expect(await session.exited).toBe(255);
    expect(session.stderr).toContain('AGENT_RESTARTED');
    expect(commandLines().filter((line) => line.includes(nap) || line.includes(home.data))).toEqual([]);
    const left = readdirSync(home.data);
    expect(left.filter((name) => name.endsWith('.sock') || name === 'run.json')).toEqual([]);
  });

  test('a killed one is in nobody’s way: the next start finds its place free', async () => {
    using home = new LabctlHome();
    const started = await start(home, ...fleetOnly);
    started.labctl.signal('SIGKILL');
    await started.labctl.exited;
    // What a crash leaves behind is no "it runs", and in nobody's way.
    expect((await home.run('status', '--data', home.data)).exitCode).not.toBe(0);
    const again = await start(home, ...fleetOnly);
    await using _ = again.labctl;
    expect((await home.run('exec', again.server, '--', 'true')).exitCode).toBe(0);
    await stop(again);
  });
});

const isRoot = process.getuid?.() === 0;
const nobody = 65_534;
describe.skipIf(!isRoot)('labctl up behind sudo (needs root)', () => {
  test('ID-1 the user is who called sudo; the login is root’s, and the way to one’s own is told', async () => {
    const sudo = ['env', 'SUDO_USER=alice', 'SUDO_UID=12345', 'SUDO_GID=12345'];
    using home = new LabctlHome([...sudo, join(import.meta.dir, '../labctl')]);
    const started = await start(home, ...fleetOnly);
    await using _ = started.labctl;
    expect(await json(home, 'whoami')).toMatchObject({ principal: { kind: 'user', name: 'alice' } });
    expect(started.ready.notes).toEqual([expect.stringContaining('sudo labctl login --local https://127.0.0.1:')]);
    await stop(started);
  });

  test('nothing is written into the home of another account', async () => {
    using home = new LabctlHome();
    chownSync(home.folder, nobody, nobody);
    const started = await start(home, ...fleetOnly);
    await using _ = started.labctl;
    expect(started.ready.fleet?.context).toBeNull();
    expect(started.ready.notes).toEqual([expect.stringContaining('belongs to another account')]);
    expect(existsSync(join(home.folder, '.labctl'))).toBe(false);
    await stop(started);
  });
});

describe.skipIf(!isRoot || Bun.which('setpriv') === null)('labctl up of an ordinary user (needs root)', () => {
  test('exec runs as that account, and as no other', async () => {
    const setpriv = ['setpriv', '--reuid', String(nobody), '--regid', String(nobody), '--clear-groups'];
    using home = new LabctlHome([...setpriv, join(import.meta.dir, '../labctl')]);
    chmodSync(home.folder, 0o755);
    chownSync(home.folder, nobody, nobody);
    const started = await start(home, ...fleetOnly);
    await using _ = started.labctl;
    const id = await home.run('exec', started.server, '--', 'id', '-u');
    expect(id).toMatchObject({ exitCode: 0, stdout: `${nobody}\n` });
    const root = await home.run('exec', started.server, '--login', 'root', '--', 'id', '-u');
    expect(root).toMatchObject({ exitCode: 255, stdout: '' });
    expect(root.stderr).toContain('does not run as root');
    await stop(started);
  });
});
