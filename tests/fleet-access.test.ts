/**
 * Who may do what, against a real labd (RB-10, AP-1): every operation and alias, every WebSocket and every OPEN kind ×
 * every kind of identity, on every door. The outcomes stand in access-matrix.txt; any difference fails, and so does an
 * operation without a row. `UPDATE_GOLDEN=1 bun test tests/fleet-access.test.ts` writes it anew.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import { fleetOperations, type OperationName } from '@labmesh/wire/fleet/operations';
import type { OpenKind } from '@labmesh/wire/frame/open';
import { type Ground, layAccessGround, openSamples, samples } from './harness/access-samples.ts';
import { enrolMachine, enrolUser, labdIdentity, networkIdentity, nodeToken } from './harness/fleet-identities.ts';
import { clientLink, openOutcome, upgradeStatus } from './harness/fleet-sockets.ts';
import { type Answer, type ClientIdentity, doorOf, HttpsLine } from './harness/raw-https.ts';
import { type RunningLabd, startLabd } from './harness/start-labd.ts';

type DoorName = 'api' | 'agents' | 'socket';
type Caller = { name: string; identity?: ClientIdentity; bearer?: string };
const headersOf = ({ bearer }: Caller): Record<string, string> =>
  bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
const golden = join(import.meta.dir, 'access-matrix.txt');
const operations: readonly FleetOperation[] = fleetOperations;
const socketPaths = ['/ws/client', '/ws/exec', '/ws/logs', '/ws/agent', '/ws/peer'];

let labd: RunningLabd;
let ground: Ground;
let callers: Caller[];
const lines = new Map<string, HttpsLine>();
/** Request ids of calls that were refused: each must be in the audit log. */
const denied = new Map<string, string>();
let calls = 0;

beforeAll(async () => {
  labd = await startLabd({ labd: 'trusted_proxies = ["127.0.0.1"]', toml: '[hub]\naccepts_per_s = 5000' });
  ground = await layAccessGround(labd);
  callers = [
    { name: 'anonymous' },
    { name: 'viewer', identity: await enrolUser(labd, 'vera', ['viewer']) },
    { name: 'operator', identity: await enrolUser(labd, 'otto', ['operator']) },
    { name: 'admin', identity: await enrolUser(labd, 'ada', ['admin']) },
    { name: 'agent', identity: ground.server },
    { name: 'bastion', identity: await enrolMachine(labd, 'bastion', 'b1') },
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
  'x-forwarded-for': `10.${(++calls >> 16) & 255}.${(calls >> 8) & 255}.${calls & 255}`,
  'x-request-id': id,
});

function outcomeOf({ status, body }: Pick<Answer, 'status' | 'body'>): string {
  if ([401, 403, 404, 421].includes(status)) return String(status);
  const isGranted = status < 300 || status === 400 || status === 409 || status === 501;
  return isGranted ? 'ok' : `${status} ${body.slice(0, 80)}`;
}

async function callOnce(door: DoorName, caller: Caller, operation: FleetOperation, path: string): Promise<string> {
  const name = operation.name as OperationName;
  const { params = {}, query = '', body } = await samples[name](ground);
  const url = path.replace(/:(\w+)/g, (_whole, key: string) => params[key] ?? `no-${key}`) + query;
  const id = `m-${calls + 1}`;
  const ask = { headers: from(id), ...(body !== undefined && { json: body }) };
  const answer = await lineOf(door, caller).call(operation.method, url, ask);
  expect(answer.headers.get('x-request-id')).toBe(id);
  const outcome = outcomeOf(answer);
  if (outcome !== 'ok' && outcome !== '404') denied.set(id, `${door} ${operation.method} ${path} ${caller.name}`);
  if (answer.status < 300) for (const stock of Object.values(ground.stock)) stock.used();
  return outcome;
}

async function operationRows(door: DoorName): Promise<string[]> {
  const rows: string[] = [];
  for (const operation of operations)
    for (const path of [operation.path, ...(operation.aliases ?? [])]) {
      const outcomes: string[] = [];
      for (const caller of callersAt(door)) outcomes.push(await callOnce(door, caller, operation, path));
      rows.push(rowText(door, `${operation.method} ${path}`, outcomes));
    }
  return rows;
}

async function socketRows(door: DoorName): Promise<string[]> {
  const rows: string[] = [];
  for (const path of socketPaths) {
    const outcomes: string[] = [];
    for (const caller of callersAt(door)) {
      const proof = { identity: caller.identity, headers: headersOf(caller) };
      const status = await upgradeStatus(doorFor(door), path, proof);
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
  for (const kind of Object.keys(openSamples) as OpenKind[]) {
    const outcomes: string[] = [];
    for (const link of links) {
      const outcome = typeof link === 'number' ? String(link) : await openOutcome(link, openSamples[kind](ground));
      outcomes.push(outcome === 'agent-offline' ? 'ok' : outcome);
    }
    rows.push(rowText(door, `OPEN ${kind}`, outcomes));
  }
  for (const link of links) if (typeof link !== 'number') link.close('goingAway');
  return rows;
}

const rowText = (door: string, what: string, outcomes: readonly string[]) =>
  `${door.padEnd(7)}${what.padEnd(40)}${outcomes.map((one) => one.padEnd(10)).join('')}`.trimEnd();
const headText = (door: DoorName) =>
  rowText('# door', 'operation', callersAt(door).map(({ name }) => name));

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
