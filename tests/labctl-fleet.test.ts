/** labctl over a real labd and a real agent: login, people, servers, tokens, audit, CA, backups. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Finished, type RunningAgent, type RunningLabd, startAgent, startLabd } from './harness/start-labd.ts';

setDefaultTimeout(60_000);
let labd: RunningLabd;
let agent: RunningAgent;
/** Home of the second user. */
let other: string;
beforeAll(async () => {
  other = mkdtempSync(join(tmpdir(), 'labctl-other-'));
  labd = await startLabd();
  agent = await startAgent(labd, 'web-1');
});
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await labd?.[Symbol.asyncDispose]();
  rmSync(other, { recursive: true, force: true });
});

const labctl = (...words: string[]) => labd.labctl(...words);
const asAlice = (...words: string[]) => labd.labctlWith({ home: other }, ...words);
const json = async (...words: string[]) => JSON.parse((await ok(labctl(...words, '-o', 'json'))).stdout);
/** What a command said, which must have ended well. */
async function ok(running: Promise<Finished>): Promise<Finished> {
  const done = await running;
  expect(done.exitCode, done.stderr).toBe(0);
  return done;
}

describe('labctl over a real labd', () => {
  test('before a login: exit 3 and the way to one', async () => {
    const { exitCode, stderr } = await labctl('get', 'servers');
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining('hint: labctl login')]);
  });

  test('ID-1 login --local makes the first administrator', async () => {
    const { stderr } = await ok(labctl('login', labd.api, '--local', '--user', 'root'));
    expect(stderr).toContain('made user root with role admin');
    expect(statSync(join(labd.folder, '.labctl/credentials/default.pem')).mode & 0o777).toBe(0o600);
    expect(await json('whoami')).toMatchObject({
      principal: { name: 'root' },
      roles: ['admin'],
      method: 'certificate',
    });
    // The socket is also the way back in.
    expect((await ok(labctl('login', labd.api, '--local', '--user', 'root'))).stderr).toContain('new login token');
  });

  test('ID-2 the line that create user prints logs that person in, once', async () => {
    const { stdout } = await ok(labctl('create', 'user', 'alice', '--role', 'viewer'));
    const [, token = '', url = '', pin = ''] =
      /^printf %s (\S+) \| labctl login (\S+) --ca-pin (\S+) --token-file -\n$/.exec(stdout) ?? [];
    expect(url).toBe(labd.api);
    const words = ['login', url, '--ca-pin', pin, '--token-file', '-'];
    await ok(labd.labctlWith({ home: other, stdin: token }, ...words));
    expect((await asAlice('whoami')).stdout).toContain('user:alice');
    const again = await labd.labctlWith({ home: other, stdin: token }, ...words);
    expect([again.exitCode, again.stderr]).toEqual([4, expect.stringContaining('(TOKEN_USED)')]);
    const wrong = await labd.labctlWith(
      { home: other, stdin: token },
      'login',
      url,
      '--ca-pin',
      `sha256:${'0'.repeat(64)}`,
      '--token-file',
      '-',
    );
    expect(wrong.exitCode).toBe(6);
  });

  test('ID-3 password: set, log in, wrong one refused', async () => {
    const file = join(labd.folder, 'password');
    writeFileSync(file, 'a long enough password\n');
    await ok(labctl('user', 'password', 'alice', '--password-file', file));
    const words = ['login', '--user', 'alice', '--password-file'];
    await ok(asAlice(...words, file));
    writeFileSync(file, 'another password\n');
    const { exitCode, stderr } = await asAlice(...words, file);
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining('(UNAUTHENTICATED)')]);
    await ok(labctl('user', 'totp', 'alice'));
    expect(await json('get', 'user/alice')).toMatchObject({ hasPassword: true, hasTotp: true });
    await ok(labctl('user', 'totp', 'alice', '--off', '--yes'));
  });

  test('servers and agents: get, filters, describe with facts, labels', async () => {
    expect((await ok(labctl('get', 'servers', '-o', 'name'))).stdout).toBe('server/web-1\n');
    await ok(labctl('label', 'server/web-1', 'team=search', '--env', 'production', '--role', 'web'));
    expect(await json('get', 'server/web-1')).toMatchObject({
      status: 'online',
      environment: 'production',
      labels: { team: 'search' },
    });
    for (const [words, count] of [
      [['-l', 'team=search'], 1],
      [['-l', 'team notin (search)'], 0],
      [['--env', 'production', '--status', 'online'], 1],
      [['--role', 'db'], 0],
      [['--match', 'web'], 1],
    ] as const) {
      expect([words, (await json('get', 'servers', ...words)).items.length]).toEqual([words, count]);
    }
    const shown = (await ok(labctl('describe', 'server/web-1'))).stdout;
    expect(shown).toContain('team=search');
    expect(shown).toMatch(/hostname=/);
    expect((await ok(labctl('get', 'agents'))).stdout).toContain('online');
    await ok(labctl('label', 'server/web-1', 'team-', '--env', ''));
    expect(await json('get', 'server/web-1')).toMatchObject({ environment: null, labels: {} });
    await ok(labctl('agents', 'pin', 'web-1', '0.1.0'));
    expect(await json('get', 'agent/web-1')).toMatchObject({ pin: '0.1.0' });
  });

  test('CT-8 what is not there is exit 5, also for who may not look', async () => {
    expect((await labctl('get', 'server/none')).exitCode).toBe(5);
    expect((await labctl('get', 'user/none')).exitCode).toBe(5);
    expect((await labctl('delete', 'role/none', '--yes')).exitCode).toBe(5);
  });

  test('RB-9 can-i: exit 0 or 4, with the rule', async () => {
    expect((await asAlice('auth', 'can-i', 'list', 'servers')).exitCode).toBe(0);
    const { exitCode, stdout } = await asAlice('auth', 'can-i', 'exec', 'server/web-1', '--explain');
    expect(exitCode).toBe(4);
    expect(stdout).toContain('deny exec,exec-unrecorded,attach,copy-in,copy-out,forward,proxy on *');
    expect((await labctl('auth', 'can-i', 'exec', 'server/web-1', '--as', 'alice')).exitCode).toBe(4);
    expect((await asAlice('auth', 'can-i', 'exec', 'server/web-1', '--as', 'root')).exitCode).toBe(4);
  });

  test('RB-11 roles and bindings hold at once', async () => {
    const rule = 'allow update on servers where role=web';
    await ok(labctl('create', 'role', 'labeller', '--rule', rule));
    const denied = await asAlice('label', 'server/web-1', 'a=b');
    expect([denied.exitCode, denied.stderr]).toEqual([4, expect.stringContaining('error: ')]);
    const made = await json('create', 'binding', 'alice', 'labeller', '--expires', '1h');
    await ok(asAlice('label', 'server/web-1', 'a=b'));
    await ok(labctl('role', 'edit', 'labeller', '--rule', 'allow update on servers where role=db'));
    expect((await asAlice('label', 'server/web-1', 'a=c')).exitCode).toBe(4);
    expect((await ok(labctl('describe', 'role/labeller'))).stdout).toContain('user:alice → labeller, ends in 59m');
    await ok(labctl('delete', `binding/${made.id}`, 'role/labeller', '--yes'));
    const grant = await asAlice('create', 'binding', 'alice', 'admin');
    expect(grant.exitCode).toBe(4);
    const [admin] = (await json('get', 'bindings', '--role', 'admin')).items as { id: string }[];
    expect((await labctl('delete', `binding/${admin?.id}`, '--yes')).exitCode).toBe(8);
  });

  test('JT-1 tokens: the join line, the list without secrets, revoke', async () => {
    const words = [
      'create',
      'token',
      '--reusable',
      '--ttl',
      '1d',
      '--max-uses',
      '3',
      '--label',
      'rack=r1',
      '--approve',
    ];
    const { stdout } = await ok(labctl(...words));
    expect(stdout).toMatch(
      /^printf %s lmj_\w{8}_\S{43} \| sudo lab-agent enroll --url \S+ --ca-pin \S+ --token-file -\n$/,
    );
    const prefix = /lmj_\w{8}/.exec(stdout)?.[0] ?? '';
    const listed = await ok(labctl('get', 'tokens', '--status', 'live', '-o', 'wide'));
    expect(listed.stdout).toContain(prefix);
    expect(listed.stdout).not.toMatch(/lmj_\w{8}_/);
    await ok(labctl('revoke', `token/${prefix}`, '--yes'));
    expect(await json('get', `token/${prefix}`)).toMatchObject({ state: 'revoked', labels: { rack: 'r1' } });
  });

  test('CA-9 ban and unban, approve; certificates revoked', async () => {
    await ok(labctl('ban', 'server/web-1', '--reason', 'a test', '--yes'));
    expect(await json('get', 'server/web-1')).toMatchObject({ status: 'banned' });
    await ok(labctl('unban', 'server/web-1'));
    const { items } = await json('get', 'certificates', '--match', 'alice');
    expect(items.length).toBeGreaterThan(0);
    for (const { serial } of items as { serial: string }[]) {
      await labctl('revoke', `certificate/${serial}`, '--reason', 'lost', '--yes');
    }
    const cut = await asAlice('whoami');
    expect([cut.exitCode, cut.stderr]).toEqual([4, expect.stringContaining('(REVOKED)')]);
    expect((await asAlice('doctor')).stdout).toMatch(/fail {2}whoami .*REVOKED/);
  });

  test('AU-7 audit: list, verify, export', async () => {
    const denied = await json('audit', 'list', '--result', 'denied', '--principal', 'user:alice', '--since', '1h');
    expect(denied.items.length).toBeGreaterThan(0);
    expect((await ok(labctl('audit', 'verify'))).stderr).toContain('rows are as they were written');
    const lines = (await ok(labctl('audit', 'export', '--since', '1h'))).stdout.trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).seq)).toEqual(lines.map((_, index) => index + 1));
    // Acceptance 12.
    expect(lines.join('')).not.toMatch(/lm[jus]_\w{8}_|PRIVATE KEY|a long enough password/);
  });

  test('ca, secrets, system, events, version, status, doctor', async () => {
    expect(await json('ca', 'status')).toMatchObject({ phase: 'standby', rootMode: 'local' });
    expect((await labctl('ca', 'rotate', '--to', 'update_servers', '--yes')).exitCode).toBe(8);
    expect((await ok(labctl('ca', 'rotate', '--yes'))).stderr).toContain('the CA is in phase init now');
    expect((await ok(labctl('ca', 'rotate', '--rollback', '--yes'))).stderr).toContain('standby');
    await ok(labctl('secrets', 'rotate', '--yes'));
    const keys = (await json('secrets', 'list')).items as { state: string }[];
    expect(keys.map(({ state }) => state).toSorted()).toEqual(['active', 'retiring']);
    expect(await json('system', 'status')).toMatchObject({ status: 'ok', agents: { known: 1 } });
    expect((await ok(labctl('events', '--since', '1h'))).stdout).toContain('agent-connected');
    expect((await ok(labctl('version'))).stdout).toMatch(/\nlabd {4}\S+ at https:/);
    expect((await ok(labctl('status'))).stdout).toContain(`labd       ${labd.api}`);
    const doctor = await labctl('doctor', '--json');
    const checks = JSON.parse(doctor.stdout).checks as { name: string; state: string }[];
    const fleet = checks.filter(({ name }) => /^(labctl config|labd |CA pin|login|whoami)/.test(name));
    expect(fleet.map(({ state }) => state)).toEqual(fleet.map(() => 'ok'));
    expect(fleet).toHaveLength(11);
  });

  test('BK-1, BK-2 backup create, verify, restore; labd goes on from what was restored', async () => {
    const pass = join(labd.folder, 'pass');
    writeFileSync(pass, 'correct horse battery\n');
    const file = join(labd.folder, 'x.labbak');
    await ok(labctl('backup', 'create', '--out', file, '--passphrase-file', pass, '--with-key'));
    expect(readFileSync(file).includes('web-1')).toBe(false);
    expect((await ok(labctl('backup', 'verify', file, '--passphrase-file', pass))).stdout).toContain(
      'as they were written',
    );
    const folder = mkdtempSync(join(tmpdir(), 'labmesh-restored-'));
    await ok(labctl('backup', 'restore', file, '--passphrase-file', pass, '--data', join(folder, 'data')));
    {
      await using restored = await startLabd({ folder });
      await ok(restored.labctl('login', restored.api, '--local', '--user', 'root'));
      expect((await ok(restored.labctl('get', 'servers', '-o', 'name'))).stdout).toBe('server/web-1\n');
      expect((await ok(restored.labctl('audit', 'verify'))).stdout.trim().split('\n')).toHaveLength(3);
      // Revoked stays revoked: by the CA and the deny list that came along.
      await ok(restored.labctlWith({ home: other }, 'config', 'set', 'labd.url', restored.api));
      const cut = await restored.labctlWith({ home: other }, 'whoami');
      expect([cut.exitCode, cut.stderr]).toEqual([4, expect.stringContaining('(REVOKED)')]);
    }
    rmSync(folder, { recursive: true, force: true });
  });

  test('delete, and logout', async () => {
    await ok(labctl('delete', 'user/alice', '--yes'));
    await ok(labctl('agents', 'remove', 'web-1', '--yes'));
    await ok(labctl('delete', 'server/web-1', '--yes'));
    expect((await labctl('get', 'users', '-o', 'name')).stdout).toBe('user/root\n');
    await ok(labctl('logout'));
    expect((await labctl('whoami')).exitCode).toBe(3);
  });
});
