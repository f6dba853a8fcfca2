/** Nodes over the real labd, as an operator and a labman see them (network plane N1–N5, H1–H6, H15; tunnel A13). */
import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pinnedRoots } from '@labmesh/pki/pin';
import { callLabd, fetchPinnedBundle } from '@labmesh/link/calls/labd-calls';
import type { CreatedNodeToken, FleetNode } from '@labmesh/wire/fleet/resources/nodes';
import { nodeRegisterAnswerSchema } from '@labmesh/wire/node';
import { heartbeatOf, newRosenpassKey, newWireguardKey, registration } from './harness/fleet/join-node.ts';
import { waitFor } from './harness/fleet/look.ts';
import { doorOf, HttpsLine } from './harness/raw-https.ts';
import { type RunningLabd, startLabd } from './harness/start-labd.ts';

let labd: RunningLabd;
beforeAll(async () => void (labd = await startLabd()));
afterAll(() => labd[Symbol.asyncDispose]());

type Onboarding = { url: string; token: string; ca_sha256: string };
const secrets: string[] = [];

/** What `labctl node token create` prints, and what is in it. */
async function newToken(...flags: string[]): Promise<CreatedNodeToken & { pins: Onboarding }> {
  const made = await labd.labctl('node', 'token', 'create', '--local', '--json', ...flags);
  if (made.exitCode !== 0) throw new Error(made.stderr);
  const created = JSON.parse(made.stdout) as CreatedNodeToken;
  const [, payload = ''] = created.onboarding.split(/^labmesh-node:1:/);
  const pins = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Onboarding;
  secrets.push(created.token, payload);
  return { ...created, pins };
}

/** As curl would, once the pin has been checked. */
async function post(pins: Onboarding, path: string, body: unknown, headers: Record<string, string> = {}) {
  const bundle = await fetch(`${pins.url}/ca/bundle`, { tls: { rejectUnauthorized: false } });
  const ca = pinnedRoots(await bundle.text(), pins.ca_sha256);
  if (ca === undefined) throw new Error('the pin does not match');
  return fetch(`${pins.url}${path}`, {
    method: 'POST',
    tls: { ca },
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const getNodes = async () =>
  JSON.parse((await labd.labctl('get', 'nodes', '--local', '--json')).stdout).items as FleetNode[];
const codeOf = async (answer: Response) =>
  `${answer.status} ${((await answer.json()) as { error?: { code: string } }).error?.code}`;

test('a token, a registration, a node that is seen, a heartbeat, the end of the token: 401', async () => {
  const { token, prefix, pins } = await newToken('--name', 'site-a', '--region', 'eu');
  expect(pins.url).toBe(labd.nodes);
  expect(pins.token).toBe(token);
  const request = registration(token, { rosenpass_public_key: newRosenpassKey(1).toString('base64') });
  const joined = await post(pins, '/api/v1/nodes/register', request);
  expect(joined.status).toBe(200);
  const answer = nodeRegisterAnswerSchema.parse(await joined.json());
  expect(answer).toMatchObject({ success: true, wireguard_address: null, heartbeat_s: 10 });
  const id = answer.node_id ?? '';
  expect(await getNodes()).toMatchObject([
    { id, name: 'site-a', status: 'online', state: null, region: 'eu', models: 1 },
  ]);

  const beat = () => post(pins, '/api/v1/nodes/heartbeat', heartbeatOf(id, { state: 'degraded' }), bearer(token));
  expect(await (await beat()).json()).toMatchObject({ success: true });
  const shown = await labd.labctl('describe', 'node/site-a', '--local');
  expect(shown.stdout).toContain('State        degraded');
  expect(shown.stdout).toContain('llama3.2:3b');

  const key = newRosenpassKey(1);
  const path = join(labd.folder, 'data/keys', `${createHash('sha256').update(key).digest('hex')}.pk`);
  expect(readFileSync(path).equals(key)).toBe(true);

  expect((await labd.labctl('node', 'token', 'revoke', prefix, '--local', '--yes')).exitCode).toBe(0);
  expect(await codeOf(await beat())).toBe('401 TOKEN_INVALID');
  expect(await codeOf(await post(pins, '/api/v1/nodes/register', request))).toBe('401 TOKEN_INVALID');
  const listed = await labd.labctl('node', 'token', 'list', '--local');
  expect(listed.stdout).toMatch(new RegExp(`${prefix} +revoked +site-a`));
});

test('as labman calls: the pin first, then the token, by names and kind and not by host', async () => {
  const { token, pins } = await newToken();
  expect(await thrower(fetchPinnedBundle(pins.url, `sha256:${'0'.repeat(64)}`))).toThrow('does not have the pin');
  const bundlePem = await fetchPinnedBundle(pins.url, pins.ca_sha256);
  const call = { path: '/api/v1/nodes/register', body: registration(token), output: nodeRegisterAnswerSchema };
  const answer = await callLabd({ url: pins.url, bundlePem }, call);
  expect(answer.success).toBe(true);
  // The first answer was lost: the same again.
  expect(await callLabd({ url: pins.url, bundlePem }, call)).toEqual(answer);
});

describe('REGISTER_BODY on the wire (K3)', () => {
  test('1 MiB passes, one byte more does not, and neither does a chunked one', async () => {
    const { token, pins } = await newToken();
    const sized = (bytes: number) => `{"token":"${token}","x":"${'a'.repeat(bytes - token.length - 19)}"}`;
    const send = async (bytes: number) => codeOf(await post(pins, '/api/v1/nodes/register', sized(bytes)));
    expect(await send(1_048_576)).toBe('400 VALIDATION_FAILED');
    expect(await send(1_048_577)).toBe('413 PAYLOAD_TOO_LARGE');
    using line = new HttpsLine(doorOf(labd.nodes));
    const head =
      'POST /api/v1/nodes/register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
    const chunk = `${(1_048_577).toString(16)}\r\n${'x'.repeat(1_048_577)}\r\n0\r\n\r\n`;
    expect((await line.send(head, chunk, 'POST')).status).toBe(413);
    const beat = await post(pins, '/api/v1/nodes/heartbeat', sized(65_537), bearer(token));
    expect(await codeOf(beat)).toBe('413 PAYLOAD_TOO_LARGE');
  });

  test('a real key by its digest: asked for, then known', async () => {
    const { token, pins } = await newToken();
    const key = newRosenpassKey(2);
    const wireguard = { wireguard_public_key: newWireguardKey() };
    const digest = { rosenpass_public_key_sha256: `sha256:${createHash('sha256').update(key).digest('hex')}` };
    const ask = async (more: object) =>
      (await post(pins, '/api/v1/nodes/register', registration(token, { ...wireguard, ...more }))).json();
    expect(await ask(digest)).toMatchObject({ need_rosenpass_key: true });
    const whole = await ask({ ...digest, rosenpass_public_key: key.toString('base64') });
    expect(await ask(digest)).toEqual(whole);
    const short = await post(pins, '/api/v1/nodes/register', registration(token, { rosenpass_public_key: 'AAAA' }));
    expect(await codeOf(short)).toBe('400 ROSENPASS_KEY_INVALID');
  });
});

test('a second node with the same key is a conflict; a changed key is not let in', async () => {
  const [first, second] = [await newToken(), await newToken()];
  const keys = { wireguard_public_key: newWireguardKey() };
  const join = (made: typeof first, more: object) =>
    post(made.pins, '/api/v1/nodes/register', registration(made.token, { ...more }));
  expect((await join(first, keys)).status).toBe(200);
  expect(await codeOf(await join(second, keys))).toBe('409 CONFLICT');
  expect(await codeOf(await join(first, {}))).toBe('409 PIN_MISMATCH');
});

test('50 nodes join at once, each once', async () => {
  const tokens: { token: string }[] = [];
  for (let n = 0; n < 50; n++)
    tokens.push(await labd.call<{ token: string }>('POST', '/api/node-tokens', { name: `rack-${n}` }));
  const answers = await Promise.all(
    tokens.map(async ({ token }, n) => {
      using line = new HttpsLine(doorOf(labd.nodes));
      const rosenpass_public_key = newRosenpassKey(100 + n);
      const body = registration(token, { rosenpass_public_key: rosenpass_public_key.toString('base64') });
      return (await line.call('POST', '/api/v1/nodes/register', { json: body })).json<{ node_id: string }>().node_id;
    }),
  );
  expect(new Set(answers).size).toBe(50);
  expect((await getNodes()).filter(({ name }) => name.startsWith('rack-'))).toHaveLength(50);
});

test('removed, a node comes back by its token; banned, it does not until unban', async () => {
  const { token, pins } = await newToken('--name', 'site-b');
  const request = registration(token);
  const register = () => post(pins, '/api/v1/nodes/register', request);
  const { node_id: id } = (await (await register()).json()) as { node_id: string };
  const beat = () => post(pins, '/api/v1/nodes/heartbeat', heartbeatOf(id), bearer(token));
  expect((await labd.labctl('delete', 'node/site-b', '--local', '--yes')).exitCode).toBe(0);
  expect(await codeOf(await beat())).toBe('404 NOT_FOUND');
  expect(((await (await register()).json()) as { node_id: string }).node_id).toBe(id);
  expect((await labd.labctl('ban', 'node/site-b', '--local', '--yes')).stdout).toMatch(/site-b +banned/);
  expect([await codeOf(await register()), await codeOf(await beat())]).toEqual(['403 BANNED', '403 BANNED']);
  expect((await labd.labctl('unban', 'node/site-b', '--local')).exitCode).toBe(0);
  expect((await register()).status).toBe(200);
  const { items } = await labd.call<{ items: { action: string; principal: { kind: string } }[] }>(
    'GET',
    '/api/audit?limit=500',
  );
  const actions = items.map(({ action, principal }) => `${principal.kind} ${action}`);
  for (const wanted of ['node register-node', 'local delete-node', 'local ban-node', 'local unban-node'])
    expect(actions).toContain(wanted);
});

test('H15: a node that calls itself by control characters moves no cursor', async () => {
  const { token, pins } = await newToken('--name', 'hostile');
  const request = registration(token);
  const node_info = { ...request.node_info, description: '\u001b[2J\u202eevil\u0007', version: '1\n2' };
  expect((await post(pins, '/api/v1/nodes/register', { ...request, node_info })).status).toBe(200);
  const { stdout } = await labd.labctl('describe', 'node/hostile', '--local');
  expect(stdout).toContain('evil');
  // eslint-disable-next-line no-control-regex
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
});

test('a silent node is stale, then offline; a heartbeat brings it back', async () => {
  const toml = '[conplane]\nlisten = "127.0.0.1:0"\nstale_s = 1\nheartbeat_s = 1';
  await using quick = await startLabd({ toml });
  const { token } = await quick.call<{ token: string }>('POST', '/api/node-tokens', { name: 'site-a' });
  using line = new HttpsLine(doorOf(quick.nodes));
  const joined = await line.call('POST', '/api/v1/nodes/register', { json: registration(token) });
  const { node_id: id, heartbeat_s } = joined.json<{ node_id: string; heartbeat_s: number }>();
  expect(heartbeat_s).toBe(1);
  const status = async () => (await quick.call<FleetNode>('GET', `/api/nodes/${id}`)).status;
  const seen: string[] = [await status()];
  await waitFor(async () => {
    const now = await status();
    if (seen.at(-1) !== now) seen.push(now);
    return now === 'offline';
  });
  expect(seen).toEqual(['online', 'stale', 'offline']);
  const { items } = await quick.call<{ items: FleetNode[] }>('GET', '/api/nodes?status=offline');
  expect(items).toHaveLength(1);
  await line.call('POST', '/api/v1/nodes/heartbeat', { json: heartbeatOf(id), headers: bearer(token) });
  expect(await status()).toBe('online');
});

test('without a listener there are no tokens', async () => {
  await using without = await startLabd({ toml: '[conplane]\nlisten = ""' });
  expect(without.nodes).toBe('');
  expect(await thrower(without.call('POST', '/api/node-tokens', {}))).toThrow('NOT_AVAILABLE');
});

test('no token stands in a log line, in the store or in a key file’s name', () => {
  expect(secrets.length).toBeGreaterThan(8);
  const data = join(labd.folder, 'data');
  const stored = readdirSync(data).filter((name) => /^labd\.db(-wal)?$/.test(name));
  const texts = [labd.daemon.said, ...stored.map((name) => readFileSync(join(data, name), 'latin1'))];
  expect(stored.length).toBeGreaterThan(0);
  expect(existsSync(join(data, 'keys'))).toBe(true);
  for (const secret of secrets) {
    // Of a token its secret half.
    const part = secret.startsWith('lmn_') ? secret.slice(15) : secret;
    for (const text of texts) expect(text.includes(part)).toBe(false);
  }
});
