import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type From, type LabdApp, openLabdApp, stranger } from '../../../../../tests/harness/labd-app.ts';

const page = 'https://dash.example';
let app: LabdApp;
beforeAll(async () => {
  app = await openLabdApp({ allowedOrigins: [page, 'http://localhost:3000'], anonymousPerMin: 100_000 });
});
afterAll(() => app[Symbol.asyncDispose]());

const ask = (method: string, origin: string | undefined, wanted?: string) => ({
  headers: {
    ...(origin !== undefined && { origin }),
    ...(wanted !== undefined && { 'access-control-request-method': wanted }),
    ...(method === 'OPTIONS' && { 'access-control-request-headers': 'authorization,content-type' }),
  },
});
const call = (method: string, path: string, origin?: string, wanted?: string, from: From = stranger()) =>
  app.call(method, path, ask(method, origin, wanted), from);
const crossOrigin = (headers: Headers) =>
  Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-')));

describe('LD-5 a page of an allowed origin can call', () => {
  test('the browser’s question is answered for the path’s own methods', async () => {
    const { status, headers, text } = await call('OPTIONS', '/api/users/alice', page, 'PATCH');
    expect([status, text, headers.get('vary')]).toEqual([204, '', 'Origin']);
    expect(headers.get('x-request-id')).toStartWith('req_');
    expect(crossOrigin(headers)).toEqual({
      'access-control-allow-origin': page,
      'access-control-allow-methods': 'GET, PATCH, DELETE, HEAD',
      'access-control-allow-headers': 'Authorization, Content-Type, Idempotency-Key, X-Request-Id',
      'access-control-expose-headers': expect.stringContaining('X-Request-Id'),
      'access-control-max-age': '600',
    });
    expect((await call('OPTIONS', '/api/nowhere', page, 'GET')).status).toBe(404);
  });

  test('answers and refusals can be read, each by the origin that asked, without credentials', async () => {
    for (const [path, status] of [
      ['/api/version', 200],
      ['/api/servers', 401],
      ['/api/nowhere', 404],
    ] as const) {
      for (const origin of [page, 'http://localhost:3000']) {
        const answer = await call('GET', path, origin);
        const { 'access-control-allow-origin': allowed, ...more } = crossOrigin(answer.headers);
        expect([path, answer.status, allowed]).toEqual([path, status, origin]);
        expect(Object.keys(more)).toEqual(['access-control-expose-headers']);
        expect(answer.headers.get('vary')).toBe('Origin');
      }
    }
  });

  test('a bearer is made, and with it the ticket for a socket', async () => {
    const password = 'correct horse battery';
    await app.call('POST', '/api/users', { json: { name: 'dora', roles: ['viewer'] } });
    await app.call('POST', '/api/users/dora/password', { json: { password } });
    const headers = { origin: page };
    const login = await app.call('POST', '/api/auth/login', { headers, json: { user: 'dora', password } }, stranger());
    expect(login.headers.get('access-control-allow-origin')).toBe(page);
    const bearer = { ...headers, authorization: `Bearer ${login.body.session}` };
    const ticket = await app.call('POST', '/api/auth/ticket', { headers: bearer, json: {} }, stranger());
    expect([ticket.status, ticket.headers.get('access-control-allow-origin')]).toEqual([200, page]);
  });
});

describe('LD-5 and no other page can', () => {
  test.each(['https://evil.example', 'null', '*', 'https://dash.example.evil', 'https://DASH.example', 'https://dash'])(
    '%s is refused, its question too, and may read nothing of it',
    async (origin) => {
      for (const [method, wanted] of [
        ['OPTIONS', 'GET'],
        ['GET', undefined],
      ] as const) {
        const answer = await call(method, '/api/version', origin, wanted);
        expect([answer.status, answer.body.error.code]).toEqual([403, 'ORIGIN_REFUSED']);
        expect([crossOrigin(answer.headers), answer.headers.get('vary')]).toEqual([{}, 'Origin']);
      }
    },
  );

  test('whatever an origin looks like, only one of the list is ever named', async () => {
    const texts = fc.oneof(
      fc.webUrl(),
      fc.stringMatching(/^[ -~]{1,40}$/),
      fc.constantFrom(page, `${page}/`, `${page} `),
    );
    const property = fc.asyncProperty(texts, async (origin) => {
      for (const [method, wanted] of [
        ['OPTIONS', 'DELETE'],
        ['GET', undefined],
      ] as const) {
        const { headers } = await call(method, '/healthz', origin, wanted);
        expect([page, null]).toContain(headers.get('access-control-allow-origin'));
        expect(headers.has('access-control-allow-credentials')).toBe(false);
      }
    });
    await fc.assert(property, { numRuns: 60 });
  });

  test('another host is refused; other doors and a list that is empty name nobody', async () => {
    const question = ask('OPTIONS', page, 'GET');
    const rebound = { headers: { ...question.headers, host: 'evil.example' } };
    expect((await app.call('OPTIONS', '/api/version', rebound, stranger())).status).toBe(403);
    const agents = await call('OPTIONS', '/ca/pin', page, 'GET', { door: 'agent' });
    expect([agents.status, crossOrigin(agents.headers), agents.headers.has('vary')]).toEqual([405, {}, false]);
    await using closed = await openLabdApp();
    const refused = await closed.call('OPTIONS', '/api/version', question, stranger());
    expect([refused.status, crossOrigin(refused.headers), refused.headers.has('vary')]).toEqual([403, {}, false]);
  });

  test('a question that is none is a call like others', async () => {
    expect((await call('OPTIONS', '/api/version', page)).status).toBe(405);
    expect((await call('OPTIONS', '/api/version', undefined, 'GET')).status).toBe(405);
    const plain = await call('GET', '/api/version');
    expect([plain.status, crossOrigin(plain.headers), plain.headers.get('vary')]).toEqual([200, {}, 'Origin']);
  });
});
