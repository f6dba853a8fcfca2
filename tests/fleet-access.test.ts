/**
 * Who may do what, against a real labd (RB-10, AP-1): every operation and alias, every WebSocket and every OPEN kind ×
 * every kind of identity, on every door. The outcomes stand in access-matrix.txt; any difference fails, and so does an
 * operation without a row. `UPDATE_GOLDEN=1 bun test tests/fleet-access.test.ts` writes it anew.
 */
import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Link } from '@labmesh/link/link';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import { fleetOperations, type OperationName } from '@labmesh/wire/fleet/operations';
import { type Ground, layAccessGround, openSamples, samples } from './harness/fleet/access-samples.ts';
import { enrolMachine, enrolUser, labdIdentity, networkIdentity, nodeToken } from './harness/fleet/fleet-identities.ts';
import { clientLink, dialSocket, helloOf, openOutcome, upgradeStatus } from './harness/fleet/fleet-sockets.ts';
import { type Answer, type ClientIdentity, doorOf, HttpsLine } from './harness/raw-https.ts';
import { type RunningLabd, startLabd } from './harness/start-labd.ts';

type DoorName = 'api' | 'agents' | 'socket';
type Caller = { name: string; identity?: ClientIdentity; bearer?: string };
const headersOf = ({ bearer }: Caller): Record<string, string> =>
  bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
const golden = join(import.meta.dir, 'access-matrix.txt');
const operations: readonly FleetOperation[] = fleetOperations;
const socketPaths = ['/ws/client', '/ws/exec', '/ws/logs', '/ws/agent', '/ws/peer'];

const trusting = 'trusted_proxies = ["127.0.0.1"]';
let labd: RunningLabd;
let ground: Ground;
let callers: Caller[];
const lines = new Map<string, HttpsLine>();
/** Request ids of calls that were refused, and what they were: each must be in the audit log. */
const denied = new Map<string, string>();
let openDenials = 0;
let calls = 0;

beforeAll(async () => {
  // On the socket all calls are of one address: there are more operations than a stranger has calls in a minute.
  const toml = '[hub]\naccepts_per_s = 5000\n[limits]\nanonymous_per_min = 5000';
  labd = await startLabd({ labd: trusting, toml });
  ground = await layAccessGround(labd);
  callers = [
    { name: 'anonymous' },
    { name: 'viewer', identity: await enrolUser(labd, 'vera', ['viewer']) },
    { name: 'operator', identity: await enrolUser(labd, 'otto', ['operator']) },
    { name: 'admin', identity: await enrolUser(labd, 'ada', ['admin']) },
    { name: 'agent', identity: ground.server },
    { name: 'bastion', identity: ground.bastion },
    { name: 'service', identity: await enrolMachine(labd, 'service', 'gateway') },
    { name: 'labd', identity: await labdIdentity(labd) },
    { name: 'node', bearer: nodeToken() },
    { name: 'network', identity: await networkIdentity() },
  ];
}, 60_000);

afterAll(async () => {
  for (const line of lines.values()) line[Symbol.dispose]();
  await labd[Symbol.asyncDispose]();
});

const doorFor = (name: DoorName) => (name === 'socket' ? { socket: labd.socket } : doorOf(labd[name]));

/** On the socket there is one caller, who may also show a node's token. */
const callersAt = (door: DoorName): Caller[] =>
  door === 'socket' ? [{ name: 'local' }, { ...callers.find(({ name }) => name === 'node')!, name: 'node' }] : callers;

function lineOf(door: DoorName, caller: Caller): HttpsLine {
  const key = `${door} ${caller.name}`;
  const line = lines.get(key) ?? new HttpsLine(doorFor(door), caller.identity, headersOf(caller));
  lines.set(key, line);
  return line;
}

/** Each call from another address, so that limits stay out of it. */
const from = (id: string) => ({
  'x-forwarded-for': `10.0.${(calls >> 8) & 255}.${calls & 255}`,
  'x-request-id': id,
});
/** What is open to all leaves no row when it is only not there. */
const isOpen = ({ audit, access }: FleetOperation) => audit === '-' && access.rule === 'public';

function outcomeOf({ status, body }: Pick<Answer, 'status' | 'body'>): string {
  if ([401, 403, 404, 421].includes(status)) return String(status);
  const isGranted = status < 300 || status === 400 || status === 409 || status === 501;
  return isGranted ? 'ok' : `${status} ${body.slice(0, 80)}`;
}

async function callOnce(door: DoorName, caller: Caller, operation: FleetOperation, path: string): Promise<string> {
  const name = operation.name as OperationName;
  const { params = {}, query = '', body } = await samples[name](ground);
  const url = path.replace(/:(\w+)/g, (_whole, key: string) => params[key] ?? `no-${key}`) + query;
  const id = `m-${++calls}`;
  const ask = { headers: from(id), ...(body !== undefined && { json: body }) };
  const answer = await lineOf(door, caller).call(operation.method, url, ask);
  expect(answer.headers.get('x-request-id')).toBe(id);
  const outcome = outcomeOf(answer);
  const leavesRow = outcome !== 'ok' && !(outcome === '404' && isOpen(operation));
  if (leavesRow) denied.set(id, `${door} ${operation.method} ${path} ${caller.name}`);
  if (answer.status < 300) for (const stock of Object.values(ground.stock)) stock.used();
  return outcome;
}

async function operationRows(door: DoorName): Promise<string[]> {
  const rows: string[] = [];
  for (const operation of operations)
    for (const path of [operation.path, ...(operation.aliases ?? [])]) {
      const outcomes = callersAt(door).map((caller) => callOnce(door, caller, operation, path));
      rows.push(rowText(door, `${operation.method} ${path}`, await Promise.all(outcomes)));
    }
  return rows;
}

async function socketRows(door: DoorName): Promise<string[]> {
  const rows: string[] = [];
  for (const path of socketPaths) {
    const outcomes: string[] = [];
    for (const caller of callersAt(door)) {
      const id = `m-${++calls}`;
      const proof = { identity: caller.identity, headers: { ...headersOf(caller), ...from(id) } };
      const status = await upgradeStatus(doorFor(door), path, proof);
      if (status !== 101) denied.set(id, `${door} WS ${path} ${caller.name}`);
      outcomes.push(status === 101 ? 'ok' : String(status));
    }
    rows.push(rowText(door, `WS ${path}`, outcomes));
  }
  return rows;
}

/** `ok` is a grant: the machine has no agent, which is what is said to who may. */
async function openRows(door: 'api' | 'socket'): Promise<string[]> {
  const rows: string[] = [];
  const links = await Promise.all(
    callersAt(door).map((caller) =>
      clientLink(doorFor(door), { identity: caller.identity, headers: headersOf(caller) }),
    ),
  );
  for (const kind of Object.keys(openSamples) as (keyof typeof openSamples)[]) {
    const outcomes: string[] = [];
    for (const link of links) {
      const outcome = typeof link === 'number' ? String(link) : await openOutcome(link, openSamples[kind](ground));
      if (outcome === 'denied' || outcome === 'not-found') openDenials++;
      outcomes.push(outcome === 'agent-offline' ? 'ok' : outcome);
    }
    rows.push(rowText(door, `OPEN ${kind}`, outcomes));
  }
  for (const link of links) if (typeof link !== 'number') link.close('goingAway');
  return rows;
}

const rowText = (door: string, what: string, outcomes: readonly string[]) =>
  `${door.padEnd(7)}${what.padEnd(40)}${outcomes.map((one) => one.padEnd(10)).join('')}`.trimEnd();
const headText = (door: DoorName) => {
  const names = callersAt(door).map(({ name }) => name);
  return rowText('# door', 'operation', names);
};

type Row = { requestId?: string; action: string; principal: { kind: string; name: string }; code?: string };

async function deniedRows(): Promise<Row[]> {
  const rows: Row[] = [];
  for (let cursor = ''; ;) {
    const path = `/api/audit?result=denied&limit=500${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
    const page = await labd.call<{ items: Row[]; nextCursor: string | null }>('GET', path);
    rows.push(...page.items);
    if (page.nextCursor === null) return rows;
    cursor = page.nextCursor;
  }
}

test('RB-10 every operation, socket and OPEN kind answers by its golden row', async () => {
  const rows = [
    headText('api'),
    ...(await operationRows('api')),
    ...(await socketRows('api')),
    ...(await openRows('api')),
    headText('agents'),
    ...(await operationRows('agents')),
    ...(await socketRows('agents')),
    headText('socket'),
    ...(await operationRows('socket')),
    ...(await socketRows('socket')),
    ...(await openRows('socket')),
  ];
  const text = `${rows.join('\n')}\n`;
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(golden, text);
  expect(text.split('\n')).toEqual(readFileSync(golden, 'utf8').split('\n'));
}, 60_000);

test('AU-4 every refusal of the matrix is an audit row that says whose it was', async () => {
  let rows = await deniedRows();
  const missing = () => {
    const known = new Set(rows.map(({ requestId }) => requestId));
    return [...denied].filter(([id]) => !known.has(id)).map(([, what]) => what);
  };
  // Rows of reads and sockets are written a moment later.
  for (let n = 0; n < 50 && missing().length > 0; n++) {
    await Bun.sleep(100);
    rows = await deniedRows();
  }
  expect(missing()).toEqual([]);
  expect(rows.filter(({ action }) => action.endsWith('.open')).length).toBe(openDenials);
  const byId = new Map(rows.map((row) => [row.requestId, row]));
  for (const [id, what] of denied) {
    const { kind } = byId.get(id)!.principal;
    const name = what.split(' ').at(-1)!;
    const wanted = { viewer: 'user', operator: 'user', admin: 'user', network: 'anonymous' }[name] ?? name;
    const shown = name === 'node' ? (what.startsWith('socket') ? 'local' : 'anonymous') : wanted;
    expect(`${what}: ${kind}`).toBe(`${what}: ${shown}`);
  }
  const verified = await labd.call<{ ok: boolean }>('POST', '/api/audit/verify', {});
  expect(verified.ok).toBe(true);
}, 90_000);

test('AP-1 a sample, a route and a golden row for each operation', () => {
  const rows = readFileSync(golden, 'utf8').split('\n');
  const routes = operations.flatMap(({ method, path, aliases = [] }) =>
    [path, ...aliases].map((one) => `${method} ${one}`),
  );
  const whats = [...routes, ...Object.keys(openSamples).map((kind) => `OPEN ${kind}`)];
  const doors = (what: string) => (what.startsWith('OPEN') ? ['api', 'socket'] : ['api', 'agents', 'socket']);
  const wanted = whats.flatMap((what) => doors(what).map((door) => `${door.padEnd(7)}${what} `));
  expect(wanted.filter((start) => !rows.some((row) => row.startsWith(start)))).toEqual([]);
});

test('each kind of socket opens its own kinds', async () => {
  const admin = callers.find(({ name }) => name === 'admin')!;
  const outcomes: Record<string, string[]> = {};
  for (const path of ['/ws/exec', '/ws/logs']) {
    const socket = await dialSocket(doorOf(labd.api), path, { identity: admin.identity });
    if (typeof socket === 'number') throw new Error(`${path} answered ${socket}`);
    const link = new Link(socket, {}, { side: 'odd' });
    await link.hello(helloOf('client'));
    const kinds = Object.keys(openSamples) as (keyof typeof openSamples)[];
    outcomes[path] = [];
    for (const kind of kinds) {
      if ((await openOutcome(link, openSamples[kind](ground))) !== 'denied') outcomes[path].push(kind);
    }
    link.close('goingAway');
  }
  expect(outcomes).toEqual({ '/ws/exec': ['exec', 'exec-unrecorded', 'attach'], '/ws/logs': ['logs'] });
});

describe('AP-4 on the wire', () => {
  const line = () => new HttpsLine(doorOf(labd.api));
  const codeOf = (answer: Answer) => `${answer.status} ${answer.json().error?.code}`;

  test('a body of 1 MiB passes, one byte more does not; enrolment takes 64 KiB', async () => {
    using admin = new HttpsLine(doorOf(labd.api), callers.find(({ name }) => name === 'admin')!.identity);
    const sized = (size: number) => `{"name":"${'a'.repeat(size - 11)}"}`;
    const post = (path: string, body: string) =>
      admin.call('POST', path, { body, headers: { 'content-type': 'application/json' } });
    expect(codeOf(await post('/api/users', sized(1_048_576)))).toBe('400 VALIDATION_FAILED');
    expect(codeOf(await post('/api/users', sized(1_048_577)))).toBe('413 PAYLOAD_TOO_LARGE');
    expect(codeOf(await post('/api/auth/enroll', sized(65_536)))).toBe('400 VALIDATION_FAILED');
    expect(codeOf(await post('/api/auth/enroll', sized(65_537)))).toBe('413 PAYLOAD_TOO_LARGE');
  });

  test('a chunked body above the limit is stopped, and the connection with it or not, nothing is mixed up', async () => {
    using one = line();
    const chunk = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`;
    const head =
      'POST /api/auth/enroll HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
    const answer = await one.send(head, `${chunk}${chunk}0\r\n\r\n`, 'POST');
    expect(codeOf(answer)).toBe('413 PAYLOAD_TOO_LARGE');
    expect((await one.call('GET', '/healthz')).body).toBe('ok');
  });

  test('an address of 8 KiB passes, one byte more does not', async () => {
    using one = line();
    const path = (size: number) => `/healthz?${'x'.repeat(size - 9)}`;
    expect((await one.call('GET', path(8_192))).status).toBe(200);
    expect(codeOf(await one.call('GET', path(8_193)))).toBe('400 VALIDATION_FAILED');
  });

  test('headers of 16 KiB and more end with their code, never with an answer to the call', async () => {
    using one = line();
    expect((await one.call('GET', '/healthz', { headers: { 'x-long': 'y'.repeat(15_000) } })).status).toBe(200);
    const answer = await one.call('GET', '/healthz', { headers: { 'x-long': 'y'.repeat(20_000) } });
    expect(codeOf(answer)).toBe('413 PAYLOAD_TOO_LARGE');
    using next = line();
    expect((await next.call('GET', '/healthz')).status).toBe(200);
  });

  test('a refused call with a body leaves the connection fit for the next one', async () => {
    using one = line();
    for (let n = 0; n < 3; n++) {
      const refused = await one.call('POST', '/api/users', { json: { name: 'x'.repeat(100_000) } });
      expect(refused.status).toBe(401);
      expect((await one.call('GET', '/healthz')).body).toBe('ok');
    }
  });

  test('HEAD has the length and no body', async () => {
    using one = line();
    const head = await one.call('HEAD', '/api/version');
    expect([head.status, head.body]).toEqual([200, '']);
    expect((await one.call('GET', '/api/version')).json().version).toBeString();
  });
});

test('a service may what is bound to its name, until it is disabled', async () => {
  const identity = await enrolMachine(labd, 'service', 'dashboard');
  using line = new HttpsLine(doorOf(labd.api), identity);
  const status = async () => (await line.call('GET', '/api/servers')).status;
  expect(await status()).toBe(403);
  await labd.call('POST', '/api/bindings', { subjectKind: 'service', subject: 'dashboard', role: 'viewer' });
  expect(await status()).toBe(200);
  const unknown = labd.call('POST', '/api/bindings', { subjectKind: 'service', subject: 'nobody', role: 'viewer' });
  expect(await thrower(unknown)).toThrow('VALIDATION_FAILED');
  await labd.call('PATCH', '/api/users/dashboard', { disabled: true });
  expect(await status()).toBe(403);
  expect(await upgradeStatus(doorOf(labd.api), '/ws/client', { identity })).toBe(403);
});

test('RL-1 the 101st call of a stranger in a minute is 429, on both doors and for upgrades too', async () => {
  await using strict = await startLabd({ labd: trusting });
  using line = new HttpsLine(doorOf(strict.api));
  using agents = new HttpsLine(doorOf(strict.agents));
  const headers = { 'x-forwarded-for': '203.0.113.200' };
  const statuses: number[] = [];
  for (let n = 0; n < 102; n++) statuses.push((await line.call('GET', '/api/servers', { headers })).status);
  expect(statuses).toEqual([...Array<number>(100).fill(401), 429, 429]);
  const refused = await agents.call('POST', '/api/auth/renew', { headers, json: {} });
  expect([refused.status, refused.headers.has('retry-after')]).toEqual([429, true]);
  expect(await upgradeStatus(doorOf(strict.agents), '/ws/agent', { headers })).toBe(429);
  expect((await line.call('GET', '/healthz', { headers })).status).toBe(200);
});
