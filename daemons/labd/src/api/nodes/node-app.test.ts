import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Ask, type Asked, type LabdApp, openLabdApp } from '../../../../../tests/harness/labd-app.ts';
import { heartbeatOf, newRosenpassKey, registration } from '../../../../../tests/harness/fleet/join-node.ts';

let app: LabdApp;
beforeAll(async () => void (app = await openLabdApp()));
afterAll(() => app[Symbol.asyncDispose]());

const registerPath = '/api/v1/nodes/register';
const beatPath = '/api/v1/nodes/heartbeat';

let addresses = 0;
/** A call on the listener for nodes, each from an address of its own unless one is given. */
const ask = (path: string, more: Ask = {}, address = `192.0.2.${++addresses}`, method = 'POST') =>
  app.call(method, path, more, { door: 'node', address, peer: { state: 'none' } });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

type Made = { token: string; prefix: string; id: string };
const newToken = async (body: Record<string, unknown> = {}): Promise<Made> =>
  (await app.call('POST', '/api/node-tokens', { json: body })).body as Made;
const join = async (token: string, more: Record<string, unknown> = {}): Promise<Asked> =>
  ask(registerPath, { json: registration(token, more) });

async function auditOf(action: string): Promise<{ result: string; code?: string; principal: { kind: string } }[]> {
  const { body } = await app.call('GET', `/api/audit?action=${action}&limit=500`);
  return (body as { items: { result: string; code?: string; principal: { kind: string } }[] }).items;
}

describe('the listener for nodes (H1)', () => {
  test('register, heartbeat, and the classic paths of both; nothing else', async () => {
    const { token } = await newToken();
    const { status, body } = await join(token);
    expect([status, body.success, body.wireguard_address, body.heartbeat_s]).toEqual([200, true, null, 10]);
    const beat = { json: heartbeatOf(body.node_id), headers: bearer(token) };
    expect((await ask(beatPath, beat)).body).toEqual({ success: true, message: null, requested_state: null });
    expect((await ask('/api/nodes/heartbeat', beat)).status).toBe(200);
    expect((await ask('/api/nodes/register', { json: registration(token) })).status).toBe(409);
    for (const path of ['/', '/healthz', '/api/nodes', '/api/servers', '/api/v1/nodes', '/api/v1/nodes/link'])
      expect((await ask(path, {}, undefined, 'GET')).status).toBe(404);
    expect((await ask(registerPath, {}, undefined, 'GET')).status).toBe(405);
    expect((await ask('/ca/bundle', {}, undefined, 'GET')).text).toContain('BEGIN CERTIFICATE');
  });

  test('its routes are not on the fleet’s doors', async () => {
    const { token } = await newToken();
    for (const door of ['api', 'agent', 'socket'] as const) {
      const answer = await app.call('POST', registerPath, { json: registration(token) }, { door });
      expect([door, answer.status]).toEqual([door, 404]);
    }
  });

  test('a node token opens no operator route', async () => {
    const { token } = await newToken();
    const answer = await app.call('GET', '/api/nodes', { headers: bearer(token) }, { door: 'api' });
    expect([answer.status, answer.body.error.code]).toEqual([403, 'PERMISSION_DENIED']);
  });

  test('errors have the fleet’s form and the classic one, and no secret', async () => {
    const { token } = await newToken();
    const wrong = `${token.slice(0, -4)}AAAA`;
    const { status, body, text } = await join(wrong);
    expect([status, body.success, body.error.code]).toEqual([401, false, 'TOKEN_INVALID']);
    expect(body.message).toBe(body.error.message);
    expect(text).not.toContain(wrong);
    const missing = await ask(beatPath, { json: heartbeatOf('n') });
    expect([missing.status, missing.body.error.code]).toEqual([401, 'UNAUTHENTICATED']);
    const bad = await ask(registerPath, { json: { token } });
    expect([bad.status, bad.body.error.field]).toEqual([400, 'node_info']);
  });

  test('REGISTER_BODY: 1 MiB passes, one byte more does not; a heartbeat takes 64 KiB', async () => {
    const { token } = await newToken();
    const sized = (bytes: number) => `{"token":"${token}","x":"${'a'.repeat(bytes - token.length - 19)}"}`;
    const json = { 'content-type': 'application/json' };
    const code = async (path: string, bytes: number, headers: Record<string, string> = {}) =>
      (await ask(path, { body: sized(bytes), headers: { ...json, ...headers } })).body.error.code;
    expect(Buffer.byteLength(sized(1_048_576))).toBe(1_048_576);
    expect(await code(registerPath, 1_048_576)).toBe('VALIDATION_FAILED');
    expect(await code(registerPath, 1_048_577)).toBe('PAYLOAD_TOO_LARGE');
    expect(await code(beatPath, 65_536, bearer(token))).toBe('VALIDATION_FAILED');
    expect(await code(beatPath, 65_537, bearer(token))).toBe('PAYLOAD_TOO_LARGE');
    const { body } = await join(token, { rosenpass_public_key: newRosenpassKey(1).toString('base64') });
    expect(body.success).toBe(true);
  });

  test('a page of any origin is refused', async () => {
    const { token } = await newToken();
    const answer = await ask(registerPath, { json: registration(token), headers: { origin: 'https://a.test' } });
    expect(answer.body.error.code).toBe('ORIGIN_REFUSED');
  });
});

describe('limits (H1)', () => {
  test('by token: 10 registrations and 60 heartbeats a minute, from wherever', async () => {
    const { token } = await newToken();
    const request = { json: registration(token) };
    const codes: number[] = [];
    let id = '';
    for (let n = 0; n < 11; n++) {
      const answer = await ask(registerPath, request);
      codes.push(answer.status);
      id = answer.body.node_id ?? id;
    }
    expect(codes).toEqual([...Array<number>(10).fill(200), 429]);
    const beats: Asked[] = [];
    for (let n = 0; n < 61; n++) beats.push(await ask(beatPath, { json: heartbeatOf(id), headers: bearer(token) }));
    expect(beats.map(({ status }) => status)).toEqual([...Array<number>(60).fill(200), 429]);
    expect(Number(beats.at(-1)?.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  test('by address: what is refused counts, what is good does not', async () => {
    const { token } = await newToken();
    const first = await ask(registerPath, { json: registration(token) }, '198.51.100.1');
    const beat = () => ask(beatPath, { json: heartbeatOf(first.body.node_id), headers: bearer(token) }, '198.51.100.1');
    for (let n = 0; n < 20; n++) expect((await beat()).status).toBe(200);
    const strange = () => ask(beatPath, { json: {}, headers: bearer('lmn_x') }, '198.51.100.1');
    for (let n = 0; n < 100; n++) expect((await strange()).status).toBe(401);
    expect((await strange()).status).toBe(429);
    expect((await beat()).status).toBe(429);
    expect((await ask(beatPath, { json: heartbeatOf(first.body.node_id), headers: bearer(token) })).status).toBe(200);
  });
});

describe('audit (V9)', () => {
  test('a registration is a row of its node; so is a changed key that was refused, with both keys', async () => {
    const { token } = await newToken({ name: 'audited' });
    const { body } = await join(token);
    const refused = await join(token);
    expect(refused.body.error.code).toBe('PIN_MISMATCH');
    const rows = await auditOf('register-node');
    const own = rows.filter((row) => JSON.stringify(row).includes(body.node_id));
    expect(own.map(({ result, code, principal }) => [result, code ?? '', principal.kind])).toEqual([
      ['error', 'PIN_MISMATCH', 'node'],
      ['ok', '', 'node'],
    ]);
    expect(own[0]).toMatchObject({
      resource: 'node/audited',
      details: { was: { rosenpass: null }, found: { rosenpass: null } },
    });
    expect(JSON.stringify(own[0])).not.toContain('[secret]');
  });

  test('what strangers try is written, their secrets are not; heartbeats leave no rows', async () => {
    const { token } = await newToken();
    const strange = `lmn_0123456789_${'s'.repeat(43)}`;
    await join(strange);
    const { body } = await join(token);
    await ask(beatPath, { json: heartbeatOf(body.node_id), headers: bearer(token) });
    await ask(beatPath, { json: heartbeatOf('another'), headers: bearer(token) });
    await app.core.audit.flush();
    const rows = JSON.stringify([await auditOf('register-node'), await auditOf('beat-node')]);
    expect(rows).toContain('TOKEN_INVALID');
    expect(rows).not.toContain(strange);
    for (const line of [...app.log, rows]) expect(line).not.toContain(token.slice(15));
  });
});

test('while labd stops, nodes are told to come again', async () => {
  await using other = await openLabdApp();
  other.stop();
  const answer = await other.call('POST', registerPath, { json: {} }, { door: 'node', address: '192.0.2.250' });
  expect([answer.status, answer.body.error.code]).toEqual([503, 'SHUTTING_DOWN']);
});
