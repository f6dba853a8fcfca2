import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { llamaInstalled } from '@labmesh/portman/testing/needs-llama';
import { LabctlHome } from './harness/labctl-process.ts';

const root = resolve(import.meta.dir, '..');
const builds = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);

describe.skipIf(!builds)('the single-file program, alone in an empty folder (builds for linux x64 and arm64)', () => {
  // A copy: beside the original the packages of the checkout would be found.
  const place = mkdtempSync(join(tmpdir(), 'labmesh-single-'));
  const program = join(place, 'labmesh');
  let home: LabctlHome;
  beforeAll(async () => {
    const words = [process.execPath, join(root, 'tools/build.ts'), process.arch];
    const build = Bun.spawn(words, { stdio: ['ignore', 'ignore', 'inherit'] });
    expect(await build.exited).toBe(0);
    copyFileSync(join(root, 'dist', `labmesh-linux-${process.arch}`), program);
    home = new LabctlHome([program]);
  });
  afterAll(() => {
    home[Symbol.dispose]();
    rmSync(place, { recursive: true });
  });

  test('knows that it is one', async () => {
    expect(JSON.parse((await home.run('version', '--json')).stdout)).toMatchObject({ build: 'single file' });
  });

  test.each(['labmand', 'labd', 'lab-agent', 'lab-arena', 'lab-executor'])('answers to the name %s', async (name) => {
    const link = join(home.folder, name);
    symlinkSync(program, link);
    using linked = new LabctlHome([link]);
    expect((await linked.run('--help')).stdout).toStartWith(`Usage: ${name}`);
    expect((await home.run(name, '--help')).stdout).toStartWith(`Usage: ${name}`);
  });

  test('LD-8 AG-1 labd runs, a machine enrols and stays connected, all by the one file', async () => {
    using fleet = new LabctlHome([program]);
    const { folder } = fleet;
    const socket = join(folder, 'a.sock');
    const config = join(folder, 'labmesh.toml');
    const labdLines = ['[labd]', 'listen = "127.0.0.1:0"', 'agent_listen = "127.0.0.1:0"', 'metrics_listen = ""'];
    const places = [
      `admin_socket = "${socket}"`,
      `data_dir = "${folder}/labd"`,
      '[conplane]',
      'listen = "127.0.0.1:0"',
      '',
    ];
    writeFileSync(config, [...labdLines, ...places].join('\n'));
    const labd = fleet.start('labd', 'run', '--config', config);
    await using _ = labd;
    await labd.says('"labd is ready"');
    const ready = labd.stderr.split('\n').find((line) => line.includes('labd is ready')) ?? '{}';
    const { agents } = JSON.parse(ready) as { agents: string };
    const ask = (path: string, init: RequestInit = {}) => fetch(`http://labd${path}`, { unix: socket, ...init });
    const json = { body: '{}', headers: { 'content-type': 'application/json' } };
    const made = await ask('/api/tokens', { method: 'POST', ...json });
    const { token } = (await made.json()) as { token: string };
    writeFileSync(join(folder, 'token'), token, { mode: 0o600 });
    const agentLines = ['[agent]', `url = "${agents}"`, `ca_pin = "${(await (await ask('/ca/pin')).text()).trim()}"`];
    const own = [`state_dir = "${folder}/agent"`, 'hostname = "single"', 'token_file = "token"', ''];
    writeFileSync(join(folder, 'agent.toml'), [...agentLines, ...own].join('\n'));
    const enrolled = await fleet.run('lab-agent', 'enroll', '--config', 'agent.toml');
    expect(enrolled).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('enrolled as single') });
    const agent = fleet.start('lab-agent', 'run', '--config', 'agent.toml');
    await using __ = agent;
    await agent.says('"connected"');
    const servers = await ask('/api/servers');
    expect(await servers.json()).toMatchObject({ items: [{ hostname: 'single', status: 'online' }] });
    // The thread that reads the audit log is another entry point of the file (ST-5).
    const verified = await ask('/api/audit/verify', { method: 'POST', ...json });
    expect(await verified.json()).toMatchObject({ ok: true });
    expect(await (await ask('/api/audit/export')).text()).toContain('"action":"list-servers"');
    for (const daemon of [agent, labd]) {
      daemon.signal('SIGTERM');
      expect(await daemon.exited).toBe(0);
    }
  });

  test.skipIf(process.getuid?.() !== 0)('starts itself again to copy as another account (needs root)', async () => {
    using fleet = new LabctlHome([program]);
    for (const folder of [place, fleet.folder]) chmodSync(folder, 0o755);
    const there = join(fleet.folder, 'there');
    mkdirSync(there);
    chmodSync(there, 0o777);
    const { labctl, ready } = await fleet.up('--only', 'labd,agent');
    await using _ = labctl;
    writeFileSync(join(fleet.folder, 'file'), 'and back');
    const target = `${ready.fleet?.server}:${there}/`;
    expect(await fleet.run('cp', '--login', 'nobody', 'file', target)).toMatchObject({ exitCode: 0 });
    expect(readFileSync(join(there, 'file'), 'utf8')).toBe('and back');
    expect(statSync(join(there, 'file')).uid).not.toBe(0);
  });

  test('holds the driver of PostgreSQL', async () => {
    const url = 'postgresql://lab@127.0.0.1:1/lab';
    const { exitCode, stderr } = await home.run(
      'labd',
      'migrate',
      '--data',
      join(home.folder, 'pg'),
      '--database-url',
      url,
    );
    expect(stderr).toContain('database');
    expect(stderr).not.toContain('module');
    expect(exitCode).not.toBe(0);
  });

  test('says what the built-in engine needs, and runs without it', async () => {
    const { labctl, ready } = await home.up('--demo', '--no-discovery');
    await using _ = labctl;
    expect(ready.models).toEqual([]);
    expect(ready.notes?.join('')).toContain('npm install node-llama-cpp');
    expect((await home.run('status', '--data', home.data)).exitCode).toBe(0);
    // Its labd and agent too.
    const server = ready.fleet?.server ?? '';
    expect(await home.run('exec', server, '--', 'echo', 'hi')).toMatchObject({ exitCode: 0, stdout: 'hi\n' });
    labctl.signal('SIGINT');
    expect(await labctl.exited).toBe(0);
  });

  test.skipIf(!llamaInstalled)(
    'with the package beside it serves the demo model it holds (needs node-llama-cpp)',
    async () => {
      symlinkSync(join(root, 'node_modules'), join(home.folder, 'node_modules'));
      const { labctl, ready } = await home.up('--demo', '--no-discovery');
      await using _ = labctl;
      expect(ready.models.map(({ id }) => id)).toEqual(['tiny-coder']);
      const { stdout } = await home.run('chat', 'write add', '--temperature', '0', '--data', home.data);
      expect(stdout).toBe('def f(a,b):\n    return a+b\n');
    },
  );
});
