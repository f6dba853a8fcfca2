import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseCsr } from '@labmesh/pki/csr';
import { sampleCa } from '@labmesh/pki/testing/sample-ca';
import { readCredentials } from '../../credentials/credentials.ts';
import { dispatch } from '../../dispatch.ts';
import { startFakeSocket } from '../../testing/fake-labd.ts';
import { failed, type FleetGround, openFleetGround, quickClock, type RunHow } from '../../testing/fleet-ground.ts';
import { at, id, pageOf, user } from '../../testing/fleet-samples.ts';
import { testWorld } from '../../testing/test-world.ts';

const userToken = `lmu_0a1b2c3d_${'T'.repeat(43)}`;
const session = `lms_0a1b2c3d_${'S'.repeat(43)}`;
let ground: FleetGround;
let home: string;
let env: { HOME: string };

/** What labd answers to a request for a certificate. */
async function issue(csrPem: string) {
  const { ca } = ground.labd;
  const { spki, keyHash } = parseCsr(csrPem);
  const { certificatePem } = await ca.leaf('user', id(3), { spki, keyHash, notAfter: Date.now() + 12 * 3_600_000 });
  const { chainPem, bundlePem: caPem } = ca;
  const times = { expiresAt: at(720), renewAfter: at(360), loginExpiresAt: at(7 * 24 * 60) };
  return { json: { user: { id: id(3), name: 'alice' }, certificatePem, chainPem, caPem, caPin: ground.pin, ...times } };
}
const csrOf = (body: string) => (JSON.parse(body) as { csrPem: string }).csrPem;
const loggedIn = { user: { id: id(3), name: 'alice' }, session, expiresAt: at(720), idleMs: 7_200_000 };

beforeAll(async () => {
  ground = await openFleetGround();
  ground.on('GET /ca/bundle', () => ({ text: ground.labd.ca.bundlePem }));
  ground.on('POST /api/auth/user-enroll', ({ body }) => issue(csrOf(body)));
  ground.on('POST /api/auth/certificate', ({ body, headers }) =>
    headers.authorization === `Bearer ${session}` ? issue(csrOf(body)) : failed('UNAUTHENTICATED', 401),
  );
  ground.on('POST /api/auth/logout', { ok: true });
});
afterAll(() => ground[Symbol.asyncDispose]());
beforeEach(() => {
  if (home !== undefined) rmSync(home, { recursive: true, force: true });
  home = mkdtempSync(join(tmpdir(), 'labctl-login-'));
  env = { HOME: home };
  ground.labd.asked.length = 0;
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const config = () => readFileSync(join(home, '.labctl/config.yaml'), 'utf8');
const tokenFile = (text = userToken) => {
  const path = join(home, 'token.txt');
  writeFileSync(path, `${text}\n`, { mode: 0o600 });
  return path;
};
const labctl = (words: readonly string[], how: RunHow = {}) =>
  ground.labctl(words, { ...how, env: { ...how.env, ...env } });
const login = (words: readonly string[], how?: RunHow) => labctl(['login', ...words], how);
const pinned = () => ['--ca-pin', ground.pin];

describe('login with a token (ID-2)', () => {
  test('from a file: a key of this machine, credentials 0600, labd.url and pin in config.yaml', async () => {
    const { exitCode, stdout, stderr } = await login([ground.labd.url, ...pinned(), '--token-file', tokenFile()]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
    expect(stderr).toContain(`logged in to ${ground.labd.url} as alice; the login ends in 6d`);
    expect(config()).toBe(`labd:\n  url: ${ground.labd.url}\n  caPin: ${ground.pin}\n`);
    const found = await readCredentials(env, 'default');
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
    expect((await login([ground.labd.url, ...pinned(), '--token-file', '-'], { readStdin })).exitCode).toBe(0);
    expect((await login([ground.labd.url, ...pinned()], { env: { LABCTL_TOKEN_FILE: tokenFile() } })).exitCode).toBe(0);
    const hidden: (boolean | undefined)[] = [];
    const ask = async (_: string, how?: { hidden?: boolean }) => {
      hidden.push(how?.hidden);
      return userToken;
    };
    const there = { stdinIsTerminal: true, stderrIsTerminal: true };
    expect((await login([ground.labd.url, ...pinned()], { ...there, ask })).exitCode).toBe(0);
    expect(hidden).toEqual([true]);
    expect(await login([ground.labd.url, ...pinned()])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('--token-file FILE'),
    });
  });

  test.each([
    [`lmj_0a1b2c3d_${'T'.repeat(43)}`, 'this is a join token, for machines'],
    ['hello', 'a login token begins with lmu_'],
  ])('another text is refused and sent nowhere: %s', async (text, hint) => {
    const { exitCode, stderr } = await login([ground.labd.url, ...pinned(), '--token-file', tokenFile(text)]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(hint);
    expect(stderr).not.toContain(text);
    expect(ground.asked()).toEqual(['GET /ca/bundle']);
  });

  test('CT-8 a token that was used: exit 4, and nothing is kept', async () => {
    ground.on('POST /api/auth/user-enroll', () => failed('TOKEN_USED', 403));
    const { exitCode } = await login([ground.labd.url, ...pinned(), '--token-file', tokenFile()]);
    expect(exitCode).toBe(4);
    expect(existsSync(join(home, '.labctl'))).toBe(false);
    ground.on('POST /api/auth/user-enroll', ({ body }) => issue(csrOf(body)));
  });

  test('a certificate for another key is refused', async () => {
    const { ca } = ground.labd;
    const other = await ca.leaf('user', id(3));
    ground.on('POST /api/auth/user-enroll', async ({ body }) => {
      const { json } = await issue(csrOf(body));
      return { json: { ...json, certificatePem: other.certificatePem } };
    });
    const { exitCode, stderr } = await login([ground.labd.url, ...pinned(), '--token-file', tokenFile()]);
    expect([exitCode, stderr]).toEqual([1, 'error: labd gave a certificate for another key\n']);
    ground.on('POST /api/auth/user-enroll', ({ body }) => issue(csrOf(body)));
  });

  test('--name makes a context and chooses it, --context only makes it', async () => {
    await login([ground.labd.url, ...pinned(), '--token-file', tokenFile(), '--name', 'prod']);
    await login([ground.labd.url, ...pinned(), '--token-file', tokenFile(), '--context', 'other']);
    expect(config()).toContain('currentContext: prod');
    expect(config()).toMatch(/contexts:\n {2}prod:\n {4}labd:\n {6}url: .*\n {6}caPin: .*\n {2}other:/s);
    expect(existsSync(join(home, '.labctl/credentials/prod.pem'))).toBe(true);
    expect(existsSync(join(home, '.labctl/credentials/other.pem'))).toBe(true);
    // Its own labd and pin are known: no URL is needed again.
    expect((await login(['--context', 'other', '--token-file', tokenFile()])).exitCode).toBe(0);
    expect((await login(['--name', '../x'])).exitCode).toBe(2);
  });

  test('-o json tells what was kept, and no secret', async () => {
    const { stdout } = await login([ground.labd.url, ...pinned(), '--token-file', tokenFile(), '-o', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({ context: 'default', url: ground.labd.url, user: { name: 'alice' } });
    expect(stdout).not.toMatch(/lmu_|PRIVATE/);
  });

  test('--dry-run asks nobody', async () => {
    expect((await login([ground.labd.url, '--dry-run'])).stderr).toContain('dry run: would log in to');
    expect(ground.asked()).toEqual([]);
  });
});

describe('the CA’s pin (JT-6)', () => {
  test('acceptance 5: with another pin the token is never on the wire', async () => {
    const other = `sha256:${'0'.repeat(64)}`;
    const { exitCode, stderr } = await login([ground.labd.url, '--ca-pin', other, '--token-file', tokenFile()]);
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
    const { exitCode } = await login([ground.labd.url, '--ca-pin', pin, '--token-file', tokenFile()]);
    expect(exitCode).toBe(6);
    expect(ground.asked()).toEqual(['GET /ca/bundle']);
    ground.on('GET /ca/bundle', () => ({ text: ground.labd.ca.bundlePem }));
  });

  test('without a pin: exit 3 CA_PIN_REQUIRED where nobody can be asked', async () => {
    const { exitCode, stderr } = await login([ground.labd.url, '--token-file', tokenFile()]);
    expect(exitCode).toBe(3);
    expect(stderr).toContain('(CA_PIN_REQUIRED)\nhint: --ca-pin PIN');
  });

  test('without a pin: shown and asked once at a terminal', async () => {
    const yes = await login([ground.labd.url, '--token-file', tokenFile()], { answers: ['yes'] });
    expect(yes.exitCode).toBe(0);
    expect(yes.stderr).toContain(`  ${ground.pin}\n`);
    expect(config()).toContain(ground.pin);
    const again = await login(['--token-file', tokenFile()], { answers: [] });
    expect([again.exitCode, again.questions]).toEqual([0, []]);
    rmSync(join(home, '.labctl'), { recursive: true });
    const no = await login([ground.labd.url, '--token-file', tokenFile()], { answers: ['y'] });
    expect(no).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('not trusted, nothing was sent') });
  });

  test('the pin of another labd in the file means nothing here', async () => {
    await login([ground.labd.url, ...pinned(), '--token-file', tokenFile()]);
    const { exitCode } = await login(['https://127.0.0.1:1', '--token-file', tokenFile()]);
    expect(exitCode).toBe(6);
    await using other = await openFleetGround();
    other.on('GET /ca/bundle', () => ({ text: other.labd.ca.bundlePem }));
    expect((await login([other.labd.url, '--token-file', tokenFile()])).exitCode).toBe(3);
  });

  test.each([
    [['--ca-pin', 'sha256:12'], '--ca-pin: found "sha256:12"'],
    [['--oidc', '--device'], 'one way at a time: --oidc or --device'],
    [['--user', 'alice', '--token-file', 'x'], 'one way at a time: --user or --token-file'],
  ])('exit 2: %p', async (words, problem) => {
    const { exitCode, stderr } = await login([ground.labd.url, ...words]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(problem);
  });

  test('which labd: exit 3 when nobody said, 2 for what is no address', async () => {
    expect(await login([])).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('labd.url is not set') });
    expect((await login(['http://x'])).stderr).toContain('is not the address of a labd');
    expect((await login(['https://x/path'])).exitCode).toBe(2);
  });

  test('what answers there is no labd', async () => {
    ground.on('GET /ca/bundle', () => ({ text: '<html>' }));
    const { exitCode, stderr } = await login([ground.labd.url, ...pinned(), '--token-file', tokenFile()]);
    expect([exitCode, stderr]).toEqual([6, expect.stringContaining('gives no CA bundle')]);
    ground.on('GET /ca/bundle', () => ({ text: 'x'.repeat(300_000) }));
    expect((await login([ground.labd.url, ...pinned()])).stderr).toContain('too large for a CA bundle');
    ground.on('GET /ca/bundle', () => undefined);
    expect((await login([ground.labd.url, ...pinned(), '--timeout', '200ms'])).exitCode).toBe(7);
    ground.on('GET /ca/bundle', () => ({ text: ground.labd.ca.bundlePem }));
  });
});

describe('login with a session (ID-3, ID-4)', () => {
  test('--user: password and one-time code asked, then a certificate for the session', async () => {
    ground.on('POST /api/auth/login', loggedIn);
    const found = await login([ground.labd.url, ...pinned(), '--user', 'alice'], {
      answers: ['a password', '123 456'],
    });
    expect(found.exitCode).toBe(0);
    expect(found.questions).toEqual(['Password of alice: ', 'One-time code (Enter if you have none): ']);
    expect(ground.bodies('POST /api/auth/login')).toEqual([{ user: 'alice', password: 'a password', totp: '123456' }]);
    expect(await readCredentials(env, 'default')).toBeDefined();
  });

  test('no code, and a password from a file', async () => {
    await login([ground.labd.url, ...pinned(), '--user', 'alice'], { answers: ['a password', ''] });
    const readStdin = async () => 'another one\n';
    const { exitCode } = await login([ground.labd.url, ...pinned(), '--user', 'a', '--password-file', '-'], {
      readStdin,
    });
    expect(exitCode).toBe(0);
    expect(ground.bodies('POST /api/auth/login')).toEqual([
      { user: 'alice', password: 'a password' },
      { user: 'a', password: 'another one' },
    ]);
    const words = [ground.labd.url, ...pinned(), '--user', 'a'];
    expect((await login(words, { answers: ['pw', '12'] })).stderr).toContain('six digits');
  });

  test('a wrong password: exit 3, with labd’s words', async () => {
    ground.on('POST /api/auth/login', () => failed('UNAUTHENTICATED', 401, { message: 'wrong', hint: 'wait' }));
    const { exitCode, stderr } = await login([ground.labd.url, ...pinned(), '--user', 'a'], { answers: ['x', ''] });
    expect([exitCode, stderr]).toEqual([3, 'error: wrong (UNAUTHENTICATED)\nhint: wait\n']);
  });

  test('--oidc: PKCE, a loopback listener, and the state that came back', async () => {
    const started: { redirectUri: string; challenge: string }[] = [];
    ground.on('POST /api/auth/oidc/start', ({ body }) => {
      const asked = JSON.parse(body) as { redirectUri: string; challenge: string };
      started.push(asked);
      // The browser: first somebody who guesses, then the provider's answer.
      void (async () => {
        await Bun.sleep(50);
        expect((await fetch(`${asked.redirectUri}?state=wrong&code=evil`)).status).toBe(404);
        const page = await fetch(`${asked.redirectUri}?state=st-1&code=c-1&iss=https%3A%2F%2Fidp`);
        expect(await page.text()).toContain('You can close this page');
      })();
      return { json: { url: 'https://idp.example/auth?x=1', state: 'st-1', expiresAt: at(10) } };
    });
    ground.on('GET /api/auth/oidc/callback', loggedIn);
    const found = await login([ground.labd.url, ...pinned(), '--oidc', '--no-browser']);
    expect(found.exitCode).toBe(0);
    expect(found.stderr).toContain('https://idp.example/auth?x=1');
    const path = ground.asked().find((each) => each.startsWith('GET /api/auth/oidc/callback')) ?? '';
    const query = new URLSearchParams(path.split('?')[1]);
    expect([query.get('code'), query.get('state'), query.get('iss')]).toEqual(['c-1', 'st-1', 'https://idp']);
    const hash = new Bun.CryptoHasher('sha256').update(query.get('verifier') ?? '').digest('base64url');
    expect(hash).toBe(started[0]?.challenge ?? '');
    expect(started[0]?.redirectUri).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/);
  });

  test('--oidc: the provider says no: exit 4; nobody comes back: exit 7', async () => {
    const start = (minutes: number, query: string) =>
      ground.on('POST /api/auth/oidc/start', ({ body }) => {
        const { redirectUri } = JSON.parse(body) as { redirectUri: string };
        if (query !== '') void Bun.sleep(20).then(() => fetch(`${redirectUri}?${query}`));
        return { json: { url: 'https://idp.example/', state: 's', expiresAt: at(minutes) } };
      });
    start(10, 'state=s&error=access_denied&error_description=not%20you');
    expect(await login([ground.labd.url, ...pinned(), '--oidc'])).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining('did not let you in: not you'),
    });
    start(0.002, '');
    expect((await login([ground.labd.url, ...pinned(), '--oidc'])).exitCode).toBe(7);
  });

  test('--device: shows the code and asks until it is done', async () => {
    const device = {
      handle: 'h-1',
      userCode: 'ABCD-1234',
      verificationUri: 'https://idp.example/device',
      verificationUriComplete: null,
      expiresAt: at(10),
      intervalMs: 5_000,
    };
    ground.on('POST /api/auth/device', device);
    let left = 2;
    ground.on('POST /api/auth/device/poll', () =>
      left-- > 0 ? { json: { status: 'pending', intervalMs: 10_000 } } : { json: { status: 'done', ...loggedIn } },
    );
    const slept: number[] = [];
    const sleep = async (ms: number) => void slept.push(ms);
    const found = await login([ground.labd.url, ...pinned(), '--device'], { clock: { ...quickClock, sleep } });
    expect(found.exitCode).toBe(0);
    expect(found.stderr).toContain('ABCD-1234');
    expect(slept).toEqual([5_000, 10_000, 10_000]);
    ground.on('POST /api/auth/device', { ...device, expiresAt: at(-1), verificationUriComplete: 'https://idp/x' });
    expect((await login([ground.labd.url, ...pinned(), '--device'])).exitCode).toBe(7);
  });
});

describe('login --local (ID-1)', () => {
  /** A labd's socket with users, which makes tokens. */
  async function socket(users: object[]) {
    const path = join(home, 'a.sock');
    const fake = await startFakeSocket(path, ({ method, path: asked, body }) => {
      if (asked === '/ca/bundle') return { text: ground.labd.ca.bundlePem };
      if (method === 'GET') return { json: pageOf(...users) };
      const token = { token: userToken, expiresAt: at(60), loginCommand: 'x' };
      if (asked !== '/api/users') return { json: token };
      const { name } = JSON.parse(body) as { name: string };
      return { status: 201, json: { user: user({ name }), ...token } };
    });
    return Object.assign(fake, { path });
  }

  test('makes the first administrator, then logs in over TLS', async () => {
    await using fake = await socket([]);
    const sudo = { SUDO_USER: 'Alice' };
    const more = { LABCTL_ADMIN_SOCKET: fake.path, ...sudo };
    const { exitCode, stderr } = await login([ground.labd.url, '--local', '--user', 'Bob'], { env: more });
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining('made user bob with role admin')]);
    const made = fake.asked.find(({ method }) => method === 'POST');
    expect(JSON.parse(made?.body ?? '')).toEqual({ name: 'bob', roles: ['admin'] });
    expect(ground.asked()).toEqual(['POST /api/auth/user-enroll']);
    expect(config()).toContain(ground.pin);
  });

  test('a user who is there gets a token and no new role', async () => {
    await using fake = await socket([user({ name: 'alice' }), user({ name: 'alice2', id: id(77) })]);
    const more = { LABCTL_ADMIN_SOCKET: fake.path };
    const { stderr } = await login([ground.labd.url, '--local', '--user', 'alice'], { env: more });
    expect(stderr).toContain('made a new login token for user alice');
    expect(fake.asked.at(-1)?.path).toBe(`/api/users/${id(3)}/token`);
  });

  test('no socket: exit 6; a name that no user can have: exit 2', async () => {
    const more = { LABCTL_ADMIN_SOCKET: join(home, 'none') };
    expect((await login([ground.labd.url, '--local'], { env: more })).exitCode).toBe(6);
    expect((await login([ground.labd.url, '--local', '--user', 'a b'], { env: more })).exitCode).toBe(2);
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
    expect(stdout).toContain(`Where     ${ground.labd.url}\nContext   default\n`);
    expect(JSON.parse((await ground.labctl('whoami -o json')).stdout)).toEqual(who);
  });

  test('logout tells labd and removes the key; twice is fine', async () => {
    await login([ground.labd.url, ...pinned(), '--token-file', tokenFile()]);
    const { exitCode, stderr } = await labctl(['logout']);
    expect([exitCode, stderr]).toEqual([0, 'logged out of context default\n']);
    expect(await readCredentials(env, 'default')).toBeUndefined();
    expect(ground.asked().at(-1)).toBe('POST /api/auth/logout');
    expect(await labctl(['logout'])).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining('nobody is logged'),
    });
    expect((await labctl(['whoami'])).exitCode).toBe(3);
  });

  test('the key goes also when labd is away, and --dry-run leaves it', async () => {
    await login([ground.labd.url, ...pinned(), '--token-file', tokenFile()]);
    expect((await labctl(['logout', '--dry-run'])).stderr).toContain('would log out of context default');
    expect(await readCredentials(env, 'default')).toBeDefined();
    const { exitCode, stderr } = await labctl(['logout'], { env: { LABCTL_LABD_URL: 'https://127.0.0.1:1' } });
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining('labd was not told')]);
    expect(await readCredentials(env, 'default')).toBeUndefined();
  });

  test('a login flow never leaves a question open when the input ends', async () => {
    const world = testWorld({ env, stdinIsTerminal: true, stderrIsTerminal: true, answers: [] });
    expect(await dispatch(['login', ground.labd.url], world)).toBe(1);
    expect(world.said.stderr).toContain('not trusted');
  });
});
