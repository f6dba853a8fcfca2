import { describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { codeOf } from '../testing/callers.ts';
import { OidcProvider } from './oidc-provider.ts';

type Answer = { status: number; body: object };

/** An issuer in a few lines, for answers that a well-behaved one never gives. */
function startOddIssuer(token: () => Answer, more: object = {}) {
  const asked: URLSearchParams[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request): Promise<Response> {
      const { pathname, origin: url } = new URL(request.url);
      if (pathname === '/.well-known/openid-configuration')
        return Response.json({
          issuer: url,
          authorization_endpoint: `${url}/auth`,
          token_endpoint: `${url}/token`,
          jwks_uri: `${url}/jwks`,
          device_authorization_endpoint: `${url}/device`,
          ...more,
        });
      asked.push(new URLSearchParams(await request.text()));
      if (pathname === '/device')
        return Response.json({ device_code: 'dc', user_code: 'UC', verification_uri: `${url}/go`, expires_in: 600 });
      const { status, body } = token();
      return Response.json(body, { status });
    },
  });
  const clock = new FakeClock();
  const settings = { issuer: `http://127.0.0.1:${server.port}`, clientId: 'lab', clientSecret: 'the client secret' };
  const provider = new OidcProvider(settings, clock);
  return { provider, asked, clock, [Symbol.asyncDispose]: () => server.stop(true) };
}

const refused = (error: string): Answer => ({ status: 400, body: { error, error_description: 'eyJ.secret.text' } });

describe('answers of a provider (ID-4)', () => {
  test('device grant: pending and slow_down wait, all else ends', async () => {
    let next = refused('authorization_pending');
    await using issuer = startOddIssuer(() => next);
    expect(await issuer.provider.startDevice()).toMatchObject({
      deviceCode: 'dc',
      userCode: 'UC',
      verificationUriComplete: undefined,
      expiresInMs: 600_000,
      intervalMs: 5_000,
    });
    const poll = () => issuer.provider.pollDevice('dc');
    expect(await poll()).toEqual({ status: 'pending', slowDown: false });
    next = refused('slow_down');
    expect(await poll()).toEqual({ status: 'pending', slowDown: true });
    for (const error of ['access_denied', 'expired_token', 'invalid_grant']) {
      next = refused(error);
      expect(await codeOf(poll())).toBe('UNAUTHENTICATED');
    }
    next = refused('invalid_client');
    expect(await codeOf(poll())).toBe('INTERNAL');
    next = { status: 200, body: { access_token: 'a', token_type: 'bearer' } };
    expect(await codeOf(poll())).toBe('UNAUTHENTICATED');
    expect(issuer.asked.at(-1)?.get('device_code')).toBe('dc');
  });

  test('an unsigned or foreign ID token is none', async () => {
    const coded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const now = Math.floor(Date.now() / 1_000);
    const claims = { iss: 'https://other.test', sub: 's', aud: 'lab', iat: now, exp: now + 60 };
    const tokens = [`${coded({ alg: 'none' })}.${coded(claims)}.`, `${coded({ alg: 'RS256' })}.${coded(claims)}.AAAA`];
    for (const id_token of tokens) {
      await using issuer = startOddIssuer(() => ({
        status: 200,
        body: { access_token: 'a', token_type: 'bearer', id_token },
      }));
      expect(await codeOf(issuer.provider.pollDevice('dc'))).toBe('UNAUTHENTICATED');
    }
  });

  test('neither tokens nor the client secret come out with an error', async () => {
    await using issuer = startOddIssuer(() => refused('invalid_grant'));
    const error = (await issuer.provider.pollDevice('dc').catch((reason: unknown) => reason)) as FleetError;
    expect(error).toBeInstanceOf(FleetError);
    const told = [error.message, error.hint, error.log, String(error.cause)].join(' ');
    for (const secret of ['eyJ', 'the client secret', 'dc ']) expect(told).not.toContain(secret);
    expect(error.log).toBe('OpenID Connect: invalid_grant');
  });

  test('scopes: groups are asked for where the provider knows them', async () => {
    const scopeOf = async (more: object) => {
      await using issuer = startOddIssuer(() => refused('x'), more);
      const ask = { redirectUri: 'http://127.0.0.1:1/', challenge: 'c', state: 's', nonce: 'n' };
      return new URL(await issuer.provider.authorizationUrl(ask)).searchParams.get('scope');
    };
    expect(await scopeOf({ scopes_supported: ['openid', 'email', 'groups'] })).toBe('openid email groups');
    expect(await scopeOf({})).toBe('openid');
  });

  test('the metadata is read once an hour', async () => {
    let reads = 0;
    const server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: (request) => {
        reads++;
        const url = new URL(request.url).origin;
        return Response.json({ issuer: url, authorization_endpoint: `${url}/auth`, jwks_uri: `${url}/jwks` });
      },
    });
    const clock = new FakeClock();
    const provider = new OidcProvider({ issuer: `http://127.0.0.1:${server.port}`, clientId: 'lab' }, clock);
    const ask = { redirectUri: 'http://127.0.0.1:1/', challenge: 'c', state: 's', nonce: 'n' };
    await Promise.all([provider.authorizationUrl(ask), provider.authorizationUrl(ask)]);
    expect(reads).toBe(1);
    await clock.advance(3_600_000);
    await provider.authorizationUrl(ask);
    expect(reads).toBe(2);
    await server.stop(true);
  });
});
