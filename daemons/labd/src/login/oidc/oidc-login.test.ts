import { describe, expect, test } from 'bun:test';
import { createHash, randomBytes } from 'node:crypto';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { codeOf, localRoot, storedText, stranger } from '../testing/callers.ts';
import { openPeople, type People } from '../testing/people.ts';
import { startIssuer, TestBrowser, testClient, type TestIssuer } from '../testing/oidc-issuer.ts';
import { OidcLogin } from './oidc-login.ts';
import { OidcProvider } from './oidc-provider.ts';

const redirectUri = 'http://127.0.0.1:45678/callback';

function client() {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
}

function loginOver(people: People, issuer: TestIssuer) {
  const provider = new OidcProvider({ issuer: issuer.url, ...testClient }, people.clock);
  return new OidcLogin({ ...people, provider, redirects: ['https://dash.lab.test/oidc'] });
}

/** Through the browser: what labctl's loopback listener gets. */
async function browse(issuer: TestIssuer, url: string, account: string) {
  const end = await new TestBrowser(issuer, account).go(url);
  if (!('left' in end)) throw new Error(`stayed: ${end.page.slice(0, 500)}`);
  const get = (name: string) => end.left.searchParams.get(name) ?? '';
  return { code: get('code'), state: get('state'), iss: get('iss') };
}

/** The whole code flow of one account. */
async function logIn(login: OidcLogin, issuer: TestIssuer, account: string) {
  const { verifier, challenge } = client();
  const { url } = await login.start(stranger, { redirectUri, challenge });
  return await login.callback(stranger, { ...(await browse(issuer, url, account)), verifier });
}

describe('OpenID Connect, code with PKCE (ID-4)', () => {
  test('browser to session: user, groups, and the same user the next time', async () => {
    await using people = await openPeople();
    await using issuer = await startIssuer();
    issuer.accounts.set('sub-1', { preferred_username: 'Alice', email: 'alice@lab.test', groups: ['ops', 'dba'] });
    const login = loginOver(people, issuer);
    const { answer, note } = await logIn(login, issuer, 'sub-1');
    expect(answer.user.name).toBe('alice');
    expect(note).toMatchObject({ resource: 'user:alice', details: { method: 'oidc', created: true } });
    const live = await people.logins.check(answer.session);
    expect(live).toMatchObject({ groups: ['ops', 'dba'], user: { name: 'alice', id: answer.user.id } });
    issuer.accounts.set('sub-1', { preferred_username: 'renamed', groups: ['ops'] });
    const again = await logIn(login, issuer, 'sub-1');
    expect(again.answer.user).toEqual(answer.user);
    expect(await people.logins.check(again.answer.session)).toMatchObject({ groups: ['ops'] });
    expect(JSON.stringify([note, again.note])).not.toContain('lms_');
  });

  test('groups that only the user-info endpoint tells', async () => {
    await using people = await openPeople();
    await using issuer = await startIssuer({ inIdToken: false });
    issuer.accounts.set('sub-1', { preferred_username: 'alice', groups: ['ops'] });
    const { answer } = await logIn(loginOver(people, issuer), issuer, 'sub-1');
    expect(await people.logins.check(answer.session)).toMatchObject({ groups: ['ops'], user: { name: 'alice' } });
  });

  test('a name that is taken never opens the other’s account', async () => {
    await using people = await openPeople();
    await using issuer = await startIssuer();
    const { user } = await people.users.create(localRoot, { name: 'alice', roles: ['admin'] });
    issuer.accounts.set('sub-9', { preferred_username: 'alice', email: 'alice@lab.test' });
    const { answer } = await logIn(loginOver(people, issuer), issuer, 'sub-9');
    expect(answer.user.id).not.toBe(user.id);
    expect(answer.user.name).toMatch(/^alice-[0-9a-f]{8}$/);
  });

  test('a disabled user stays out', async () => {
    await using people = await openPeople();
    await using issuer = await startIssuer();
    issuer.accounts.set('sub-1', { preferred_username: 'alice' });
    const login = loginOver(people, issuer);
    await logIn(login, issuer, 'sub-1');
    await people.users.patch(localRoot, 'alice', { disabled: true });
    expect(await codeOf(logIn(login, issuer, 'sub-1'))).toBe('REVOKED');
  });

  test('a stolen code is worth nothing: wrong verifier, used code, foreign state, too late', async () => {
    await using people = await openPeople();
    await using issuer = await startIssuer();
    issuer.accounts.set('sub-1', { preferred_username: 'alice' });
    const login = loginOver(people, issuer);
    const own = client();
    const { url } = await login.start(stranger, { redirectUri, challenge: own.challenge });
    const back = await browse(issuer, url, 'sub-1');
    const callback = (more: object) => codeOf(login.callback(stranger, { ...back, verifier: own.verifier, ...more }));
    expect(await callback({ verifier: client().verifier })).toBe('UNAUTHENTICATED');
    const thief = client();
    const theirs = await login.start(stranger, { redirectUri, challenge: thief.challenge });
    expect(await callback({ state: theirs.state, verifier: thief.verifier })).toBe('UNAUTHENTICATED');
    expect(await callback({ state: `${back.state}x` })).toBe('UNAUTHENTICATED');
    expect(await callback({ state: 'garbage' })).toBe('UNAUTHENTICATED');
    expect(await callback({ iss: 'https://other.test' })).toBe('UNAUTHENTICATED');
    expect(await callback({ code: 'garbage' })).toBe('UNAUTHENTICATED');
    const fresh = await browse(issuer, url, 'sub-1');
    expect(await callback(fresh)).toBe('none');
    expect(await callback(fresh)).toBe('UNAUTHENTICATED');
    const late = await browse(issuer, url, 'sub-1');
    await people.clock.advance(10 * 60_000);
    expect(await callback(late)).toBe('UNAUTHENTICATED');
  });

  test('a forged, foreign or missing ID token is refused, and no text of it comes out', async () => {
    await using people = await openPeople();
    await using issuer = await startIssuer();
    issuer.accounts.set('sub-1', { preferred_username: 'alice' });
    const login = loginOver(people, issuer);
    const parts = (body: Record<string, unknown>) => String(body['id_token']).split('.') as [string, string, string];
    const claims = (payload: string) => JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    const coded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const forgeries: ((body: Record<string, unknown>) => void)[] = [
      (body) => {
        const [head, payload, signature] = parts(body);
        body['id_token'] = [head, coded({ ...claims(payload), sub: 'admin' }), signature].join('.');
      },
      (body) => {
        const [, payload] = parts(body);
        body['id_token'] = [coded({ alg: 'none' }), payload, ''].join('.');
      },
      (body) => {
        delete body['id_token'];
      },
    ];
    for (const forge of forgeries) {
      issuer.tamper = forge;
      const error = await logIn(login, issuer, 'sub-1').catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(FleetError);
      expect((error as FleetError).code).toBe('UNAUTHENTICATED');
      expect(`${(error as FleetError).message}${(error as FleetError).log}`).not.toContain('eyJ');
    }
    expect(await storedText(people.store)).not.toContain('oidc');
  });

  test('redirects: loopback on any port, or one that is configured; nothing else', async () => {
    await using people = await openPeople();
    await using issuer = await startIssuer();
    const login = loginOver(people, issuer);
    const start = (uri: string) => codeOf(login.start(stranger, { redirectUri: uri, challenge: client().challenge }));
    for (const good of [redirectUri, 'http://[::1]:9/x', 'http://localhost:1/', 'https://dash.lab.test/oidc'])
      expect(await start(good)).toBe('none');
    const bad = [
      'https://evil.test/callback',
      'http://127.0.0.1.evil.test/',
      'http://user@127.0.0.1/',
      'http://127.0.0.1/#x',
      'http://127.0.0.1/?code=1',
      'https://dash.lab.test/oidc/more',
      'javascript:alert(1)',
    ];
    for (const uri of bad) expect(await start(uri)).toBe('VALIDATION_FAILED');
  });
});

describe('OpenID Connect, device code (ID-4)', () => {
  test('pending, then agreed in another browser, then a session; the device code stays with labd', async () => {
    await using people = await openPeople();
    await using issuer = await startIssuer();
    issuer.accounts.set('sub-1', { preferred_username: 'alice', groups: ['ops'] });
    const login = loginOver(people, issuer);
    const started = await login.device(stranger);
    expect(started.intervalMs).toBeGreaterThanOrEqual(1_000);
    const { handle } = started;
    expect((await login.poll(stranger, { handle })).answer).toMatchObject({ status: 'pending' });
    const end = await new TestBrowser(issuer, 'sub-1').go(started.verificationUriComplete ?? '');
    expect(end).toHaveProperty('page');
    const replica = loginOver(people, issuer);
    const { answer } = await replica.poll(stranger, { handle });
    if (answer.status !== 'done') throw new Error(`still ${answer.status}`);
    expect(await people.logins.check(answer.session)).toMatchObject({ groups: ['ops'], user: { name: 'alice' } });
    expect(await codeOf(login.poll(stranger, { handle }))).toBe('UNAUTHENTICATED');
  });

  test('garbage, another’s kind of text and an old handle are nobody’s', async () => {
    await using people = await openPeople();
    await using issuer = await startIssuer();
    const login = loginOver(people, issuer);
    const { handle } = await login.device(stranger);
    const { state } = await login.start(stranger, { redirectUri, challenge: client().challenge });
    for (const bad of ['garbage', state, `${handle}A`, ''])
      expect(await codeOf(login.poll(stranger, { handle: bad }))).toBe('UNAUTHENTICATED');
    await people.clock.advance(60_000);
    expect(await codeOf(login.poll(stranger, { handle }))).toBe('UNAUTHENTICATED');
  });
});

describe('the provider', () => {
  test('https only, but for loopback', async () => {
    await using people = await openPeople();
    const open = (issuer: string) => () => new OidcProvider({ issuer, clientId: 'x' }, people.clock);
    for (const bad of ['http://id.example.com', 'ftp://127.0.0.1', 'https://user:pw@id.example.com', 'nothing'])
      expect(open(bad)).toThrow(FleetError);
    for (const good of ['https://id.example.com', 'http://127.0.0.1:9', 'http://localhost:9']) open(good)();
  });

  test('away: told as such, without its address, and asked again the next time', async () => {
    await using people = await openPeople();
    const issuer = await startIssuer();
    const login = loginOver(people, issuer);
    await issuer[Symbol.asyncDispose]();
    const error = await login.start(stranger, { redirectUri, challenge: client().challenge }).catch((e: unknown) => e);
    expect((error as FleetError).code).toBe('INTERNAL');
    expect((error as FleetError).message).not.toContain('127.0.0.1');
  });
});
