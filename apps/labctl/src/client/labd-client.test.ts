import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sampleCa, type SampleLeaf } from '@labmesh/pki/testing/sample-ca';
import { type Answerer, type FakeLabd, startFakeLabd, startFakeSocket } from '../testing/fake-labd.ts';
import type { CommandError } from '../command-error.ts';
import { LabdClient, type LabdClientOptions, requestPath } from './labd-client.ts';
import { httpsTransport, type LabdProof, type LabdTrust, socketTransport } from './labd-transport.ts';

const folder = mkdtempSync(join(tmpdir(), 'labctl-client-'));
let labd: FakeLabd;
let user: SampleLeaf;
beforeAll(async () => {
  labd = await startFakeLabd(() => ({}));
  user = await labd.ca.leaf('user', '01900000-0000-7000-8000-00000000000a');
});
afterAll(async () => {
  await labd[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const at = '2026-01-01T00:00:00.000Z';
const replica = (id: string) => ({ id, version: '1', startedAt: at, seenAt: at, live: true, agentUrl: null });
const certificate = (): LabdProof => ({
  by: 'certificate',
  certificatePem: user.certificatePem,
  chainPem: labd.ca.chainPem,
  privatePem: user.key.privatePem,
});
const trust = (changes: object = {}): LabdTrust => ({
  by: 'bundle',
  bundlePem: labd.ca.bundlePem,
  pins: undefined,
  trustDomain: 'labmesh.internal',
  ...changes,
});
function open(answer: Answerer, changes: Partial<LabdClientOptions> = {}): LabdClient {
  labd.answer = answer;
  labd.asked.length = 0;
  return new LabdClient({ transport: httpsTransport(labd.url, trust(), certificate()), timeoutMs: 5_000, ...changes });
}
const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('it was answered')),
    (error: CommandError) => error,
  );
const failed = (code: string, status: number, more: object = {}) => ({
  status,
  json: { error: { code, message: `told by ${code}`, requestId: 'req-9', ...more } },
});

describe('calls', () => {
  test('with the user’s certificate, path, query and body by the table (AP-1)', async () => {
    using client = open(() => ({ json: { version: '1.0', contract: 1 } }));
    expect(await client.call('get-version')).toEqual({ version: '1.0', contract: 1 });
    expect(labd.asked[0]).toMatchObject({
      method: 'GET',
      path: '/api/version',
      peer: expect.stringContaining('spiffe://labmesh.internal/user/'),
    });
    // labd's own certificate is asked for, also where the operator set one for browsers under the host name.
    expect(labd.asked[0]?.sni).toBe('labd');
    labd.answer = () => ({ json: { ok: true } });
    expect(await client.call('kill-session', { params: { id: 'a/b?c' } })).toEqual({ ok: true });
    expect(labd.asked[1]).toMatchObject({ method: 'POST', path: '/api/sessions/a%2Fb%3Fc/kill', body: '{}' });
    await client.call('revoke-certificate', { params: { serial: 'ab' }, body: { reason: 'lost' } });
    expect(labd.asked[2]).toMatchObject({ path: '/api/certificates/ab/revoke', body: '{"reason":"lost"}' });
    expect(labd.asked[2]?.headers['content-type']).toBe('application/json');
  });

  test('paths', () => {
    expect(requestPath('/api/servers/:id', { params: { id: '..' } })).toBe('/api/servers/..');
    expect(requestPath('/api/servers', { query: { status: 'online', label: 'a=b c', q: undefined, limit: 5 } })).toBe(
      '/api/servers?status=online&label=a%3Db+c&limit=5',
    );
    expect(() => requestPath('/api/servers/:id', {})).toThrow('no id');
  });

  test('an answer keeps fields that this labctl does not know', async () => {
    using client = open(() => ({ json: { version: '1.0', contract: 1, later: true } }));
    expect(await client.call('get-version')).toEqual({ version: '1.0', contract: 1, later: true } as never);
  });

  test('an answer of another form names operation and field', async () => {
    for (const text of ['{"version":1,"contract":1}', '<html>', '']) {
      using client = open(() => ({ text }));
      const { message, exitCode } = await refusal(client.call('get-version'));
      expect(message).toContain('to get-version is not understood');
      expect(exitCode).toBe(1);
    }
  });

  test('text, and bytes as they come', async () => {
    using client = open(() => ({ text: 'sha256:ab' }));
    expect(await client.text('get-pin')).toBe('sha256:ab');
    const parts = await Array.fromAsync(await client.stream('get-recording', { params: { id: 'x' } }));
    expect(Buffer.concat(parts).toString()).toBe('sha256:ab');
  });

  test('a bearer in place of a certificate', async () => {
    labd.answer = () => ({ json: { version: '1.0', contract: 1 } });
    labd.asked.length = 0;
    using client = new LabdClient({
      transport: httpsTransport(labd.url, trust(), { by: 'bearer', token: 'lms_x' }),
      timeoutMs: 5_000,
    });
    await client.call('get-version');
    expect(labd.asked[0]).toMatchObject({ peer: undefined, headers: { authorization: 'Bearer lms_x' } });
  });

  test('the admin socket (ID-1)', async () => {
    const path = join(folder, 'labd.sock');
    await using socket = await startFakeSocket(path, () => ({ json: { version: '1.0', contract: 1 } }));
    using client = new LabdClient({ transport: socketTransport(path), timeoutMs: 5_000 });
    expect(await client.call('get-version')).toMatchObject({ version: '1.0' });
    expect(socket.asked[0]?.path).toBe('/api/version');
    using nobody = new LabdClient({ transport: socketTransport(join(folder, 'none.sock')), timeoutMs: 5_000 });
    expect(await refusal(nobody.call('get-version'))).toMatchObject({
      exitCode: 6,
      message: `labd at ${join(folder, 'none.sock')} cannot be reached: there is no such socket`,
    });
  });
});

describe('errors (CT-8, CT-9)', () => {
  test.each([
    ['PERMISSION_DENIED', 403, 4, 'told by PERMISSION_DENIED', 'labctl auth can-i'],
    ['UNAUTHENTICATED', 401, 3, 'told by UNAUTHENTICATED (UNAUTHENTICATED)', 'labctl login'],
    ['NOT_FOUND', 404, 5, 'told by NOT_FOUND (NOT_FOUND)', 'labctl get'],
    ['AGENT_NOT_CONNECTED', 409, 6, 'told by AGENT_NOT_CONNECTED (AGENT_NOT_CONNECTED)', 'labctl describe'],
    ['CONFLICT', 409, 8, 'told by CONFLICT (CONFLICT)', undefined],
    ['AGENT_TIMEOUT', 504, 7, 'told by AGENT_TIMEOUT (AGENT_TIMEOUT)', undefined],
    ['INTERNAL', 500, 1, 'told by INTERNAL (INTERNAL)', undefined],
  ])('%s', async (code, status, exitCode, message, hint) => {
    using client = open(() => failed(code, status));
    const error = await refusal(client.call('delete-user', { params: { id: 'alice' } }));
    expect(error).toMatchObject({ message, code, exitCode, requestId: 'req-9' });
    if (hint === undefined) expect(error.hint).toBeUndefined();
    else expect(error.hint).toContain(hint);
  });

  test('labd’s own hint and field count', async () => {
    using client = open(() => failed('VALIDATION_FAILED', 400, { field: 'labels.env', hint: 'write it short' }));
    const error = await refusal(client.call('get-version'));
    expect(error).toMatchObject({
      message: 'labels.env: told by VALIDATION_FAILED (VALIDATION_FAILED)',
      hint: 'write it short',
      exitCode: 2,
    });
  });

  test('an error that is no error of labd says its status', async () => {
    using client = open(() => ({ status: 502, text: '<html>' }));
    expect(await refusal(client.call('get-user', { params: { id: 'x' } }))).toMatchObject({
      message: 'labd answered with status 502',
      exitCode: 6,
      requestId: 'req-1',
    });
    labd.answer = () => ({ status: 302, headers: { location: 'https://evil.example/' } });
    expect(await refusal(client.call('get-version'))).toMatchObject({
      message: 'labd answered with status 302',
      exitCode: 1,
    });
    expect(labd.asked).toHaveLength(2);
  });

  test('nobody there, and no TLS there', async () => {
    using nobody = new LabdClient({
      transport: httpsTransport('https://127.0.0.1:1', trust(), { by: 'nothing' }),
      timeoutMs: 5_000,
    });
    expect(await refusal(nobody.call('get-version'))).toMatchObject({
      message: 'labd at https://127.0.0.1:1 cannot be reached: nothing listens there',
      exitCode: 6,
    });
    using server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() });
    const url = `https://127.0.0.1:${server.port}`;
    using plain = new LabdClient({ transport: httpsTransport(url, trust(), { by: 'nothing' }), timeoutMs: 5_000 });
    expect(await refusal(plain.call('get-version'))).toMatchObject({
      message: expect.stringContaining('does not speak TLS'),
      exitCode: 6,
    });
  });

  test('no answer in time', async () => {
    using client = open(() => undefined, { timeoutMs: 200 });
    expect(await refusal(client.call('get-version'))).toMatchObject({
      message: `${client.where} did not answer get-version within 200ms`,
      exitCode: 7,
    });
  });

  test('Ctrl-C ends it with the reason of the signal', async () => {
    const stopping = new AbortController();
    using client = open(
      () => {
        stopping.abort(new Error('stop'));
        return undefined;
      },
      { signal: stopping.signal },
    );
    expect((await refusal(client.call('get-version'))).message).toBe('stop');
  });
});

describe('whom the client believes (CA-5)', () => {
  const asWhom = async (fake: FakeLabd, changes: object = {}) => {
    using client = new LabdClient({
      transport: httpsTransport(fake.url, trust(changes), { by: 'bearer', token: 'lms_secret' }),
      timeoutMs: 5_000,
    });
    return await client.call('get-version');
  };
  const answer: Answerer = () => ({ json: { version: '1', contract: 1 } });

  test('another CA, another kind, another trust domain, another pin: refused before a byte of the request', async () => {
    const foreign = await startFakeLabd(answer);
    const agent = await startFakeLabd(answer, { ca: labd.ca, leaf: await labd.ca.leaf('agent', 'x') });
    const domain = await sampleCa(undefined, 'other.internal');
    const elsewhere = await startFakeLabd(answer, { ca: domain });
    labd.answer = answer;
    labd.asked.length = 0;
    const tries: [FakeLabd, object][] = [
      [foreign, {}],
      [agent, {}],
      [elsewhere, { bundlePem: domain.bundlePem }],
      [labd, { pins: `sha256:${'0'.repeat(64)}` }],
    ];
    for (const [fake, changes] of tries) {
      const { message, exitCode, hint } = await refusal(asWhom(fake, changes));
      expect(message).toContain('it is not trusted');
      expect(hint).toContain('--ca-pin');
      expect(exitCode).toBe(6);
      expect(fake.asked).toEqual([]);
      if (fake !== labd) await fake[Symbol.asyncDispose]();
    }
    expect(await asWhom(labd, { pins: `sha256:${labd.ca.root.certificate.keyHash}` })).toMatchObject({ version: '1' });
  });

  test('without a bundle the system’s roots and the host name count', async () => {
    labd.asked.length = 0;
    using client = new LabdClient({
      transport: httpsTransport(labd.url, { by: 'public' }, { by: 'nothing' }),
      timeoutMs: 5_000,
    });
    expect(await refusal(client.call('get-version'))).toMatchObject({
      exitCode: 6,
      message: expect.stringContaining('it is not trusted'),
    });
    expect(labd.asked).toEqual([]);
  });
});

describe('patience (RL-2)', () => {
  test('a GET waits as labd asks, and a little longer, and tries again', async () => {
    const slept: number[] = [];
    let now = 0;
    const sleep = async (ms: number) => {
      slept.push(ms);
      now += ms;
    };
    const clock = { now: () => now, wall: () => now, sleep };
    let left = 2;
    const notes: string[] = [];
    const limited = { ...failed('RATE_LIMITED', 429), headers: { 'retry-after': '3' } };
    using client = open(() => (left-- > 0 ? limited : { json: { version: '1', contract: 1 } }), {
      clock,
      random: () => 0.5,
      timeoutMs: 6e4,
      note: (text) => void notes.push(text),
    });
    expect(await client.call('get-version')).toMatchObject({ version: '1' });
    // 3 s, and the quarter more that `random` gave.
    expect(slept).toEqual([3_750, 3_750]);
    expect(labd.asked).toHaveLength(3);
    expect(notes).toEqual(Array(2).fill('told by RATE_LIMITED (RATE_LIMITED); again in 3s'));
  });

  test('never past --timeout, and never for what may have been done', async () => {
    const busy: Answerer = () => failed('STORE_UNAVAILABLE', 503, { retryAfterMs: 10_000 });
    using client = open(busy, { timeoutMs: 9_000 });
    expect(await refusal(client.call('get-version'))).toMatchObject({ code: 'STORE_UNAVAILABLE', exitCode: 6 });
    expect(labd.asked).toHaveLength(1);
    using patient = open(busy, { timeoutMs: 60_000 });
    await refusal(patient.call('create-ticket'));
    expect(labd.asked).toHaveLength(1);
  });
});

describe('pages (AP-3)', () => {
  test('all of them, one after another', async () => {
    const pages: Record<string, object> = {
      '/api/replicas?limit=500': { items: [replica('a'), replica('b')], nextCursor: 'x y' },
      '/api/replicas?limit=500&cursor=x+y': { items: [replica('c')], nextCursor: null },
    };
    using client = open(({ path }) => ({ json: pages[path] }));
    const { items, nextCursor } = await client.listAll('list-replicas');
    expect(items.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    expect(nextCursor).toBeNull();
  });

  test('filters stay on every page', async () => {
    using client = open(({ path }) => ({ json: { items: [], nextCursor: path.includes('cursor') ? null : 'n' } }));
    await client.listAll('list-servers', { query: { status: 'online', limit: 2 } });
    expect(labd.asked.map(({ path }) => path)).toEqual([
      '/api/servers?limit=2&status=online',
      '/api/servers?limit=2&status=online&cursor=n',
    ]);
  });

  test('a cursor that stands still is an error, not an endless loop', async () => {
    using client = open(() => ({ json: { items: [replica('a')], nextCursor: 'same' } }));
    expect((await refusal(client.listAll('list-replicas'))).message).toContain('gives the same page again');
  });
});
