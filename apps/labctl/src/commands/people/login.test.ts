import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sampleCa } from '@labmesh/pki/testing/sample-ca';
import { readCredentials } from '../../credentials/credentials.ts';
import { dispatch } from '../../dispatch.ts';
import { failed, type FleetGround, openFleetGround } from '../../testing/fleet-ground.ts';
import { at, id } from '../../testing/fleet-samples.ts';
import { type LoginGround, openLoginGround, userToken } from '../../testing/login-ground.ts';
import { testWorld } from '../../testing/test-world.ts';

let lab: LoginGround;
let ground: FleetGround;
beforeAll(async () => {
  lab = await openLoginGround();
  ({ ground } = lab);
});
afterAll(() => lab[Symbol.asyncDispose]());
beforeEach(() => {
  lab.fresh();
  lab.mend();
});

describe('login with a token (ID-2)', () => {
  test('from a file: a key of this machine, credentials 0600, labd.url and pin in config.yaml', async () => {
    const { exitCode, stdout, stderr } = await lab.login([lab.url, ...lab.pinned, '--token-file', lab.tokenFile()]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
    expect(stderr).toContain(`logged in to ${lab.url} as alice; the login ends in 6d`);
    expect(lab.config()).toBe(`labd:\n  url: ${lab.url}\n  caPin: ${ground.pin}\n`);
    const found = await readCredentials(lab.env, 'default');
    expect(found?.certificate.uris).toEqual([`spiffe://labmesh.internal/user/${id(3)}`]);
    expect(statSync(found?.path ?? '').mode & 0o777).toBe(0o600);
    expect(ground.asked()).toEqual(['GET /ca/bundle', 'POST /api/auth/user-enroll']);
    const [sent] = ground.bodies('POST /api/auth/user-enroll') as [{ csrPem: string; token: string; device: string }];
    expect(sent.token).toBe(userToken);
    // P2: the private key stays here.
    expect(sent.csrPem).not.toContain('PRIVATE');
  });

  test('from stdin, from LABCTL_TOKEN_FILE, and asked for, hidden', async () => {
    const readStdin = async () => `${userToken}\n`;
    expect((await lab.login([lab.url, ...lab.pinned, '--token-file', '-'], { readStdin })).exitCode).toBe(0);
    expect((await lab.login([lab.url, ...lab.pinned], { env: { LABCTL_TOKEN_FILE: lab.tokenFile() } })).exitCode).toBe(
      0,
    );
    const hidden: (boolean | undefined)[] = [];
    const ask = async (_: string, how?: { hidden?: boolean }) => {
      hidden.push(how?.hidden);
      return userToken;
    };
    const there = { stdinIsTerminal: true, stderrIsTerminal: true };
    expect((await lab.login([lab.url, ...lab.pinned], { ...there, ask })).exitCode).toBe(0);
    expect(hidden).toEqual([true]);
    expect(await lab.login([lab.url, ...lab.pinned])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('--token-file FILE'),
    });
  });

  test.each([
    [`lmj_0a1b2c3d_${'T'.repeat(43)}`, 'this is a join token, for machines'],
    ['hello', 'a login token begins with lmu_'],
  ])('another text is refused and sent nowhere: %s', async (text, hint) => {
    const { exitCode, stderr } = await lab.login([lab.url, ...lab.pinned, '--token-file', lab.tokenFile(text)]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(hint);
    expect(stderr).not.toContain(text);
    expect(ground.asked()).toEqual(['GET /ca/bundle']);
  });

  test('CT-8 a token that was used: exit 4, and nothing is kept', async () => {
    ground.on('POST /api/auth/user-enroll', () => failed('TOKEN_USED', 403));
    const { exitCode } = await lab.login([lab.url, ...lab.pinned, '--token-file', lab.tokenFile()]);
    expect(exitCode).toBe(4);
    expect(existsSync(join(lab.home, '.labctl'))).toBe(false);
    ground.on('POST /api/auth/user-enroll', ({ body }) => lab.issue(body));
  });

  test('a certificate for another key is refused', async () => {
    const { ca } = ground.labd;
    const other = await ca.leaf('user', id(3));
    ground.on('POST /api/auth/user-enroll', async ({ body }) => {
      const { json } = await lab.issue(body);
      return { json: { ...json, certificatePem: other.certificatePem } };
    });
    const { exitCode, stderr } = await lab.login([lab.url, ...lab.pinned, '--token-file', lab.tokenFile()]);
    expect([exitCode, stderr]).toEqual([1, 'error: labd gave a certificate for another key\n']);
    ground.on('POST /api/auth/user-enroll', ({ body }) => lab.issue(body));
  });

  test('--name makes a context and chooses it, --context only makes it', async () => {
    await lab.login([lab.url, ...lab.pinned, '--token-file', lab.tokenFile(), '--name', 'prod']);
    await lab.login([lab.url, ...lab.pinned, '--token-file', lab.tokenFile(), '--context', 'other']);
    expect(lab.config()).toContain('currentContext: prod');
    expect(lab.config()).toMatch(/contexts:\n {2}prod:\n {4}labd:\n {6}url: .*\n {6}caPin: .*\n {2}other:/s);
    expect(existsSync(join(lab.home, '.labctl/credentials/prod.pem'))).toBe(true);
    expect(existsSync(join(lab.home, '.labctl/credentials/other.pem'))).toBe(true);
    // Its own labd and pin are known: no URL is needed again.
    expect((await lab.login(['--context', 'other', '--token-file', lab.tokenFile()])).exitCode).toBe(0);
    expect((await lab.login(['--name', '../x'])).exitCode).toBe(2);
  });

  test('-o json tells what was kept, and no secret', async () => {
    const { stdout } = await lab.login([lab.url, ...lab.pinned, '--token-file', lab.tokenFile(), '-o', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({ context: 'default', url: lab.url, user: { name: 'alice' } });
    expect(stdout).not.toMatch(/lmu_|PRIVATE/);
  });

  test('--dry-run asks nobody', async () => {
    expect((await lab.login([lab.url, '--dry-run'])).stderr).toContain('dry run: would log in to');
    expect(ground.asked()).toEqual([]);
  });
});

describe('the CA’s pin (JT-6)', () => {
  test('acceptance 5: with another pin the token is never on the wire', async () => {
    const other = `sha256:${'0'.repeat(64)}`;
    const { exitCode, stderr } = await lab.login([lab.url, '--ca-pin', other, '--token-file', lab.tokenFile()]);
    expect(exitCode).toBe(6);
    expect(stderr).toContain('shows another CA than the one that is pinned');
    expect(stderr).toContain(ground.pin);
    expect(ground.asked()).toEqual(['GET /ca/bundle']);
  });

  test('roots that somebody added to the bundle are not trusted', async () => {
    const foreign = await sampleCa();
    ground.on('GET /ca/bundle', () => ({ text: foreign.bundlePem + ground.labd.ca.bundlePem }));
    const pin = `sha256:${foreign.root.certificate.keyHash}`;
    // The foreign root has the pin: the connection that is verified by it fails, and no token goes out.
    const { exitCode } = await lab.login([lab.url, '--ca-pin', pin, '--token-file', lab.tokenFile()]);
    expect(exitCode).toBe(6);
    expect(ground.asked()).toEqual(['GET /ca/bundle']);
    ground.on('GET /ca/bundle', () => ({ text: ground.labd.ca.bundlePem }));
  });

  test('without a pin: exit 3 CA_PIN_REQUIRED where nobody can be asked', async () => {
    const { exitCode, stderr } = await lab.login([lab.url, '--token-file', lab.tokenFile()]);
    expect(exitCode).toBe(3);
    expect(stderr).toContain('(CA_PIN_REQUIRED)\nhint: --ca-pin PIN');
  });

  test('without a pin: shown and asked once at a terminal', async () => {
    const yes = await lab.login([lab.url, '--token-file', lab.tokenFile()], { answers: ['yes'] });
    expect(yes.exitCode).toBe(0);
    expect(yes.stderr).toContain(`  ${ground.pin}\n`);
    expect(lab.config()).toContain(ground.pin);
    const again = await lab.login(['--token-file', lab.tokenFile()], { answers: [] });
    expect([again.exitCode, again.questions]).toEqual([0, []]);
    rmSync(join(lab.home, '.labctl'), { recursive: true });
    const no = await lab.login([lab.url, '--token-file', lab.tokenFile()], { answers: ['y'] });
    expect(no).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('not trusted, nothing was sent') });
  });

  test('the pin of another labd in the file means nothing here', async () => {
    await lab.login([lab.url, ...lab.pinned, '--token-file', lab.tokenFile()]);
    const { exitCode } = await lab.login(['https://127.0.0.1:1', '--token-file', lab.tokenFile()]);
    expect(exitCode).toBe(6);
    await using other = await openFleetGround();
    other.on('GET /ca/bundle', () => ({ text: other.labd.ca.bundlePem }));
    expect((await lab.login([other.labd.url, '--token-file', lab.tokenFile()])).exitCode).toBe(3);
  });

  test.each([
    [['--ca-pin', 'sha256:12'], '--ca-pin: found "sha256:12"'],
    [['--oidc', '--device'], 'one way at a time: --oidc or --device'],
    [['--user', 'alice', '--token-file', 'x'], 'one way at a time: --user or --token-file'],
  ])('exit 2: %p', async (words, problem) => {
    const { exitCode, stderr } = await lab.login([lab.url, ...words]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(problem);
  });

  test('which labd: exit 3 when nobody said, 2 for what is no address', async () => {
    expect(await lab.login([])).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('labd.url is not set') });
    expect((await lab.login(['http://x'])).stderr).toContain('is not the address of a labd');
    expect((await lab.login(['https://x/path'])).exitCode).toBe(2);
  });

  test('what answers there is no labd', async () => {
    ground.on('GET /ca/bundle', () => ({ text: '<html>' }));
    const { exitCode, stderr } = await lab.login([lab.url, ...lab.pinned, '--token-file', lab.tokenFile()]);
    expect([exitCode, stderr]).toEqual([6, expect.stringContaining('gives no CA bundle')]);
    ground.on('GET /ca/bundle', () => ({ text: 'x'.repeat(300_000) }));
    expect((await lab.login([lab.url, ...lab.pinned])).stderr).toContain('too large for a CA bundle');
    ground.on('GET /ca/bundle', () => undefined);
    expect((await lab.login([lab.url, ...lab.pinned, '--timeout', '200ms'])).exitCode).toBe(7);
    ground.on('GET /ca/bundle', () => ({ text: ground.labd.ca.bundlePem }));
  });
});

describe('logout and whoami', () => {
  const who = {
    principal: { kind: 'user', id: id(3), name: 'alice' },
    groups: ['sre'],
    roles: ['operator', 'viewer'],
    method: 'certificate',
    expiresAt: at(60),
    serial: 'ab12',
  };

  test('whoami', async () => {
    ground.on('GET /api/auth/whoami', who);
    const { stdout } = await ground.labctl('whoami');
    expect(stdout).toContain('Who       user:alice\n');
    expect(stdout).toContain('Roles     operator, viewer\n');
    expect(stdout).toContain(`Where     ${lab.url}\nContext   default\n`);
    expect(JSON.parse((await ground.labctl('whoami -o json')).stdout)).toEqual(who);
  });

  test('logout tells labd and removes the key; twice is fine', async () => {
    await lab.login([lab.url, ...lab.pinned, '--token-file', lab.tokenFile()]);
    const { exitCode, stderr } = await lab.labctl(['logout']);
    expect([exitCode, stderr]).toEqual([0, 'logged out of context default\n']);
    expect(await readCredentials(lab.env, 'default')).toBeUndefined();
    expect(ground.asked().at(-1)).toBe('POST /api/auth/logout');
    expect(await lab.labctl(['logout'])).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining('nobody is logged'),
    });
    expect((await lab.labctl(['whoami'])).exitCode).toBe(3);
  });

  test('the key goes also when labd is away, and --dry-run leaves it', async () => {
    await lab.login([lab.url, ...lab.pinned, '--token-file', lab.tokenFile()]);
    expect((await lab.labctl(['logout', '--dry-run'])).stderr).toContain('would log out of context default');
    expect(await readCredentials(lab.env, 'default')).toBeDefined();
    const { exitCode, stderr } = await lab.labctl(['logout'], { env: { LABCTL_LABD_URL: 'https://127.0.0.1:1' } });
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining('labd was not told')]);
    expect(await readCredentials(lab.env, 'default')).toBeUndefined();
  });

  test('a login flow never leaves a question open when the input ends', async () => {
    const world = testWorld({ env: lab.env, stdinIsTerminal: true, stderrIsTerminal: true, answers: [] });
    expect(await dispatch(['login', lab.url], world)).toBe(1);
    expect(world.said.stderr).toContain('not trusted');
  });
});
