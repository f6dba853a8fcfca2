import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { uuidv7 } from '@labmesh/wire/ids';
import { type Asked, knownPeer, type LabdApp, openLabdApp, stranger } from '../../../../tests/harness/labd-app.ts';

let app: LabdApp;
let viewer: string;

beforeAll(async () => {
  app = await openLabdApp({ loginPerMin: 3, tokensPerMin: 5, principalPerMin: 40, bodyBytesMax: 2_000, pageMax: 250 });
  viewer = await session('vera', ['viewer']);
});
afterAll(() => app[Symbol.asyncDispose]());

/** A bearer of a new user. */
async function session(name: string, roles: string[]): Promise<string> {
  await app.call('POST', '/api/users', { json: { name, roles } });
  await app.call('POST', `/api/users/${name}/password`, { json: { password: 'correct horse battery' } });
  const json = { user: name, password: 'correct horse battery' };
  return (await app.call('POST', '/api/auth/login', { json })).body.session;
}
const bearer = (text: string) => ({ authorization: `Bearer ${text}` });
const from = (n: number) => stranger(`198.51.100.${n}`);

/** The rows of a call. */
async function rows(requestId: string) {
  await app.core.audit.flush();
  const { body } = await app.call('GET', '/api/audit?limit=200');
  return (body.items as { requestId?: string }[]).filter((row) => row.requestId === requestId);
}
/** Calls with a request id of its own, and gives the answer with its rows. */
async function traced(method: string, path: string, ask: Parameters<LabdApp['call']>[2], where = stranger()) {
  const id = `t-${uuidv7()}`;
  const answer = await app.call(method, path, { ...ask, headers: { ...ask?.headers, 'x-request-id': id } }, where);
  return { answer, rows: await rows(id) };
}
const codeOf = ({ status, body }: Asked) => `${status} ${body?.error?.code}`;

describe('AU-4 refusals are rows', () => {
  test('of a stranger, before and after anybody is known', async () => {
    for (const [headers, code] of [
      [{}, '401 UNAUTHENTICATED'],
      [bearer('lms_00000000_nonsense'), '401 UNAUTHENTICATED'],
      [bearer('lmn_0123456789_x'), '403 PERMISSION_DENIED'],
      [{ host: 'evil.example' }, '403 ORIGIN_REFUSED'],
      [{ origin: 'https://evil.example' }, '403 ORIGIN_REFUSED'],
    ] as const) {
      const found = await traced('GET', '/api/servers', { headers }, from(1));
      expect(codeOf(found.answer)).toBe(code);
      expect(found.rows).toMatchObject([
        { action: 'list-servers', result: 'denied', sourceIp: '198.51.100.1', code: code.slice(4) },
      ]);
    }
  });

  test('of somebody, by name; of who calls through the wrong door', async () => {
    const denied = await traced('DELETE', '/api/servers/web-1', { headers: bearer(viewer) }, from(2));
    expect(denied.rows).toMatchObject([
      { principal: { kind: 'user', name: 'vera' }, action: 'delete-server', resource: 'web-1', result: 'denied' },
    ]);
    const agent = { door: 'agent', peer: knownPeer('agent', uuidv7()) } as const;
    const wrongDoor = await traced('GET', '/api/servers', {}, agent);
    expect([codeOf(wrongDoor.answer), wrongDoor.rows.length]).toEqual(['404 NOT_FOUND', 1]);
    const wrongListener = await traced('POST', '/api/auth/reenroll', { json: {} }, { ...agent, door: 'api' });
    expect(codeOf(wrongListener.answer)).toBe('421 WRONG_LISTENER');
    expect(wrongListener.rows).toMatchObject([{ principal: { kind: 'agent' }, result: 'denied' }]);
  });

  test('health and the CA bundle leave none', async () => {
    expect((await traced('GET', '/healthz', {})).rows).toEqual([]);
    expect((await traced('GET', '/ca/crl?format=x', {})).rows).toEqual([]);
  });

  test('an F operation has a start and an end, a failed one too', async () => {
    const good = await traced('GET', '/api/ca', {}, { door: 'socket' });
    expect(good.rows).toMatchObject([
      { phase: 'end', result: 'ok' },
      { phase: 'start', result: 'ok' },
    ]);
    const bad = await traced('POST', '/api/certificates/none/revoke', { json: {} }, { door: 'socket' });
    expect(bad.rows).toMatchObject([
      { phase: 'end', result: 'denied', code: 'NOT_FOUND' },
      { phase: 'start', result: 'ok' },
    ]);
  });

  test('P1 no row, no action: an S answer does not leave without its row', async () => {
    const { audit } = app.core;
    const { append } = audit;
    Object.assign(audit, { append: () => Promise.reject(new Error('no')) });
    const refused = await app.call('POST', '/api/tokens', { json: {} });
    Object.assign(audit, { append });
    expect(refused.status).toBe(500);
    expect(refused.text).not.toContain('lmj_');
  });
});

describe('RL-1 limits', () => {
  test('the 101st call of a stranger in a minute is refused, with one row; health goes on', async () => {
    const before = (await app.call('GET', '/api/audit?limit=500')).body.items.length;
    for (let n = 0; n < 100; n++) {
      const answer = await app.call('GET', '/api/auth/whoami', {}, from(3));
      expect(answer.headers.get('ratelimit-remaining')).toBe(String(99 - n));
    }
    for (let n = 0; n < 30; n++) {
      const answer = await app.call('GET', '/api/auth/whoami', {}, from(3));
      expect(codeOf(answer)).toBe('429 RATE_LIMITED');
      expect(Number(answer.headers.get('retry-after'))).toBeWithin(1, 61);
      expect(answer.headers.get('ratelimit-limit')).toBe('100');
    }
    expect((await app.call('GET', '/healthz', {}, from(3))).status).toBe(200);
    expect((await app.call('GET', '/api/auth/whoami', {}, from(4))).status).toBe(401);
    await app.core.audit.flush();
    const { items } = (await app.call('GET', '/api/audit?limit=500')).body;
    const flood = items.filter((row: { sourceIp: string }) => row.sourceIp === '198.51.100.3');
    expect(flood.filter((row: { code: string }) => row.code === 'RATE_LIMITED')).toHaveLength(1);
    expect(items.length - before).toBeLessThan(110);
  });

  test('a bad bearer and a wrong host count as a stranger', async () => {
    const tries = [bearer('lms_00000000_x'), { host: 'evil.example' }, bearer('lmn_0123456789_x')];
    for (let n = 0; n < 100; n++) await app.call('GET', '/healthz', { headers: tries[n % 3]! }, from(5));
    for (const headers of tries) {
      expect(codeOf(await app.call('GET', '/healthz', { headers }, from(5)))).toBe('429 RATE_LIMITED');
    }
    expect((await app.call('GET', '/healthz', {}, from(5))).status).toBe(200);
  });

  test('logins, tokens and each identity have their own', async () => {
    const json = { user: 'nobody', password: 'x' };
    const login = async () => (await app.call('POST', '/api/auth/login', { json }, from(6))).status;
    expect([await login(), await login(), await login(), await login()]).toEqual([401, 401, 401, 429]);
    const busy = await session('busy', ['admin']);
    const list = async (path: string, n: number) =>
      (await app.call('GET', path, { headers: bearer(busy) }, from(n))).status;
    const tokens = await Promise.all(Array.from({ length: 6 }, () => list('/api/tokens', 7)));
    expect(tokens.toSorted((a, b) => a - b)).toEqual([200, 200, 200, 200, 200, 429]);
    const calls: number[] = [];
    // From many addresses: it is the identity that counts.
    for (let n = 0; n < 40; n++) calls.push(await list('/api/version', 100 + n));
    expect(calls.filter((status) => status === 429).length).toBe(6);
  });

  test('behind a trusted proxy the client counts, behind any other the proxy', async () => {
    await using proxied = await openLabdApp({ anonymousPerMin: 2, trustedProxies: ['198.51.100.9'] });
    const ask = async (address: string, forwarded: string) =>
      (await proxied.call('GET', '/api/users', { headers: { 'x-forwarded-for': forwarded } }, stranger(address)))
        .status;
    const trusted = [1, 2, 3].map((n) => ask('198.51.100.9', `203.0.113.99, 203.0.113.${n}`));
    expect(await Promise.all(trusted)).toEqual([401, 401, 401]);
    const forged = [await ask('198.51.100.8', '1.1.1.1'), await ask('198.51.100.8', '2.2.2.2')];
    expect([...forged, await ask('198.51.100.8', '3.3.3.3')]).toEqual([401, 401, 429]);
  });
});

describe('AP-4, AP-6 input', () => {
  const post = (path: string, body: string, headers = {}) =>
    app.call('POST', path, { body, headers: { 'content-type': 'application/json', ...headers } });

  test('a body at the limit passes, one byte more is 413, with and without Content-Length', async () => {
    const sized = (size: number) => `{"name":"${'a'.repeat(size - 11)}"}`;
    expect(codeOf(await post('/api/users', sized(2_000)))).toBe('400 VALIDATION_FAILED');
    expect(codeOf(await post('/api/users', sized(2_001)))).toBe('413 PAYLOAD_TOO_LARGE');
    const stream = new Blob([sized(2_001)]).stream();
    expect(codeOf(await app.call('POST', '/api/users', { body: stream }))).toBe('413 PAYLOAD_TOO_LARGE');
  });

  test.each([
    ['{', 'VALIDATION_FAILED'],
    ['"x"', 'VALIDATION_FAILED'],
    ['[]', 'VALIDATION_FAILED'],
    ['null', 'VALIDATION_FAILED'],
    ['{"__proto__":{"x":1}}', 'VALIDATION_FAILED'],
    ['{"name":"a","name2":1}', 'VALIDATION_FAILED'],
  ])('the body %s is refused', async (body, code) => {
    expect((await post('/api/users', body)).body.error.code).toBe(code);
  });

  test('forms and text are refused: a page of another origin may send those unasked', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', '']) {
      expect((await post('/api/users', '{"name":"eve"}', { 'content-type': type })).status).toBe(400);
    }
  });

  test('a field or filter that is not known is named', async () => {
    const body = await post('/api/users', '{"name":"a","rolls":[]}');
    expect(body.body.error).toMatchObject({ field: 'rolls', message: 'rolls: is not known' });
    const query = await app.call('GET', '/api/servers?enviroment=production');
    expect(query.body.error).toMatchObject({ field: 'enviroment', message: 'enviroment: is not known' });
    const twice = await app.call('GET', '/api/servers?limit=1&limit=2');
    expect(twice.body.error.field).toBe('limit');
    const nested = await post('/api/tokens', '{"labels":{"facts.x":"1"}}');
    expect(nested.body.error.field).toContain('labels');
  });

  test('AP-3 pages: bounds, and a cursor that is none is never an error of ours', async () => {
    for (const limit of ['0', '501', '-1', 'x', '1e9', '']) {
      expect((await app.call('GET', `/api/users?limit=${limit}`)).status).toBe(400);
    }
    for (const list of ['users', 'roles', 'tokens', 'audit', 'sessions', 'certificates', 'permissions', 'servers'])
      for (const cursor of ['garbage', 'eyJ4Ijox', 'e30', '%00', 'W10', '..', 'x'.repeat(512)]) {
        const { status } = await app.call('GET', `/api/${list}?cursor=${cursor}`);
        expect(`${list} ${cursor.slice(0, 9)} ${status < 500}`).toBe(`${list} ${cursor.slice(0, 9)} true`);
      }
    expect((await app.call('GET', `/api/users?cursor=${'x'.repeat(513)}`)).status).toBe(400);
  });

  test('AP-3 pages hold everything once', async () => {
    const seen: string[] = [];
    let cursor = '';
    do {
      const { body } = await app.call('GET', `/api/permissions?limit=2${cursor && `&cursor=${cursor}`}`);
      seen.push(...body.items.map((one: { id: string }) => one.id));
      cursor = encodeURIComponent(body.nextCursor ?? '');
    } while (cursor !== '');
    const all = (await app.call('GET', '/api/permissions')).body.items;
    expect(seen.toSorted()).toEqual(all.map((one: { id: string }) => one.id).toSorted());
  });

  test('a stale revision is 409', async () => {
    await post('/api/users', '{"name":"rev"}');
    const patch = (revision: number) => app.call('PATCH', '/api/users/rev', { json: { revision, disabled: true } });
    expect([await patch(2), await patch(1), await patch(1)].map(codeOf)).toEqual([
      '409 STALE_REVISION',
      '200 undefined',
      '409 STALE_REVISION',
    ]);
  });
});

test('AP-3 limits.page_max: a larger page is cut, and its cursor leads to the rest', async () => {
  await using small = await openLabdApp({ pageMax: 2 });
  const names = async (search: string) => {
    const { body } = await small.call('GET', `/api/roles${search}`);
    return {
      names: (body.items as { name: string }[]).map(({ name }) => name),
      next: body.nextCursor as string | null,
    };
  };
  const first = await names('?limit=500');
  const second = await names(`?limit=500&cursor=${first.next}`);
  expect(first.names).toHaveLength(2);
  // Three roles are built in.
  expect([new Set([...first.names, ...second.names]).size, second.next]).toEqual([3, null]);
  expect((await small.call('GET', '/api/roles?limit=501')).body.error.field).toBe('limit');
});
