/**
 * What the access matrix asks of each operation (RB-10): an input that passes once the caller may, against things that
 * are really there, so that 404 always means "not for you". Where the decision stands before the body is read, a body
 * that nobody takes does: who may hears 400, and nothing happens.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OperationName } from '@labmesh/wire/fleet/operations';
import type { Open, OpenKind } from '@labmesh/wire/frame/open';
import { uuidv7 } from '@labmesh/wire/ids';
import { arch, ReleaseMaker } from './agent-install.ts';
import { enrolMachine, type Machine } from './fleet-identities.ts';
import { joinNode } from './join-node.ts';
import { releaseFile } from '@labmesh/wire/fleet/releases';
import { clientLink, machineLink, runSession } from './fleet-sockets.ts';
import { waitFor } from './look.ts';
import { doorOf } from '../raw-https.ts';
import { type RunningLabd, startAgent } from '../start-labd.ts';

export type Sample = { params?: Record<string, string>; query?: string; body?: unknown };
/** A thing that a call may use up, made when one is needed. */
export class Stock {
  readonly #make: () => Promise<string>;
  #name: string | undefined;
  constructor(make: () => Promise<string>) {
    this.#make = make;
  }
  async next(): Promise<string> {
    return (this.#name ??= await this.#make());
  }
  used(): void {
    this.#name = undefined;
  }
}

export type Ground = {
  /** A machine whose agent is not connected: who may open something there hears `agent-offline`. */
  server: Machine;
  /** It has told of a machine. */
  bastion: Machine;
  /** A recorded session that is over. */
  session: string;
  recording: string;
  serial: string;
  stock: Record<
    'user' | 'role' | 'binding' | 'token' | 'server' | 'agent' | 'node' | 'nodeToken' | 'usedNodeToken',
    Stock
  >;
};

const nobodyTakes = { thisFieldIsNotKnown: 1 };
let count = 0;

/** Makes the things that are asked about; one real agent for a moment, for a session with a recording. */
export async function layAccessGround(labd: RunningLabd): Promise<Ground> {
  const server = await enrolMachine(labd, 'agent', 'web-2');
  const bastion = await enrolMachine(labd, 'bastion', 'b1');
  const named = async (name: string) => (await enrolMachine(labd, 'agent', name)).name;
  await labd.call('POST', '/api/users', { name: 'spare' });
  await labd.call('POST', '/api/roles', { name: 'spare', rules: ['allow get on servers'] });
  const session = await pastSession(labd);
  // The row of its end is written after the client has the exit code.
  let recording: string | null = null;
  // The row of its end is written after the client has the exit code.
  await waitFor(async () => {
    const row = await labd.call<{ recordingId: string | null }>('GET', `/api/sessions/${session}`);
    recording = row.recordingId;
    return recording !== null;
  });
  const found = await labd.call<{ items: { serial: string }[] }>('GET', '/api/certificates?identity=web-2');
  const user = async () => {
    const name = `spare-${++count}`;
    await labd.call('POST', '/api/users', { name });
    return name;
  };
  await reportMachine(labd, bastion);
  new ReleaseMaker().publish(labd, '9.9.9', 'the file of a release');
  layRelease(labd);
  return {
    server,
    bastion,
    session,
    recording: recording ?? '',
    serial: found.items[0]!.serial,
    stock: {
      user: new Stock(user),
      role: new Stock(async () => {
        const name = `spare-${++count}`;
        await labd.call('POST', '/api/roles', { name, rules: [] });
        return name;
      }),
      binding: new Stock(async () => {
        const body = { subject: await user(), role: 'spare' };
        return (await labd.call<{ id: string }>('POST', '/api/bindings', body)).id;
      }),
      token: new Stock(async () => (await labd.call<{ prefix: string }>('POST', '/api/tokens', {})).prefix),
      server: new Stock(() => named(`gone-${++count}`)),
      agent: new Stock(() => named(`left-${++count}`)),
      node: new Stock(async () => (await joinNode(labd, { name: `site-${++count}` })).name),
      nodeToken: new Stock(async () => (await labd.call<{ prefix: string }>('POST', '/api/node-tokens', {})).prefix),
      usedNodeToken: new Stock(async () => (await joinNode(labd)).prefix),
    },
  };
}

async function pastSession(labd: RunningLabd): Promise<string> {
  await using _agent = await startAgent(labd, 'web-1');
  const link = await clientLink({ socket: labd.socket }, {});
  if (typeof link === 'number') throw new Error(`the admin socket answered ${link}`);
  const { session } = await runSession(link, exec('web-1', false));
  link.close('goingAway');
  return session;
}

const mac = '52:54:00:00:00:01';

/** A release that labd can hand out; its signature is the agent's to judge. */
function layRelease(labd: RunningLabd): void {
  const folder = join(labd.folder, 'data', 'releases', '9.9.9');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, releaseFile('x64')), 'a program');
  writeFileSync(join(folder, `${releaseFile('x64')}.sig`), 'a signature');
}

async function reportMachine(labd: RunningLabd, bastion: Machine): Promise<void> {
  const link = await machineLink(doorOf(labd.agents), 'bastion', { identity: bastion });
  if (typeof link === 'number') throw new Error(`the agents' door answered ${link}`);
  const step = { actionId: 'a1', mac, attempt: 1, stage: 'partition', status: 'ok' };
  link.sendMsg({ kind: 'bastion-progress', ...step });
  const known = async () => (await labd.call<{ items: unknown[] }>('GET', '/api/machines')).items.length > 0;
  for (let n = 0; n < 100 && !(await known()); n++) await Bun.sleep(20);
  link.close('goingAway');
}

type Samples = Record<OperationName, (ground: Ground) => Sample | Promise<Sample>>;

const none = () => ({});
const refusedBody = () => ({ body: nobodyTakes });
const id = (value: string, body?: unknown) => ({ params: { id: value }, body });
const spare = (body?: unknown) => () => id('spare', body);
const web2 = (body?: unknown) => () => id('web-2', body);
const stocked = (kind: keyof Ground['stock'], body?: unknown) => async (ground: Ground) =>
  id(await ground.stock[kind].next(), body);

/** One for each operation: tsc names the operation that has none. */
export const samples: Samples = {
  'get-healthz': none,
  'get-health': none,
  'get-live': none,
  'get-ready': none,
  'get-version': none,
  'get-openapi': none,
  'get-detailed-health': none,
  'get-system-info': none,
  'list-replicas': none,
  'stream-events': () => ({ query: '?follow=false' }),
  'list-secret-keys': none,
  'rotate-secrets': refusedBody,
  'create-backup': refusedBody,
  'list-bastions': none,
  'list-machines': none,
  'act-on-machine': () => ({ params: { mac }, body: { action: 'register' } }),
  'forget-machine': () => ({ params: { mac } }),
  'get-bundle': none,
  'get-crl': none,
  'get-pin': none,
  enroll: refusedBody,
  'user-enroll': refusedBody,
  renew: refusedBody,
  reenroll: refusedBody,
  login: refusedBody,
  logout: refusedBody,
  'create-certificate': refusedBody,
  'create-ticket': refusedBody,
  'start-oidc': refusedBody,
  'finish-oidc': none,
  'start-device': refusedBody,
  'poll-device': refusedBody,
  whoami: none,
  'list-tokens': none,
  'create-token': refusedBody,
  'get-token': stocked('token'),
  'revoke-token': stocked('token', {}),
  'can-i': () => ({ body: { verb: 'get', kind: 'servers' } }),
  'list-users': none,
  'create-user': () => ({ body: { name: `made-${++count}` } }),
  'get-user': spare(),
  'patch-user': spare({}),
  'delete-user': stocked('user'),
  'create-user-token': spare({}),
  'set-password': spare({ password: null }),
  'set-totp': spare({ enabled: false }),
  'list-roles': none,
  'create-role': () => ({ body: { name: `made-${++count}`, rules: [] } }),
  'get-role': spare(),
  'put-role': spare({ rules: ['allow get on servers'] }),
  'delete-role': stocked('role'),
  'list-permissions': none,
  'list-bindings': none,
  'create-binding': refusedBody,
  'delete-binding': stocked('binding'),
  'list-servers': none,
  'get-server': web2(),
  'patch-server': web2({}),
  'delete-server': stocked('server'),
  'resolve-servers': () => ({ body: { all: true } }),
  'get-facts': web2(),
  'ban-server': stocked('server', {}),
  'unban-server': stocked('server', {}),
  'list-agents': none,
  'get-agent': web2(),
  'delete-agent': stocked('agent'),
  'approve-agent': web2({}),
  'update-agent': web2({ version: '9.9.9' }),
  'pin-agent': web2({ version: null }),
  'update-agents': () => ({ body: { version: null } }),
  'list-rollouts': none,
  'get-artifact': () => ({ params: { version: '9.9.9', arch } }),
  'list-nodes': none,
  'get-node': stocked('node'),
  'delete-node': stocked('node'),
  'ban-node': stocked('node', {}),
  'unban-node': stocked('node', {}),
  'list-node-tokens': none,
  'create-node-token': refusedBody,
  'rotate-node-token': stocked('usedNodeToken', {}),
  'revoke-node-token': stocked('nodeToken'),
  'get-ca': none,
  'rotate-ca': refusedBody,
  'renew-intermediate': refusedBody,
  'list-certificates': none,
  'revoke-certificate': ({ serial }) => ({ params: { serial }, body: nobodyTakes }),
  'list-audit': none,
  'export-audit': none,
  'list-checkpoints': none,
  'verify-audit': refusedBody,
  'stream-server-log': ({ server }) => ({ ...id(server.name), query: '?file=/var/log/labmesh-none' }),
  'stream-audit-log': () => ({ ...id('all'), query: '?tail=1' }),
  'list-sessions': none,
  'get-session': ({ session }) => id(session),
  'kill-session': ({ session }) => id(session, {}),
  'get-recording': ({ session }) => id(session),
  // Where no tunnel is, whoever may ask is told so.
  'get-tunnel': none,
  'get-tunnel-key': none,
  'rotate-tunnel': () => ({ body: {} }),
  'list-tunnel-peers': none,
  'get-tunnel-peer': () => id('rack'),
  'create-tunnel-peer': () => ({ body: { name: 'laptop', wireguardPublicKey: `${'A'.repeat(43)}=` } }),
  'update-tunnel-peer': () => id('rack', { requirePq: true }),
  'delete-tunnel-peer': () => id('rack'),
  'exchange-tunnel-peer': () => id('rack', {}),
  'cut-tunnel-peer': () => id('rack', {}),
  'trust-tunnel-peer': () => id('rack', { sha256: '0'.repeat(64) }),
  'export-tunnel-peer': () => ({ ...id('rack'), query: '?format=toml' }),
  'get-recording-part': ({ recording }) => id(recording),
};

/** What may be opened on a client socket, each for itself; `exec-unrecorded` is exec that asks for no recording. */
export const openSamples: Record<OpenKind | 'exec-unrecorded', (ground: Ground) => Open> = {
  exec: ({ server }) => exec(server.name, false),
  'exec-unrecorded': ({ server }) => exec(server.name, true),
  attach: ({ session }) => ({ kind: 'attach', target: session, tty: null }),
  'copy-in': ({ server }) => ({ ...copy(server.name), kind: 'copy-in', transfer: uuidv7() }),
  'copy-out': ({ server }) => ({ ...copy(server.name), kind: 'copy-out' }),
  forward: ({ server }) => ({ kind: 'forward', server: server.name, host: 'localhost', port: 22 }),
  logs: ({ server }) => ({ kind: 'logs', server: server.name, follow: false }),
  facts: ({ server }) => ({ kind: 'facts', server: server.name }),
};

const copy = (server: string) => ({ server, path: '/tmp/x', recursive: false, preserve: false });

const exec = (server: string, noRecord: boolean): Open => ({
  kind: 'exec',
  server,
  argv: ['true'],
  env: {},
  tty: null,
  stdin: false,
  detach: false,
  keepChildren: false,
  noRecord,
});
