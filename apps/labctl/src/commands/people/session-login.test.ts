import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { readCredentials } from '../../credentials/credentials.ts';
import { startFakeSocket } from '../../testing/fake-labd.ts';
import { failed, type FleetGround, quickClock } from '../../testing/fleet-ground.ts';
import { at, id, pageOf, user } from '../../testing/fleet-samples.ts';
import { loggedIn, type LoginGround, openLoginGround, userToken } from '../../testing/login-ground.ts';

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

describe('login with a session (ID-3, ID-4)', () => {
  test('--user: password and one-time code asked, then a certificate for the session', async () => {
    ground.on('POST /api/auth/login', loggedIn);
    const found = await lab.login([lab.url, ...lab.pinned, '--user', 'alice'], {
      answers: ['a password', '123 456'],
    });
    expect(found.exitCode).toBe(0);
    expect(found.questions).toEqual(['Password of alice: ', 'One-time code (Enter if you have none): ']);
    expect(ground.bodies('POST /api/auth/login')).toEqual([{ user: 'alice', password: 'a password', totp: '123456' }]);
    expect(await readCredentials(lab.env, 'default')).toBeDefined();
  });

  test('a token file of the environment is no second way', async () => {
    ground.on('POST /api/auth/login', loggedIn);
    const env = { LABCTL_TOKEN_FILE: '/nonexistent' };
    const words = [lab.url, ...lab.pinned, '--user', 'alice'];
    expect((await lab.login(words, { answers: ['a password', ''], env })).exitCode).toBe(0);
  });

  test('no code, and a password from a file', async () => {
    await lab.login([lab.url, ...lab.pinned, '--user', 'alice'], { answers: ['a password', ''] });
    const readStdin = async () => 'another one\n';
    const { exitCode } = await lab.login([lab.url, ...lab.pinned, '--user', 'a', '--password-file', '-'], {
      readStdin,
    });
    expect(exitCode).toBe(0);
    expect(ground.bodies('POST /api/auth/login')).toEqual([
      { user: 'alice', password: 'a password' },
      { user: 'a', password: 'another one' },
    ]);
    const words = [lab.url, ...lab.pinned, '--user', 'a'];
    expect((await lab.login(words, { answers: ['pw', '12'] })).stderr).toContain('six digits');
  });

  test('a wrong password: exit 3, with labd’s words', async () => {
    ground.on('POST /api/auth/login', () => failed('UNAUTHENTICATED', 401, { message: 'wrong', hint: 'wait' }));
    const { exitCode, stderr } = await lab.login([lab.url, ...lab.pinned, '--user', 'a'], { answers: ['x', ''] });
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
    const found = await lab.login([lab.url, ...lab.pinned, '--oidc', '--no-browser']);
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
    expect(await lab.login([lab.url, ...lab.pinned, '--oidc'])).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining('did not let you in: not you'),
    });
    start(0.002, '');
    expect((await lab.login([lab.url, ...lab.pinned, '--oidc'])).exitCode).toBe(7);
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
    const found = await lab.login([lab.url, ...lab.pinned, '--device'], { clock: { ...quickClock, sleep } });
    expect(found.exitCode).toBe(0);
    expect(found.stderr).toContain('ABCD-1234');
    expect(slept).toEqual([5_000, 10_000, 10_000]);
    ground.on('POST /api/auth/device', { ...device, expiresAt: at(-1), verificationUriComplete: 'https://idp/x' });
    expect((await lab.login([lab.url, ...lab.pinned, '--device'])).exitCode).toBe(7);
  });
});

describe('login --local (ID-1)', () => {
  /** A labd's socket with users, which makes tokens. */
  async function socket(users: object[]) {
    const path = join(lab.home, 'a.sock');
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
    const { exitCode, stderr } = await lab.login([lab.url, '--local', '--user', 'Bob'], { env: more });
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining('made user bob with role admin')]);
    const made = fake.asked.find(({ method }) => method === 'POST');
    expect(JSON.parse(made?.body ?? '')).toEqual({ name: 'bob', roles: ['admin'] });
    expect(ground.asked()).toEqual(['POST /api/auth/user-enroll']);
    expect(lab.config()).toContain(ground.pin);
  });

  test('a user who is there gets a token and no new role', async () => {
    await using fake = await socket([user({ name: 'alice' }), user({ name: 'alice2', id: id(77) })]);
    const more = { LABCTL_ADMIN_SOCKET: fake.path };
    const { stderr } = await lab.login([lab.url, '--local', '--user', 'alice'], { env: more });
    expect(stderr).toContain('made a new login token for user alice');
    expect(fake.asked.at(-1)?.path).toBe(`/api/users/${id(3)}/token`);
  });

  test('no socket: exit 6; a name that no user can have: exit 2', async () => {
    const more = { LABCTL_ADMIN_SOCKET: join(lab.home, 'none') };
    expect((await lab.login([lab.url, '--local'], { env: more })).exitCode).toBe(6);
    expect((await lab.login([lab.url, '--local', '--user', 'a b'], { env: more })).exitCode).toBe(2);
  });
});
